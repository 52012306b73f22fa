"""Personal data at rest: AES-256-GCM for values, keyed hashes for looking them up.

All keys are derived from one 32-byte secret with HKDF-SHA-256, a separate one per purpose and tenant, so that equal
phone numbers of two tenants cannot be told to be equal.
"""

import hashlib
import hmac
import os
from base64 import b64decode, b64encode
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.core.errors import StorageError
from bot.core.ids import ChannelId, TenantId
from bot.core.phones import canonical

KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D's recommended length for GCM
_KEY_ID = b"\x01"  # first byte of every ciphertext: which key it was made with
_INDEX_BYTES = 16


class Vault:
    """Encrypts, decrypts and indexes personal data.

    Args:
        secret: 32 random bytes. Losing it loses every phone number.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise StorageError(f"The secret key has {len(secret)} bytes and needs {KEY_BYTES}.")
        self._secret = secret
        self._derive = lru_cache(maxsize=4096)(self._derive_uncached)
        self._cipher = lru_cache(maxsize=4096)(lambda tenant: AESGCM(self._derive(f"encrypt:{tenant}")))

    def __repr__(self) -> str:
        return "Vault(…)"

    def seal(self, tenant: TenantId, data: bytes) -> bytes:
        """Ciphertext of `data`: key id, nonce, AES-GCM output. Different each time."""
        nonce = os.urandom(_NONCE_BYTES)
        return _KEY_ID + nonce + self._cipher(tenant).encrypt(nonce, data, None)

    def unseal(self, tenant: TenantId, ciphertext: bytes) -> bytes:
        """What `seal` was given.

        Raises:
            StorageError: It was made with another key, or changed.
        """
        nonce, body = ciphertext[1 : 1 + _NONCE_BYTES], ciphertext[1 + _NONCE_BYTES :]
        if not ciphertext.startswith(_KEY_ID) or len(nonce) < _NONCE_BYTES:
            raise StorageError("Personal data cannot be decrypted: it was changed, or written by a newer version.")
        try:
            return self._cipher(tenant).decrypt(nonce, body, None)
        except InvalidTag as error:
            raise StorageError(
                "Personal data cannot be decrypted: BOT_SECRET_KEY is not the key this database was written with."
            ) from error

    def encrypt(self, tenant: TenantId, text: str) -> bytes:
        """Ciphertext of `text`."""
        return self.seal(tenant, text.encode())

    def decrypt(self, tenant: TenantId, ciphertext: bytes) -> str:
        """The text of `ciphertext`.

        Raises:
            StorageError: It was made with another key, or changed.
        """
        return self.unseal(tenant, ciphertext).decode()

    def identity(self, tenant: TenantId, value: str) -> bytes:
        """Blind index (16 bytes) of a phone number in E.164, in any of its spellings, or a business-scoped user id."""
        return hmac.digest(self._derive(f"index:{tenant}"), canonical(value).encode(), "sha256")[:_INDEX_BYTES]

    def message_key(self, tenant: TenantId, channel: ChannelId, provider_message_id: str) -> bytes:
        """Key (16 bytes) under which a provider's message id is remembered."""
        key = self._derive(f"message:{tenant}")
        return hashlib.blake2b(f"{channel}:{provider_message_id}".encode(), key=key, digest_size=16).digest()

    def audit_mac(self, tenant: TenantId, data: bytes) -> bytes:
        """Proof (32 bytes) that whoever wrote `data` into the audit log had this deployment's secret."""
        return hmac.digest(self._derive(f"audit:{tenant}"), data, "sha256")

    def token_digest(self, tenant: TenantId, token: str) -> bytes:
        """What is stored of an API token (32 bytes). Tokens are random, so that no slow hash is needed."""
        return hmac.digest(self._derive(f"token:{tenant}"), token.encode(), "sha256")

    def sign(self, text: str) -> str:
        """Short tag (11 characters) that proves this deployment wrote `text`; not for secrets."""
        tag = hashlib.blake2b(text.encode(), key=self._derive("sign"), digest_size=8).digest()
        return b64encode(tag, b"-_").decode().rstrip("=")

    def ticket(self, text: str) -> str:
        """Tag (22 characters) that nobody else can make of `text`: for links that let in whoever has them."""
        tag = hashlib.blake2b(text.encode(), key=self._derive("ticket"), digest_size=16).digest()
        return b64encode(tag, b"-_").decode().rstrip("=")

    def _derive_uncached(self, purpose: str) -> bytes:
        return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(self._secret)


def parse_secret(text: str) -> bytes:
    """The 32 bytes of a base64 secret.

    Raises:
        ValueError: It is something else; the message says what is expected.
    """
    try:
        secret = b64decode(text, validate=True)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise ValueError("must be 32 bytes in base64; make one with: openssl rand -base64 32")
    return secret


def secret_in(directory: Path) -> bytes:
    """The secret kept in `directory/secret.key`, made on first use, readable by the owner only."""
    path = directory / "secret.key"
    directory.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with NamedTemporaryFile(dir=directory, prefix=".secret-") as fresh:  # mode 0600
            fresh.write(b64encode(os.urandom(KEY_BYTES)) + b"\n")
            fresh.flush()
            os.fsync(fresh.fileno())
            # The first of several processes wins, and nobody ever sees the file half written.
            with suppress(FileExistsError):
                os.link(fresh.name, path)
    return parse_secret(path.read_text(encoding="ascii").strip())
