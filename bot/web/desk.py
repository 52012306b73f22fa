"""The web desk: pages for sales, operations and managers, made of files that work on the JSON API in the browser.

Nothing here reads the database. Whoever signs in does so with a token of the API, which asks the same permissions as
for anybody else; the page only does not offer what it would refuse. There are no cookies, so no other site can act in
somebody's name. What people wrote enters the page as text nodes, scripts come from here alone, and the browser is told
to take no markup from strings (Trusted Types).
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

PATH = "/desk"
FILES = Path(__file__).parent / "desk_files"

_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-cache",
}


def add_desk(app: web.Application) -> None:
    """Serve the page and its files, read once."""
    pages = {f"{PATH}/{file.name}": file for file in FILES.iterdir() if file.suffix in _TYPES}
    pages[PATH] = pages.pop(f"{PATH}/index.html")
    for path, file in pages.items():
        app.router.add_get(path, _giving(file.read_bytes(), _TYPES[file.suffix]))


def _giving(body: bytes, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def give(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=_HEADERS)

    return give
