"""Personal data at rest: AES-256-GCM for values, keyed hashes for looking them up.

All keys are derived from 32-byte secrets with HKDF-SHA-256, a separate one per purpose and tenant, so that equal phone
numbers of two tenants cannot be told to be equal.

Secrets have numbers (storage/postgres/keys.py keeps them). The first byte of a ciphertext is the number of its secret.
While one secret takes another's place, values are encrypted with one of them and can be decrypted with both; blind
indexes are written under both and looked up under one. The number stands in front of a blind index, except of secret 1,
whose indexes are older than numbers.

Ids that providers give to messages are kept as text (`~`, number of the secret, `.`, base64), because they stand in
JSON as well. The same id always looks the same under the same secret, so that SQL can compare two; its nonce is a keyed
hash of it, so that no nonce is used for two ids. What does not begin so is an id of before they were sealed.
"""

import hashlib
import hmac
import os
from base64 import b64decode, b64encode
from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.core.errors import StorageError
from bot.core.ids import ChannelId, TenantId
from bot.core.phones import canonical

KEY_BYTES = 32
MOST_KEYS = 255
"""Numbers there are for secrets: one byte."""
_NONCE_BYTES = 12  # NIST SP 800-38D's recommended length for GCM
_INDEX_BYTES = 16
_CHECK_BYTES = 8
SEALED_ID = "~"
"""What a sealed id of a message begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The secrets in use.

    Attributes:
        secrets: By number: one, or two while one takes the other's place.
        seal: Number of the one that encrypts and signs.
        find: Number of the one whose blind indexes are complete: what lookups ask for.
    """

    secrets: Mapping[int, bytes] = field(repr=False)
    seal: int
    find: int

    def __post_init__(self) -> None:
        for secret in self.secrets.values():
            if len(secret) != KEY_BYTES:
                raise StorageError(f"The secret key has {len(secret)} bytes and needs {KEY_BYTES}.")
        if not {self.seal, self.find} <= set(self.secrets):
            raise StorageError("The secret key that is in use is not among those given.")


class Vault:
    """Encrypts, decrypts and indexes personal data.

    Args:
        keys: The secrets in use, or one of 32 random bytes. Losing them loses every phone number.
    """

    def __init__(self, keys: Keys | bytes) -> None:
        self._derive = lru_cache(maxsize=8192)(self._derive_uncached)
        self._cipher = lru_cache(maxsize=8192)(lambda number, tenant: AESGCM(self._derive(number, f"encrypt:{tenant}")))
        self._id_keys = lru_cache(maxsize=8192)(self._id_keys_uncached)
        self._sealed_ids = lru_cache(maxsize=4096)(self._seal_id)
        self.use(Keys(secrets={1: keys}, seal=1, find=1) if isinstance(keys, bytes) else keys)

    def __repr__(self) -> str:
        return "Vault(…)"

    def use(self, keys: Keys) -> None:
        """Go on with these secrets."""
        self._keys = keys
        self._seal, self._mark, self._find = keys.seal, bytes([keys.seal]), keys.find
        # Lookups first: what is found there is what everybody else finds.
        self._all = tuple(sorted(keys.secrets, key=lambda number: (number != keys.find, number)))
        self._derive.cache_clear()
        self._cipher.cache_clear()
        self._id_keys.cache_clear()
        self._sealed_ids.cache_clear()
        self._id_mark = id_mark(keys.seal)

    @property
    def keys(self) -> Keys:
        """The secrets in use."""
        return self._keys

    @property
    def several(self) -> bool:
        """Whether one secret is taking another's place."""
        return len(self._all) > 1

    # --- Values -------------------------------------------------------------------------------------------------------

    def seal(self, tenant: TenantId, data: bytes) -> bytes:
        """Ciphertext of `data`: number of the secret, nonce, AES-GCM output. Different each time."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._mark + nonce + self._cipher(self._seal, tenant).encrypt(nonce, data, None)

    def unseal(self, tenant: TenantId, ciphertext: bytes) -> bytes:
        """What `seal` was given.

        Raises:
            StorageError: It was made with another secret, or changed.
        """
        nonce, body = ciphertext[1 : 1 + _NONCE_BYTES], ciphertext[1 + _NONCE_BYTES :]
        if len(nonce) < _NONCE_BYTES or ciphertext[0] not in self._keys.secrets:
            raise StorageError(
                "Personal data cannot be decrypted: it was changed, or BOT_SECRET_KEY lacks the key it was made with."
            )
        try:
            return self._cipher(ciphertext[0], tenant).decrypt(nonce, body, None)
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
            StorageError: It was made with another secret, or changed.
        """
        return self.unseal(tenant, ciphertext).decode()

    # --- Providers' ids ---------------------------------------------------------------------------------------------

    def seal_id(self, tenant: TenantId, value: str) -> str:
        """A provider's id of a message, which may hold somebody's number, as it is stored.

        About 2.5 µs; those of the last ids are remembered, since a message has several statuses.
        """
        return self._sealed_ids(tenant, value)

    def _seal_id(self, tenant: TenantId, value: str) -> str:
        key, cipher = self._id_keys(self._seal, tenant)
        raw = value.encode()
        nonce = hashlib.blake2b(raw, key=key, digest_size=_NONCE_BYTES).digest()
        return self._id_mark + b2a_base64(nonce + cipher.encrypt(nonce, raw, None), newline=False).decode()

    def open_id(self, tenant: TenantId, stored: str) -> str:
        """What `seal_id` was given; an id of before they were sealed is itself.

        Raises:
            StorageError: It was made with another secret, or changed.
        """
        if not stored.startswith(SEALED_ID):
            return stored
        mark, _, text = stored.partition(".")
        try:
            number, sealed = int(mark[1:]), b64decode(text, validate=True)
            if number in self._keys.secrets:
                nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
                return self._id_keys(number, tenant)[1].decrypt(nonce, body, None).decode()
        except (ValueError, InvalidTag):
            pass
        raise StorageError(
            "A message's id cannot be read: it was changed, or BOT_SECRET_KEY lacks the key it was sealed with."
        )

    def is_sealed_now(self, stored: str) -> bool:
        """Whether an id was sealed with the present secret: it needs not be made anew."""
        return stored.startswith(self._id_mark)

    def _id_keys_uncached(self, number: int, tenant: TenantId) -> tuple[bytes, AESGCM]:
        return self._derive(number, f"id-nonce:{tenant}"), AESGCM(self._derive(number, f"id:{tenant}"))

    # --- Blind indexes ------------------------------------------------------------------------------------------------

    def identity(self, tenant: TenantId, value: str) -> bytes:
        """Blind index of a phone number in E.164, in any of its spellings, or a business-scoped user id: to look up."""
        return self._identity(self._find, tenant, value)

    def identities(self, tenant: TenantId, value: str) -> list[bytes]:
        """All blind indexes of it: to write. The first is `identity`."""
        return [self._identity(number, tenant, value) for number in self._all]

    def kept_identity(self, tenant: TenantId, value: str, number: int, key: bytes) -> bytes:
        """Blind index of it under a secret that is not in use any more, of which an index key was kept."""
        return _numbered(number, _index(key, value))

    def message_key(self, tenant: TenantId, channel: ChannelId, provider_message_id: str) -> bytes:
        """Key under which a provider's message id is remembered: to look up."""
        return self._message_key(self._find, tenant, channel, provider_message_id)

    def message_keys(self, tenant: TenantId, channel: ChannelId, provider_message_id: str) -> list[bytes]:
        """All keys of it, in the order of secrets: to write."""
        return [self._message_key(n, tenant, channel, provider_message_id) for n in sorted(self._all)]

    def _identity(self, number: int, tenant: TenantId, value: str) -> bytes:
        return _numbered(number, _index(self._derive(number, f"index:{tenant}"), value))

    def _message_key(self, number: int, tenant: TenantId, channel: ChannelId, provider_message_id: str) -> bytes:
        key = self._derive(number, f"message:{tenant}")
        said = f"{channel}:{provider_message_id}".encode()
        return _numbered(number, hashlib.blake2b(said, key=key, digest_size=_INDEX_BYTES).digest())

    # --- Proofs -------------------------------------------------------------------------------------------------------

    def audit_mac(self, tenant: TenantId, data: bytes) -> bytes:
        """Proof (32 bytes) that whoever wrote `data` into the audit log had this deployment's secret."""
        return proof(self._derive(self._seal, f"audit:{tenant}"), data)

    def receipt(self, tenant: TenantId, key: str) -> str:
        """What the audit log says of a receipt, whose wording is the author's: nobody reads it out of this."""
        return _index(self._derive(self._seal, f"index:{tenant}"), f"receipt:{key}").hex()

    def token_digest(self, tenant: TenantId, token: str) -> bytes:
        """What is stored of an API token. Tokens are random, so that no slow hash is needed."""
        return _numbered(self._seal, proof(self._derive(self._seal, f"token:{tenant}"), token.encode()))

    def key_of(self, tenant: TenantId, purpose: str, number: int) -> bytes | None:
        """The key for `audit`, `token` or `index` under one of the secrets; None when that one is not in use."""
        return self._derive(number, f"{purpose}:{tenant}") if number in self._keys.secrets else None

    def sign(self, text: str) -> str:
        """Short tag (11 characters) that proves this deployment wrote `text`; not for secrets."""
        return self._tag(self._seal, "sign", text, 8)

    def signed(self, text: str, tag: str) -> bool:
        """Whether `sign` made this tag of this text, under any secret in use."""
        return self._is_tag("sign", text, tag, 8)

    def ticket(self, text: str) -> str:
        """Tag (22 characters) that nobody else can make of `text`: for links that let in whoever has them."""
        return self._tag(self._seal, "ticket", text, 16)

    def ticketed(self, text: str, tag: str) -> bool:
        """Whether `ticket` made this tag of this text, under any secret in use."""
        return self._is_tag("ticket", text, tag, 16)

    def _is_tag(self, purpose: str, text: str, tag: str, size: int) -> bool:
        given = tag.encode("utf-8", "replace")
        return any(hmac.compare_digest(self._tag(n, purpose, text, size).encode(), given) for n in self._all)

    def _tag(self, number: int, purpose: str, text: str, size: int) -> str:
        tag = hashlib.blake2b(text.encode(), key=self._derive(number, purpose), digest_size=size).digest()
        return b64encode(tag, b"-_").decode().rstrip("=")

    def _derive_uncached(self, number: int, purpose: str) -> bytes:
        return _derived(self._keys.secrets[number], purpose)


def id_mark(number: int) -> str:
    """What an id begins with that was sealed with a secret."""
    return f"{SEALED_ID}{number}."


def number_of(written: bytes, length: int = _INDEX_BYTES) -> int:
    """Number of the secret under which a blind index, or a digest of `length` bytes, was made."""
    return 1 if len(written) == length else written[0]


def proof(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256 (32 bytes)."""
    return hmac.digest(key, data, "sha256")


def check_value(secret: bytes) -> bytes:
    """Tells secrets apart without telling anything of them (8 bytes)."""
    return _derived(secret, "check")[:_CHECK_BYTES]


def _numbered(number: int, digest: bytes) -> bytes:
    return digest if number == 1 else bytes([number]) + digest


def _index(key: bytes, value: str) -> bytes:
    return proof(key, canonical(value).encode())[:_INDEX_BYTES]


def _derived(secret: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(secret)


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


def parse_secrets(text: str) -> list[bytes]:
    """The secrets of a comma-separated list: one, or several while one takes another's place.

    Raises:
        ValueError: One of them is something else; the message says what is expected.
    """
    secrets = [parse_secret(part.strip()) for part in text.split(",") if part.strip()]
    if not secrets:
        raise ValueError("must be 32 bytes in base64; make one with: openssl rand -base64 32")
    return list(dict.fromkeys(secrets))


def secrets_in(directory: Path) -> list[bytes]:
    """The secrets kept in `directory/secret.key`, one a line; the first is made on first use. For the owner only."""
    path = directory / "secret.key"
    directory.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with _fresh(directory, [os.urandom(KEY_BYTES)]) as fresh, suppress(FileExistsError):
            # The first of several processes wins, and nobody ever sees the file half written.
            os.link(fresh.name, path)
    return [parse_secret(line.strip()) for line in path.read_text(encoding="ascii").splitlines() if line.strip()]


def keep_secrets(directory: Path, secrets: Iterable[bytes]) -> None:
    """Put these secrets into `directory/secret.key` instead of those there; a crash leaves the ones or the others."""
    with _fresh(directory, secrets) as fresh:
        new = directory / ".secret-next"
        new.unlink(missing_ok=True)
        os.link(fresh.name, new)
        new.replace(directory / "secret.key")


@contextmanager
def _fresh(directory: Path, secrets: Iterable[bytes]) -> Iterator[Any]:
    with NamedTemporaryFile(dir=directory, prefix=".secret-") as fresh:  # mode 0600
        fresh.write(b"".join(b64encode(secret) + b"\n" for secret in secrets))
        fresh.flush()
        os.fsync(fresh.fileno())
        yield fresh
