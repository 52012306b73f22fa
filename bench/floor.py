"""The floor: what aiohttp alone costs when nothing is stored.

One process verifies each webhook, parses it, and sends the same words back; it is what a bot that forgets everything
would do, written as kindly to itself as possible. It answers 200 at once and sends afterwards, from a fixed number of
tasks (`--order after`, which was the faster way), or sends first (`--order before`).
"""

import argparse
import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator

import aiohttp
import orjson
import uvloop
from aiohttp import web

Echo = tuple[str, str]


class Floor:
    """The whole bot: `webhook` takes a message in, `_echo` sends it back."""

    def __init__(self, *, secret: str, send_url: str, senders: int, send_first: bool) -> None:
        self._secret = secret.encode()
        self._send_url = send_url
        self._senders = senders
        self._send_first = send_first
        self._queue: asyncio.Queue[Echo] = asyncio.Queue()
        self._session: aiohttp.ClientSession | None = None

    def app(self) -> web.Application:
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_post("/webhook", self.webhook)
        app.router.add_get("/readyz", self.ready)
        app.cleanup_ctx.append(self._run)
        return app

    async def ready(self, _: web.Request) -> web.Response:
        return web.Response()

    async def webhook(self, request: web.Request) -> web.Response:
        body = await request.read()
        given = request.headers["X-Hub-Signature-256"]
        if not hmac.compare_digest("sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest(), given):
            return web.Response(status=401)
        for entry in orjson.loads(body)["entry"]:
            for change in entry["changes"]:
                for message in change["value"].get("messages", ()):
                    echo = (message["from"], message["text"]["body"])
                    if self._send_first:
                        await self._echo(*echo)
                    else:
                        self._queue.put_nowait(echo)
        return web.Response()

    async def _echo(self, phone: str, text: str) -> None:
        assert self._session is not None
        message = {"messaging_product": "whatsapp", "to": "+" + phone, "type": "text", "text": {"body": text}}
        async with self._session.post(self._send_url, data=orjson.dumps(message)) as answer:
            orjson.loads(await answer.read())["messages"][0]["id"]

    async def _run(self, _: web.Application) -> AsyncIterator[None]:
        headers = {"Authorization": "Bearer bench", "Content-Type": "application/json"}
        connector = aiohttp.TCPConnector(limit=self._senders)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as self._session:
            senders = [asyncio.create_task(self._send_queued()) for _ in range(self._senders)]
            yield
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)

    async def _send_queued(self) -> None:
        while True:
            await self._echo(*await self._queue.get())


def main() -> None:
    parser = argparse.ArgumentParser(description="A bot that echoes and stores nothing.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--send-url", required=True)
    parser.add_argument("--senders", type=int, default=64)
    parser.add_argument("--order", choices=("after", "before"), default="after")
    options = parser.parse_args()
    uvloop.install()
    floor = Floor(
        secret=options.secret,
        send_url=options.send_url,
        senders=options.senders,
        send_first=options.order == "before",
    )
    web.run_app(floor.app(), host="127.0.0.1", port=options.port, access_log=None, print=lambda *_: None)


if __name__ == "__main__":
    main()
