"""Files as the Cloud API takes them in and gives them out."""

import hashlib
from typing import Any

from aiohttp import BodyPartReader, hdrs, web

from providers.emulator.exchange import Exchange
from providers.emulator.meta.errors import GraphError, refusal_error
from providers.emulator.meta.fields import INVALID
from providers.emulator.meta.wire import json_answer
from providers.emulator.storeroom import StoredFile

LINK_IS_OVER = "the link is not valid any more"

_MEBIBYTE = 1024 * 1024
_DOCUMENT_MOST = 100 * _MEBIBYTE
_UPLOAD_MOST = {"image": 5 * _MEBIBYTE, "audio": 16 * _MEBIBYTE, "video": 16 * _MEBIBYTE}
_STICKER_MOST = 500 * 1024
_UPLOAD_TYPES = {
    "image": ("image/jpeg", "image/png", "image/webp"),
    "audio": ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"),
    "video": ("video/mp4", "video/3gpp", "video/3gp"),
}


class FileDesk:
    """Upload, look-up, download and deletion; whoever calls it has checked who asks."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._uploads: dict[str, int] = {}
        self._handles: set[str] = set()

    async def upload(self, request: web.Request) -> web.Response:
        """Multipart with `messaging_product`, `type` and `file`."""
        self.perhaps_refuse()
        if not request.content_type.startswith("multipart/"):
            raise GraphError(100, "The parameter file is required.")
        fields: dict[str, str] = {}
        content, mime_type, filename = None, "", ""
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                continue
            if part.name == "file":
                mime_type = part.headers.get(hdrs.CONTENT_TYPE, "")
                filename, content = part.filename or "", await _read_part(part, mime_type)
            else:
                fields[part.name or ""] = (await part.read(decode=True)).decode("utf-8", "replace")
        if fields.get("messaging_product") != "whatsapp":
            raise GraphError(100, "The parameter messaging_product is required.")
        if content is None:
            raise GraphError(100, "The parameter file is required.")
        file = self._exchange.storeroom.keep(
            content, mime_type=fields.get("type") or mime_type, filename=filename, inbound=False
        )
        return json_answer({"id": file.id})

    def find(self, file_id: str) -> StoredFile | None:
        """The file with this id, if it is still there."""
        return self._exchange.storeroom.find(file_id)

    def described(self, file: StoredFile, origin: str) -> dict[str, Any]:
        """What a look-up answers: an address that works for five minutes, type, digest and size."""
        return {
            "messaging_product": "whatsapp",
            "url": f"{origin}/whatsapp_business/attachments/?{self._exchange.storeroom.link_query(file.id)}",
            "mime_type": file.mime_type,
            "sha256": file.sha256.hex(),
            "file_size": str(len(file.content)),
            "id": file.id,
        }

    def delete(self, file_id: str) -> web.Response:
        """Forget a file."""
        if not self._exchange.storeroom.drop(file_id):
            raise unknown_object(file_id)
        return json_answer({"success": True})

    def download(self, request: web.Request) -> web.Response:
        """The bytes behind a genuine link that is at most five minutes old."""
        self.perhaps_refuse()
        query = request.query
        file = self._exchange.storeroom.open_link(query.get("mid", ""), query.get("ext", ""), query.get("hash", ""))
        if file is None:
            raise web.HTTPNotFound(text=LINK_IS_OVER)
        return web.Response(body=file.content, headers={hdrs.CONTENT_TYPE: file.mime_type})

    async def open_upload(self, request: web.Request) -> web.Response:
        """`POST /{app}/uploads`: begin a resumable upload, for the sample file of a template."""
        length = request.query.get("file_length", "")
        if not length.isdecimal() or not request.query.get("file_type"):
            raise GraphError(100, "file_length and file_type are required.")
        session = f"upload:{self._exchange.chance.getrandbits(96):024x}"
        self._uploads[session] = int(length)
        return json_answer({"id": session})

    async def fill_upload(self, request: web.Request) -> web.Response:
        """`POST /upload:…`: the bytes; answers the handle that a template's `example` names."""
        session = request.match_info["session"]
        length = self._uploads.get(session)
        if length is None:
            raise unknown_object(session)
        content = await request.read()
        if len(content) != length:
            raise GraphError(100, f"{length} bytes were announced, {len(content)} came")
        del self._uploads[session]
        handle = "4::" + hashlib.sha256(content).hexdigest()
        self._handles.add(handle)
        return json_answer({"h": handle})

    def gave_out(self, handle: str) -> bool:
        """Whether a handle is one of a file that was uploaded for a template."""
        return handle in self._handles

    async def asked_upload(self, request: web.Request) -> web.Response:
        """`GET /upload:…`: how far an upload got."""
        session = request.match_info["session"]
        if session not in self._uploads:
            raise unknown_object(session)
        return json_answer({"id": session, "file_offset": 0})

    def perhaps_refuse(self) -> None:
        """Raise the refusal that is set for files."""
        refusal = self._exchange.faults.take_refusal("media")
        if refusal is not None:
            raise refusal_error(refusal)


async def _read_part(part: BodyPartReader, mime_type: str) -> bytes:
    kind, plain = mime_type.partition("/")[0], mime_type.partition(";")[0].strip()
    if plain not in _UPLOAD_TYPES.get(kind, (plain,)) or not plain:
        allowed = ", ".join(_UPLOAD_TYPES.get(kind, ()))
        raise GraphError(100, f"Param file must be a file with one of the following types: {allowed}")
    most = _STICKER_MOST if plain == "image/webp" else _UPLOAD_MOST.get(kind, _DOCUMENT_MOST)
    content = bytearray()
    while chunk := await part.read_chunk(_MEBIBYTE):
        content += chunk
        if len(content) > most:
            raise GraphError(INVALID, f"Param file is larger than {most} bytes")
    return bytes(content)


def unknown_object(node: str) -> GraphError:
    """The error for an id that means nothing here."""
    details = f"Object with ID '{node}' does not exist or cannot be loaded due to missing permissions"
    return GraphError(100, details, subcode=33)
