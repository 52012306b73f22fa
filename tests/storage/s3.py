"""A small S3-like store over real HTTP, which checks signatures as Amazon's does, in code of its own."""

import hashlib
import hmac
import re
from datetime import datetime, timedelta

from aiohttp import web
from yarl import URL

ACCESS_KEY, SECRET_KEY = "AKIAFIXTURE", "fixture-secret/key+0001"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/s3/aws4_request, "
    r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})"
)


class S3Like:
    """Buckets in memory."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.objects: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.trouble: int | None = None

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.calls.append(f"{request.method} {request.path}")
        if self.trouble is not None:
            return web.Response(status=self.trouble)
        if (mistake := self.mistake(request, body)) is not None:
            return web.Response(status=403, text=mistake)
        key = request.path
        match request.method:
            case "PUT":
                self.objects[key] = body
                return web.Response()
            case "DELETE":
                self.objects.pop(key, None)
                return web.Response(status=204)
            case _ if key not in self.objects:
                return web.Response(status=404)
        return web.Response(body=self.objects[key])

    def mistake(self, request: web.Request, body: bytes) -> str | None:
        """Why a request is not let in."""
        match = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
        if match is None:
            return "no signature"
        access, day, region, names, signature = match.groups()
        digest = hashlib.sha256(body).hexdigest()
        if request.headers["x-amz-content-sha256"] != digest:
            return "another body"
        moment = request.headers["x-amz-date"]
        if abs(datetime.strptime(moment + "+0000", "%Y%m%dT%H%M%SZ%z") - self.now) > timedelta(minutes=15):
            return "RequestTimeTooSkewed"
        lines = [f"{name}:{request.headers[name].strip()}" for name in names.split(";")]
        canonical = [request.method, URL(str(request.url)).raw_path, "", *lines, "", names, digest]
        scope = f"{day}/{region}/s3/aws4_request"
        wanted = ["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256("\n".join(canonical).encode()).hexdigest()]
        key = b"AWS4" + SECRET_KEY.encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        made = hmac.new(key, "\n".join(wanted).encode(), hashlib.sha256).hexdigest()
        return None if access == ACCESS_KEY and made == signature else "SignatureDoesNotMatch"
