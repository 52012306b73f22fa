"""A phone inside a flow asks the business' endpoint for the next screen, encrypted as WhatsApp does it.

A request has a fresh AES key, wrapped with the public key that the business registered (RSA-OAEP, SHA-256), and data in
AES-GCM; the answer comes back under the same key, with every bit of the IV turned over. Source: Meta, WhatsApp Flows,
"Implementing endpoints", 2026.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from providers.emulator.exchange import Exchange
from providers.emulator.phones import EmulatorError

CANNOT_DECRYPT, TOKEN_IS_OVER, BAD_SIGNATURE = 421, 427, 432

_WORDS = {
    CANNOT_DECRYPT: "the endpoint could not decrypt the request (421): is its private key the registered one's?",
    TOKEN_IS_OVER: "the endpoint says that the flow token is no longer valid (427)",
    BAD_SIGNATURE: "the endpoint says that the signature is wrong (432)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A flow on somebody's screen: whom it asks, in which version of the data, and the token its message gave it."""

    endpoint: str
    version: str
    token: str


class FlowEndpoint:
    """Asks the endpoints of flows.

    Args:
        exchange: What the emulator shares.
        public_key: The key that the business registered, in PEM; '' while there is none.
    """

    def __init__(self, exchange: Exchange, public_key: Callable[[], str]) -> None:
        self._exchange = exchange
        self._public_key = public_key

    async def health(self, url: str, version: str) -> str:
        """Ping an endpoint; why it is not well, or ''."""
        try:
            answer = await self._ask(url, {"version": version, "action": "ping"})
        except EmulatorError as error:
            return str(error)
        well = answer.get("data") == {"status": "active"}
        return "" if well else 'the answer to a ping was not {"data": {"status": "active"}}'

    async def step(self, flow: Opened, action: str, screen: str, data: dict[str, Any]) -> dict[str, Any]:
        """What the endpoint answers when somebody opens a flow (INIT), goes on (data_exchange), or goes BACK.

        Raises:
            EmulatorError: It does not answer as it should.
        """
        if action not in ("INIT", "data_exchange", "BACK"):
            raise EmulatorError("a flow asks its endpoint for INIT, data_exchange or BACK")
        request: dict[str, Any] = {"version": flow.version, "action": action, "flow_token": flow.token}
        if action != "INIT":
            request |= {"screen": screen, "data": data}
        answer = await self._ask(flow.endpoint, request)
        if not isinstance(answer.get("screen"), str) or not isinstance(answer.get("data", {}), dict):
            raise EmulatorError(f"the endpoint's answer names no screen: {answer}")
        return answer

    async def _ask(self, url: str, request: dict[str, Any]) -> dict[str, Any]:
        key, iv = secrets.token_bytes(16), secrets.token_bytes(16)
        body = orjson.dumps(self._sealed(orjson.dumps(request), key, iv))
        signature = hmac.new(self._exchange.settings.app_secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
        try:
            async with self._exchange.courier.session.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                status, text = response.status, await response.text()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise EmulatorError(f"{url} cannot be reached: {error!r}") from None
        if status != 200:
            raise EmulatorError(_WORDS.get(status, f"the endpoint answered HTTP {status}"))
        return opened(text, key, iv)

    def _sealed(self, request: bytes, key: bytes, iv: bytes) -> dict[str, str]:
        pem = self._public_key()
        if not pem:
            raise EmulatorError("the business has registered no public key for flows")
        try:
            public = serialization.load_pem_public_key(pem.encode())
        except ValueError as error:
            raise EmulatorError(f"the registered public key cannot be read: {error}") from None
        if not isinstance(public, RSAPublicKey):
            raise EmulatorError("the registered public key is not an RSA key")
        padding = OAEP(mgf=MGF1(algorithm=hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
        return {
            "encrypted_flow_data": _text(AESGCM(key).encrypt(iv, request, None)),
            "encrypted_aes_key": _text(public.encrypt(key, padding)),
            "initial_vector": _text(iv),
        }


def opened(text: str, key: bytes, iv: bytes) -> dict[str, Any]:
    """An endpoint's answer, decrypted.

    Raises:
        EmulatorError: It is not encrypted as it should be, or is no object.
    """
    try:
        sealed = base64.b64decode(text, validate=True)
        read = orjson.loads(AESGCM(key).decrypt(bytes(byte ^ 0xFF for byte in iv), sealed, None))
    except (ValueError, InvalidTag):
        raise EmulatorError("the endpoint's answer is not base64 of what the flow's key and turned IV open") from None
    if not isinstance(read, dict):
        raise EmulatorError("the endpoint's answer is no object")
    return read


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
