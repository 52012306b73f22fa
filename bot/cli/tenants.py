"""`bot tenants add|list|show|set|enable|disable|rotate-secret`: who is served besides the environment's own number.

Secrets never stand on a command line, where the machine's other users and the shell's history would have them: they are
asked for, or read from a file or standard input. None is ever shown.
"""

import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from getpass import getpass
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from bot.cli.running import run
from bot.config import REQUIRED, WEBHOOK_PATH, DatabaseSettings, load_database_settings
from bot.core.errors import ConfigError, StorageError
from bot.core.ids import TenantId
from bot.runtime.foundation import Foundation
from bot.runtime.loop import utc_now
from bot.runtime.opening import open_foundation
from bot.tenancy import (
    PER_TENANT,
    RESERVED,
    SEALED,
    SECRETS,
    SEVERAL,
    SLUG,
    folder_of,
    names_of,
    read_assignments,
    read_secrets,
    settings_of,
)
from storage.base import AuditEntry
from storage.postgres import Upkeep
from storage.postgres.audit import write_audit
from storage.postgres.tenants import StoredNumber, StoredTenant, TenantStore

Carrier = Literal["meta", "twilio", "360dialog"]
Slug = Annotated[str, Parameter(help="Its short name, like acme")]
Own = Annotated[str, Parameter(help="Settings of its own, like BOT_CHANNEL_RATE=20; without a value: back to default")]
SecretsFrom = Annotated[
    str,
    Parameter(
        name="--secrets",
        allow_leading_hyphen=True,
        help="File with NAME=value lines, or - for standard input; unset: asked for",
    ),
]
OneNumber = Annotated[str, Parameter(name="--number", help="Which of its numbers, like +15550100200, if several")]

_FIXED = frozenset({"whatsapp_provider", "whatsapp_phone_number", "whatsapp_phone_number_id"})
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Register:
    """The tenants, opened to be changed."""

    settings: DatabaseSettings
    foundation: Foundation
    store: TenantStore

    async def find(self, slug: str) -> StoredTenant:
        found = await self.store.find(slug)
        if found is None:
            raise StorageError(f"There is no tenant {slug}: see bot tenants list.")
        return found

    async def note(self, tenant: TenantId, action: str, **detail: object) -> None:
        """Note in the tenant's audit log what was done; which settings, never their values."""
        base = self.foundation
        entry = AuditEntry(at=utc_now(), actor="cli", action=action, conversation_id=None, detail=detail)
        async with base.database.tenant(tenant) as db:
            await write_audit(db, base.vault, tenant, [entry])


@asynccontextmanager
async def _opened() -> AsyncIterator[_Register]:
    settings = load_database_settings()
    async with open_foundation(settings) as base:
        yield _Register(settings=settings, foundation=base, store=TenantStore(base.database, base.vault))


def add(
    slug: Slug,
    *own: Own,
    provider: Annotated[Carrier, Parameter(help="Who carries its messages")],
    number: Annotated[str, Parameter(help="Its WhatsApp number, like +15550100200")],
    name: Annotated[str, Parameter(help="What people call it; unset: the short name")] = "",
    language: Annotated[str, Parameter(help="Language of people of whom nothing is known, like es")] = "",
    timezone: Annotated[str, Parameter(help="Of its hours of business, like Asia/Kathmandu")] = "",
    reach: Annotated[int, Parameter(help="People it may write to first, in 24 hours; 0: no limit of ours")] = 0,
    secrets: SecretsFrom = "",
) -> None:
    """Serve another business, or another number of one. Running servers begin at once."""
    if not SLUG.fullmatch(slug) or slug in RESERVED:
        raise ConfigError([f"{slug} cannot be a short name: take lower-case letters, digits, - and _, like acme."])
    given = read_assignments(own)
    sealed = {key: given.pop(key) for key in SEALED & given.keys()} | _secrets(provider, secrets)
    made = _Change(name=name, language=language, timezone=timezone, reach=reach or None, own=given)
    made.check()
    console = Console(highlight=False)

    async def main() -> None:
        async with _opened() as register:
            known = await register.store.find(slug)
            number_own = {key: value for key, value in given.items() if key not in PER_TENANT and value}
            settings = settings_of(
                None, slug, tenant=made.tenant_settings(known), sealed=sealed,
                number={**number_own, "whatsapp_provider": provider, "whatsapp_phone_number": number},
            )  # fmt: skip
            folder_of(register.settings, made.tenant_settings(known).get("bot_content_dir", ""))
            upkeep = Upkeep(register.foundation.database)
            channel = await upkeep.register_channel(slug, name or slug, provider, settings.address, number)
            tenant = await register.store.read(channel.tenant_id)
            account = settings.whatsapp_business_account_id or None
            stored = StoredNumber(
                channel=replace(channel, account=account), phone_number=number, settings=number_own, sealed=sealed,
                reach_quota=made.reach,
            )  # fmt: skip
            await made.keep(register.store, tenant, stored)
            await register.note(channel.tenant_id, "tenants.added", channel=channel.channel_id)

    run(main())
    console.print(f"{slug} is served with {number}, by every running server.", style="green")
    console.print(f"Its webhooks may come to {WEBHOOK_PATH}, or to {WEBHOOK_PATH}/{slug}, its own.", style="dim")


def change(
    slug: Slug,
    *own: Own,
    number: OneNumber = "",
    name: Annotated[str, Parameter(help="What people call it")] = "",
    language: Annotated[str, Parameter(help="Language of people of whom nothing is known, like es")] = "",
    timezone: Annotated[str, Parameter(help="Of its hours of business, like Asia/Kathmandu")] = "",
    reach: Annotated[int, Parameter(help="People it may write to first, in 24 hours; -1: no limit of ours")] = 0,
) -> None:
    """Change settings of a tenant, or of one of its numbers. Running servers take them at once."""
    given = read_assignments(own)
    if fixed := sorted(_FIXED & given.keys()):
        raise ConfigError([f"{key.upper()} is what a number is known by: add another number instead." for key in fixed])
    made = _Change(name=name, language=language, timezone=timezone, reach=reach or None, own=given)
    made.check()
    if not (given or name or language or timezone or reach):
        raise ConfigError(["Say what is to change, like: bot tenants set acme BOT_CHANNEL_RATE=20"])

    async def main() -> None:
        async with _opened() as register:
            tenant = await register.find(slug)
            of_number = {key: value for key, value in given.items() if key not in PER_TENANT}
            stored = _number(tenant, number) if of_number or reach or number else None
            if stored is not None:
                stored = _changed(stored, of_number, made.reach)
            await _check(register, tenant, made.tenant_settings(tenant), stored)
            await made.keep(register.store, tenant, stored)
            await register.note(tenant.state.tenant_id, "tenants.changed", settings=names_of(given))

    run(main())
    Console(highlight=False).print(f"{slug} is changed, in every running server.", style="green")


def rotate_secret(
    slug: Slug,
    secret: Annotated[str, Parameter(help="Which, like WHATSAPP_ACCESS_TOKEN")],
    *,
    number: OneNumber = "",
    source: Annotated[
        str,
        Parameter(
            name="--from",
            allow_leading_hyphen=True,
            help="File with the new one, or - for standard input; unset: asked for",
        ),
    ] = "",
    alone: Annotated[bool, Parameter(negative="", help="The old one does not count any more")] = False,
) -> None:
    """Put a new secret in the place of an old one. Of those that sign webhooks, the old one counts beside it."""
    key = secret.strip().lower()
    if key not in SECRETS:
        raise ConfigError([f"{secret[:40]}: there are the secrets {', '.join(names_of(SECRETS))}."])
    fresh = _read(source).strip() if source else getpass(f"{key.upper()} (not shown): ").strip()
    if not fresh or any(character in fresh for character in ",\n"):
        raise ConfigError([f"{key.upper()}: that is not one secret, without commas and line breaks."])

    async def main() -> None:
        async with _opened() as register:
            tenant = await register.find(slug)
            stored = _number(tenant, number)
            assert stored.sealed is not None  # noqa: S101  _number has looked
            old = [one for one in stored.sealed.get(key, "").split(",") if one.strip() and one != fresh]
            kept = [fresh, *old[:1]] if key in SEVERAL and not alone else [fresh]
            stored = replace(stored, sealed={**stored.sealed, key: ",".join(kept)})
            await _check(register, tenant, tenant.settings, stored)
            await _Change().keep(register.store, tenant, stored)
            await register.note(tenant.state.tenant_id, "tenants.secret_rotated", settings=[key.upper()])

    run(main())
    console = Console(highlight=False)
    console.print(f"{key.upper()} of {slug} is replaced, in every running server.", style="green")
    if key in SEVERAL and not alone:
        console.print("The old one counts beside it, until you rotate again with --alone.", style="dim")


def disable(slug: Slug) -> None:
    """Stop serving a tenant: what comes for it is kept, and nothing else done. Nobody else notices."""
    _set_active(slug, active=False)
    Console(highlight=False).print(f"{slug} is not served any more; what comes for it is kept: bot unread.")


def enable(slug: Slug) -> None:
    """Serve a tenant again."""
    _set_active(slug, active=True)
    Console(highlight=False).print(f"{slug} is served.", style="green")


def show(slug: Slug) -> None:
    """Show everything about a tenant but its secrets."""

    async def main() -> StoredTenant:
        async with _opened() as register:
            return await register.find(slug)

    tenant = run(main())
    console = Console(highlight=False)
    about = Table("about", "", title=f"{tenant.state.slug}: {tenant.name}", title_justify="left")
    about.add_row("status", "served" if tenant.state.active else "disabled")
    about.add_row("language", tenant.language)
    about.add_row("timezone", tenant.timezone)
    for key, value in sorted(tenant.settings.items()):
        about.add_row(key.upper(), value)
    console.print(about)
    for number in tenant.numbers:
        one = Table("number", number.phone_number, title_justify="left")
        one.add_row("provider", number.channel.provider)
        one.add_row("known as", number.channel.address)
        one.add_row("people written to first, in 24 hours", str(number.reach_quota or "no limit of ours"))
        if number.alarm:
            one.add_row("alarm", number.alarm)
        for key, value in sorted(number.settings.items()):
            one.add_row(key.upper(), value)
        for key, value in sorted((number.sealed or {}).items()):
            count = len(value.split(",")) if key in SEVERAL else 1
            shown = (
                value if key not in SECRETS else "set" if count == 1 else f"set, and {count - 1} that counts as well"
            )
            one.add_row(key.upper(), shown)
        if number.sealed is None:
            one.add_row("settings", "in the environment of a server")
        console.print(one)


def show_all() -> None:
    """List the tenants."""

    async def main() -> list[StoredTenant]:
        async with _opened() as register:
            return [await register.store.read(state.tenant_id) for state in await register.store.states()]

    table = Table("tenant", "name", "status", "number", "provider", "content", "settings")
    for tenant in run(main()):
        for place, number in enumerate(tenant.numbers or [None]):
            row = ["", "", ""]
            if place == 0:
                row = [tenant.state.slug, tenant.name, "served" if tenant.state.active else "disabled"]
            content = tenant.settings.get("bot_content_dir", "shared") if place == 0 else ""
            told = ["", "", content, ""]
            if number is not None:
                where = "stored" if number.sealed is not None else "environment"
                told = [number.phone_number, number.channel.provider, content, where]
            table.add_row(*row, *told)
    Console(highlight=False).print(table)


# --- What they share --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What is to be different about a tenant; empty: as it is."""

    name: str = ""
    language: str = ""
    timezone: str = ""
    reach: int | None = None
    own: Mapping[str, str] | None = None

    def check(self) -> None:
        """Refuse what is no language or timezone."""
        problems = []
        if self.language and not _LANGUAGE.fullmatch(self.language):
            problems.append(f"{self.language} is not a language, like en, es or pt-BR.")
        try:
            ZoneInfo(self.timezone or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            problems.append(f"{self.timezone} is not a timezone, like Asia/Kathmandu.")
        if problems:
            raise ConfigError(problems)

    def tenant_settings(self, tenant: StoredTenant | None) -> dict[str, str]:
        """The tenant's settings as they will be."""
        known = dict(tenant.settings) if tenant is not None else {}
        own = {key: value for key, value in (self.own or {}).items() if key in PER_TENANT}
        return {key: value for key, value in {**known, **own}.items() if value}

    async def keep(self, store: TenantStore, tenant: StoredTenant, number: StoredNumber | None) -> None:
        """Store it."""
        await store.keep(
            tenant.state.tenant_id, name=self.name or tenant.name, settings=self.tenant_settings(tenant),
            language=self.language or tenant.language, timezone=self.timezone or None, number=number,
            seen=tenant.state.revision,
        )  # fmt: skip


async def _check(
    register: _Register, tenant: StoredTenant, settings: Mapping[str, str], changed: StoredNumber | None
) -> None:
    """Refuse what could not be served.

    Raises:
        ConfigError: Lists what is wrong; shows no value.
    """
    folder_of(register.settings, settings.get("bot_content_dir", ""))
    for number in tenant.numbers:
        one = changed if changed is not None and changed.channel == number.channel else number
        if one.sealed is not None:
            own = {**one.settings, "whatsapp_provider": one.channel.provider, "whatsapp_phone_number": one.phone_number}
            settings_of(None, tenant.state.slug, tenant=settings, number=own, sealed=one.sealed)


def _number(tenant: StoredTenant, phone: str) -> StoredNumber:
    """The number that is meant."""
    stored = [number for number in tenant.numbers if number.sealed is not None]
    found = [number for number in stored if phone in ("", number.phone_number)]
    if len(found) == 1:
        return found[0]
    if not stored:
        told = f"The settings of {tenant.state.slug} are in the environment of a server: change them there."
        raise StorageError(told)
    numbers = ", ".join(number.phone_number for number in stored)
    raise StorageError(f"{tenant.state.slug} has the numbers {numbers}: say which with --number.")


def _changed(number: StoredNumber, own: Mapping[str, str], reach: int | None) -> StoredNumber:
    sealed = {**(number.sealed or {}), **{key: value for key, value in own.items() if key in SEALED}}
    open_ = {**number.settings, **{key: value for key, value in own.items() if key not in SEALED}}
    account = open_.get("whatsapp_business_account_id") or number.channel.account
    return replace(
        number,
        channel=replace(number.channel, account=account),
        settings={key: value for key, value in open_.items() if value},
        sealed={key: value for key, value in sealed.items() if value},
        reach_quota=number.reach_quota if reach is None else None if reach < 0 else reach,
    )


def _set_active(slug: str, *, active: bool) -> None:
    async def main() -> None:
        async with _opened() as register:
            tenant = (await register.find(slug)).state.tenant_id
            await register.store.set_active(tenant, active=active)
            await register.note(tenant, "tenants.enabled" if active else "tenants.disabled")

    run(main())


def _secrets(provider: Carrier, source: str) -> dict[str, str]:
    """The secrets that a provider needs, from a file, standard input, or whoever is at the keyboard."""
    needed = [key for key in REQUIRED[provider] if key in SECRETS]
    if source:
        return read_secrets(_read(source))
    if not sys.stdin.isatty():
        names = ", ".join(names_of(needed))
        raise ConfigError([f"Nobody can be asked for {names} here: give them with --secrets FILE, or --secrets -."])
    return {key: getpass(f"{key.upper()} (not shown): ").strip() for key in needed}


def _read(source: str) -> str:
    if source == "-":
        return sys.stdin.read()
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{source} cannot be read: {type(error).__name__}."]) from error
