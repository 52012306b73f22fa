"""Personal data at rest can be read with the key only, and looked up by tenant only."""

import stat
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import StorageError
from bot.core.ids import ChannelId, TenantId
from bot.operations.privacy import base64_of
from storage.crypto import Vault, parse_secret, secrets_in

VAULT = Vault(bytes(range(32)))
ONE, TWO = TenantId(1), TenantId(2)
PHONE = "+9779800000001"


@given(st.text())
def test_what_is_encrypted_can_be_decrypted(text: str) -> None:
    assert VAULT.decrypt(ONE, VAULT.encrypt(ONE, text)) == text


def test_equal_texts_do_not_look_equal() -> None:
    assert VAULT.encrypt(ONE, PHONE) != VAULT.encrypt(ONE, PHONE)


@pytest.mark.parametrize(("vault", "tenant"), [(Vault(bytes(32)), ONE), (VAULT, TWO)], ids=["secret", "tenant"])
def test_another_key_cannot_decrypt(vault: Vault, tenant: TenantId) -> None:
    with pytest.raises(StorageError, match="BOT_SECRET_KEY"):
        vault.decrypt(tenant, VAULT.encrypt(ONE, PHONE))


def test_every_changed_byte_is_noticed() -> None:
    sealed = VAULT.encrypt(ONE, PHONE)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(StorageError):
            VAULT.decrypt(ONE, bytes(changed))


def test_every_missing_end_is_noticed() -> None:
    sealed = VAULT.encrypt(ONE, PHONE)
    for length in range(len(sealed)):
        with pytest.raises(StorageError):
            VAULT.decrypt(ONE, sealed[:length])


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_a_sealed_id_can_be_opened_and_always_looks_the_same(text: str) -> None:
    """SQL compares two; and an id that cannot be told from a sealed one is sealed all the same."""
    sealed = VAULT.seal_id(ONE, text)
    assert VAULT.open_id(ONE, sealed) == text
    assert sealed == Vault(bytes(range(32))).seal_id(ONE, text)
    assert VAULT.open_id(ONE, VAULT.open_id(ONE, VAULT.seal_id(ONE, sealed))) == text


def test_a_sealed_id_tells_nothing_of_what_is_in_it() -> None:
    """Neither as it stands nor in base64; and not the same of two tenants, or under two keys."""
    wamid = "wamid." + b64encode(b"\x1d\x0c" + PHONE.lstrip("+").encode() + b"\x15\x02").decode()
    sealed = VAULT.seal_id(ONE, wamid)
    for text in (sealed, b64decode(sealed.partition(".")[2]).decode("latin-1")):
        assert not any(part in text for part in (PHONE.lstrip("+"), wamid, *base64_of(PHONE.lstrip("+"))))
    assert len({sealed, VAULT.seal_id(TWO, wamid), Vault(bytes(32)).seal_id(ONE, wamid)}) == 3


def test_an_id_of_before_they_were_sealed_is_itself() -> None:
    assert VAULT.open_id(ONE, "wamid.HBgM") == "wamid.HBgM"


def test_every_changed_character_of_a_sealed_id_is_noticed() -> None:
    sealed = VAULT.seal_id(ONE, "SM0001")
    for place in range(1, len(sealed)):
        changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
        with pytest.raises(StorageError, match="BOT_SECRET_KEY"):
            VAULT.open_id(ONE, changed)
    for vault, tenant in ((VAULT, TWO), (Vault(bytes(32)), ONE)):
        with pytest.raises(StorageError, match="BOT_SECRET_KEY"):
            vault.open_id(tenant, sealed)


def test_an_index_finds_within_a_tenant_and_says_nothing_across() -> None:
    assert VAULT.identity(ONE, PHONE) == Vault(bytes(range(32))).identity(ONE, PHONE)
    others = {VAULT.identity(TWO, PHONE), VAULT.identity(ONE, PHONE + "0"), Vault(bytes(32)).identity(ONE, PHONE)}
    assert len(others | {VAULT.identity(ONE, PHONE)}) == 4


def test_a_message_key_tells_tenants_and_numbers_apart() -> None:
    keys = {
        VAULT.message_key(tenant, ChannelId(channel), wamid)
        for tenant in (ONE, TWO)
        for channel in (1, 11)
        for wamid in ("1:x", "x", "wamid.1")
    }
    assert len(keys) == 12


def test_a_signature_is_stable_across_processes_and_versions() -> None:
    """Correlation texts come back days later, perhaps after an upgrade."""
    assert VAULT.sign("s1.1.5.1795338000000000.2") == "KTGp7e9P_2o"
    assert Vault(bytes(32)).sign("x") != VAULT.sign("x")


def test_a_vault_does_not_show_its_secret() -> None:
    assert repr(VAULT) == "Vault(…)"


@pytest.mark.parametrize("text", ["", "short", "!!!!", "A" * 44, "QUJD"])
def test_a_malformed_secret_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match="openssl rand -base64 32"):
        parse_secret(text)


def test_a_secret_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(StorageError, match="has 31 bytes and needs 32"):
        Vault(bytes(31))


def test_the_secret_is_made_once_for_the_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "new"
    (secret,) = secrets_in(directory)
    assert len(secret) == 32
    assert secrets_in(directory) == [secret]
    assert [path.name for path in directory.iterdir()] == ["secret.key"]
    assert stat.S_IMODE((directory / "secret.key").stat().st_mode) == 0o600


def test_many_who_make_the_secret_at_once_agree(tmp_path: Path) -> None:
    """Threads, like containers that share a volume, have the same process id."""

    def at_once(call: Callable[[], bytes], count: int) -> set[bytes]:
        found: list[bytes] = []
        barrier = threading.Barrier(count)

        def run() -> None:
            barrier.wait()
            found.append(call())

        threads = [threading.Thread(target=run) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == count  # none failed
        return set(found)

    for attempt in range(20):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        assert len(at_once(lambda directory=directory: secrets_in(directory)[0], 8)) == 1  # type: ignore[misc]
        assert [path.name for path in directory.iterdir()] == ["secret.key"]
