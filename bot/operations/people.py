"""People: how somebody becomes staff, which role they speak in, and two contacts that turn out to be one person."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bot.core.errors import ActionError
from bot.core.ids import ContactId, TenantId
from bot.operations import merging, timeline
from bot.operations.acting import Acting, ident, text_of, whole
from bot.operations.lifecycle import Change, Lifecycle
from bot.operations.permissions import ROLES, check
from bot.operations.services import Services
from storage.base import AuditEntry
from storage.crypto import Vault

SERVICES = Services()
ACTIONS = SERVICES.actions

INVITES = Lifecycle(
    "An invitation",
    "OPEN",
    {
        "use": Change(("OPEN",), "USED", "used"),
        "expire": Change(("OPEN",), "EXPIRED", "expired"),
        "revoke": Change(("OPEN",), "REVOKED", "revoked"),
    },
)
MERGES = Lifecycle("A merge", "MERGED", {"undo": Change(("MERGED",), "UNDONE", "undone")})

CODE_LENGTH = 10
"""Letters of a code: 50 bits, so that nobody guesses one that is open for a few days."""
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_LOOKALIKES = str.maketrans("ILOU", "110V")
_MOST_HOURS = 14 * 24
_ROUNDS = 2_000
_MOST_TYPED = 200

WRONG_CODES = 5
"""Wrong codes of one person within `WRONG_WITHIN`, after which no code of theirs is looked at."""
WRONG_CODES_OF_ALL = 100
"""The same of all of a tenant's people together: whoever has many phones does not have many more tries."""
WRONG_WITHIN = timedelta(hours=1)
JOINING = ("joining", 0)
"""Whose timeline keeps wrong codes: entries there cannot be taken back, neither by who tries nor by erasing them."""

_INVITE = """
INSERT INTO staff_invites (tenant_id, code_hash, roles, name, created_by, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING invite_id
"""
_BY_CODE = "SELECT * FROM staff_invites WHERE tenant_id = $1 AND code_hash = ANY ($2::bytea[]) FOR UPDATE"
_WRONG = """
SELECT count(*) FILTER (WHERE content ->> 'action' = 'CODE_REFUSED' AND actor_id = $2) AS own,
       count(*) FILTER (WHERE content ->> 'action' = 'CODE_REFUSED') AS everybodys,
       count(*) FILTER (WHERE content ->> 'action' = 'CODES_STOPPED' AND actor_id = $2) AS told
FROM timeline_entries WHERE tenant_id = $1 AND object_type = $3 AND object_id = $4 AND created_at > $5
"""
_LOCK_CODES = "SELECT pg_advisory_xact_lock(hashtextextended('codes', $1))"
_INVITED = "SELECT * FROM staff_invites WHERE tenant_id = $1 AND invite_id = $2 FOR UPDATE"
_SET_INVITE = """
UPDATE staff_invites SET status = $3, used_by = $4, used_at = $5 WHERE tenant_id = $1 AND invite_id = $2
"""
_OVERDUE_INVITES = """
UPDATE staff_invites SET status = $3 WHERE tenant_id = $1 AND status = 'OPEN' AND expires_at <= $2 RETURNING invite_id
"""
_GRANT = """
INSERT INTO contact_roles (tenant_id, contact_id, role, granted_at) SELECT $1, $2, r.role, $4
FROM unnest($3::text[]) AS r (role) ON CONFLICT DO NOTHING
"""
_NAME = "UPDATE contacts SET name = $3 WHERE tenant_id = $1 AND contact_id = $2 AND name = ''"
_TAKE_ROLES = "DELETE FROM contact_roles WHERE tenant_id = $1 AND contact_id = $2 AND NOT role = ANY ($3::text[])"
_ROLES = "SELECT role FROM contact_roles WHERE tenant_id = $1 AND contact_id = $2 ORDER BY role"
_SWITCH = "UPDATE contacts SET active_role = $3 WHERE tenant_id = $1 AND contact_id = $2"
_PERSON = (
    "SELECT contact_id, name, language, active_role, merged_into FROM contacts WHERE tenant_id = $1 AND contact_id = $2"
)
_MERGES = "SELECT * FROM contact_merges WHERE tenant_id = $1 ORDER BY merge_id DESC LIMIT $2"
_MERGE = "SELECT * FROM contact_merges WHERE tenant_id = $1 AND merge_id = $2 FOR UPDATE"


# --- Staff ------------------------------------------------------------------------------------------------------------


@SERVICES.service("staff.invite", "manage_people")
async def invite(
    acting: Acting, *, roles: str | Sequence[str], name: str = "", hours: int | str = 48
) -> dict[str, Any]:
    """Make a code with which one person becomes staff by texting it: `JOIN <code>`.

    Args:
        acting: Who and when.
        roles: What they will be, as a list or separated by commas.
        name: What to call them, if WhatsApp does not tell.
        hours: How long the code is good.

    Returns:
        `id`, `code` (shown only now: a hash of it is kept), `roles`, `expires_at`.
    """
    granted = _roles(roles)
    if not granted:
        raise ActionError("bad_value", "Say which role they will have.")
    expires = acting.at + timedelta(hours=whole(hours, "The hours", least=1, most=_MOST_HOURS))
    code = "".join(secrets.choice(_LETTERS) for _ in range(CODE_LENGTH))
    made = await acting.db.fetchval(
        _INVITE, acting.tenant_id, code_hash(acting.tenant_id, code), granted,
        text_of(name, "The name", most=200, needed=False), acting.actor, acting.at, expires,
    )  # fmt: skip
    await timeline.record(acting, "invite", made, "STAFF_INVITED", roles=granted)
    return {"id": made, "code": f"{code[:5]}-{code[5:]}", "roles": granted, "expires_at": expires.isoformat()}


@SERVICES.service("staff.join")
async def join(acting: Acting, *, code: str) -> dict[str, Any]:
    """Whoever writes has got a code: give them its roles. It works once.

    Returns:
        `roles`, all they have now.

    Raises:
        ActionError: `bad_code`, whether there never was one, it is used, revoked or expired: strangers learn nothing.
            `too_many`, after too many of these, and `still_too_many` from the second time on: codes are not even
            looked at until an hour after.
    """
    await _not_too_many(acting)
    hashes = [code_hash(acting.tenant_id, code), _quick_hash(acting.tenant_id, code)]
    row = await acting.db.fetchrow(_BY_CODE, acting.tenant_id, hashes)
    if row is None or not INVITES.allows("use", row["status"]) or row["expires_at"] <= acting.at:
        await timeline.record(acting, *JOINING, "CODE_REFUSED")
        raise ActionError("bad_code", "This code does not work. Ask whoever gave it to you for a new one.", kept=True)
    status = INVITES.after("use", row["status"])
    await acting.db.execute(_SET_INVITE, acting.tenant_id, row["invite_id"], status, acting.me, acting.at)
    await acting.db.execute(_GRANT, acting.tenant_id, acting.me, row["roles"], acting.at)
    if row["name"]:
        await acting.db.execute(_NAME, acting.tenant_id, acting.me, row["name"])
    await timeline.record(acting, "contact", acting.me, "STAFF_JOINED", roles=row["roles"], invite_id=row["invite_id"])
    return {"roles": await roles_of(acting, acting.me)}


async def _not_too_many(acting: Acting) -> None:
    """Look at no more codes for a while, once there were too many wrong ones.

    Codes of a tenant are looked at one after the other, whichever workers have them: each try sees the one before it.
    Who was told to stop waits for nobody, so a flood of codes holds up no worker.
    """
    wrong = await _wrong_codes(acting)
    if not (_too_many(wrong) and wrong["told"]):
        await acting.db.execute(_LOCK_CODES, acting.tenant_id)
        wrong = await _wrong_codes(acting)
    if not _too_many(wrong):
        return
    if wrong["told"]:
        raise ActionError("still_too_many", "There were too many wrong codes.")
    await timeline.record(acting, *JOINING, "CODES_STOPPED", own=wrong["own"], everybodys=wrong["everybodys"])
    raise ActionError("too_many", "There were too many wrong codes. Try again in an hour.", kept=True)


async def _wrong_codes(acting: Acting) -> Any:
    return await acting.db.fetchrow(_WRONG, acting.tenant_id, acting.me, *JOINING, acting.at - WRONG_WITHIN)


def _too_many(wrong: Any) -> bool:
    return bool(wrong["own"] >= WRONG_CODES or wrong["everybodys"] >= WRONG_CODES_OF_ALL)


@SERVICES.service("staff.revoke_invite", "manage_people")
async def revoke_invite(acting: Acting, *, invite: int | str) -> dict[str, Any]:
    """Make a code useless that was not used yet."""
    row = await acting.db.fetchrow(_INVITED, acting.tenant_id, ident(invite, ""))
    if row is None:
        raise ActionError("not_found", "There is no such invitation.")
    status = INVITES.after("revoke", row["status"])
    await acting.db.execute(_SET_INVITE, acting.tenant_id, row["invite_id"], status, None, None)
    await timeline.record(acting, "invite", row["invite_id"], "INVITE_REVOKED")
    return {"id": row["invite_id"], "status": status}


@SERVICES.service("staff.set_roles", "manage_people")
async def set_roles(acting: Acting, *, person: int | str, roles: str | Sequence[str]) -> dict[str, Any]:
    """Give somebody exactly these roles; none makes them a customer again.

    Raises:
        ActionError: `own_roles`: nobody changes their own.
    """
    who, wanted = ContactId(ident(person, "")), _roles(roles)
    if who == acting.contact_id:
        raise ActionError("own_roles", "Somebody else has to change your roles.")
    await _person(acting, who)
    await acting.db.execute(_TAKE_ROLES, acting.tenant_id, who, wanted)
    await acting.db.execute(_GRANT, acting.tenant_id, who, wanted, acting.at)
    await timeline.record(acting, "contact", who, "ROLES_SET", roles=wanted)
    return {"id": who, "roles": wanted}


@SERVICES.service("staff.switch")
async def switch_role(acting: Acting, *, role: str) -> dict[str, Any]:
    """Whoever writes speaks in another of their roles from now on; everybody may be a customer.

    Returns:
        `role`, and `roles`: all they have.

    Raises:
        ActionError: `no_such_role`, when they do not have it.
    """
    held = await roles_of(acting, acting.me)
    wanted = str(role).strip().lower().replace(" ", "_").replace("-", "_")
    if wanted not in held and wanted != "customer":
        raise ActionError("no_such_role", f"You are {', '.join(held) or 'a customer'}, not {wanted[:40]}.")
    await acting.db.execute(_SWITCH, acting.tenant_id, acting.me, wanted)
    return {"role": wanted, "roles": held}


async def roles_of(acting: Acting, person: ContactId) -> list[str]:
    """The roles somebody has been given."""
    return [row["role"] for row in await acting.db.fetch(_ROLES, acting.tenant_id, person)]


async def expire_invites(acting: Acting) -> int:
    """Close codes whose time is over."""
    status = INVITES.after("expire", "OPEN")
    return len(await acting.db.fetch(_OVERDUE_INVITES, acting.tenant_id, acting.at, status))


def code_hash(tenant: TenantId, code: str) -> bytes:
    """What is kept of a code, however it is typed: case, spaces, dashes and look-alikes do not matter.

    Slow enough (about a millisecond) that a reader of the database does not find an open code by trying all before it
    ends: at 10 billion SHA-256 a second, that takes fourteen years.
    """
    return hashlib.pbkdf2_hmac("sha256", _plain(code).encode(), f"invite:{tenant}".encode(), _ROUNDS)


def _quick_hash(tenant: TenantId, code: str) -> bytes:
    """What older versions kept of a code; those end within two weeks."""
    return hashlib.sha256(f"{tenant}:{_plain(code)}".encode()).digest()


def _plain(code: str) -> str:
    return "".join(letter for letter in code[:_MOST_TYPED].upper() if letter.isalnum()).translate(_LOOKALIKES)


# --- Contacts that are one person -------------------------------------------------------------------------------------


@SERVICES.service("people.merge", "manage_people")
async def merge(acting: Acting, *, keep: int | str, gone: int | str) -> dict[str, Any]:
    """Two contacts are one person: everything that belonged to `gone` belongs to `keep`.

    Whatever is written from either phone number is heard in the name of `keep`, in its own conversation.

    Returns:
        `id` of the merge, for undoing it, and `moved`: how many rows of what.

    Raises:
        ActionError: `same`, or `merged`, when one of them already is part of somebody else.
    """
    kept, other = ContactId(ident(keep, "")), ContactId(ident(gone, ""))
    if kept == other:
        raise ActionError("same", "These are the same contact.")
    merged = await merging.join(
        acting.db, acting.tenant_id, kept=kept, gone=other, by=acting.actor, at=acting.at, roles=True
    )
    made, moved = merged.merge_id, merged.moved
    await timeline.record(acting, "contact", kept, "CONTACTS_MERGED", merge_id=made, gone_id=other)
    return {"id": made, "kept": kept, "gone": other, "moved": {name: len(rows) for name, rows in moved.items()}}


@SERVICES.service("people.unmerge", "manage_people")
async def unmerge(acting: Acting, *, merge: int | str) -> dict[str, Any]:
    """They are two people after all: what changed hands goes back. What came later stays where it is.

    Raises:
        ActionError: `wrong_status`, when it is undone already; `merged`, when the kept one was merged on since;
            `needs_key`, when a webhook had merged them: their addresses go back as well, which a flow cannot do.
    """
    return await _undo(acting, None, merge)


async def undo_merge(acting: Acting, vault: Vault, merge: int | str, *, of: int | None = None) -> dict[str, Any]:
    """The same, with the key to people's addresses: also for merges that a webhook made.

    Args:
        acting: In whose name; needs `manage_people`.
        vault: Finds their addresses.
        merge: Which.
        of: One of the two, when it has to be theirs.

    Raises:
        ActionError: As there, or `forbidden`.
    """
    check(acting, "people.unmerge", ("manage_people",))
    done = await _undo(acting, vault, merge, of=of)
    if acting.trail is not None:
        detail = {"role": acting.role, "source": acting.source, "id": done["id"], "status": done["status"]}
        entry = AuditEntry(
            at=acting.at, actor=acting.actor, action="people.unmerge", conversation_id=None, detail=detail
        )
        acting.trail.append(entry)
    return done


async def _undo(acting: Acting, vault: Vault | None, merge: int | str, *, of: int | None = None) -> dict[str, Any]:
    row = await acting.db.fetchrow(_MERGE, acting.tenant_id, ident(merge, ""))
    if row is None or (of is not None and of not in (row["kept_id"], row["gone_id"])):
        raise ActionError("not_found", "There is no such merge.")
    status = MERGES.after("undo", row["status"])
    kept, other = ContactId(row["kept_id"]), ContactId(row["gone_id"])
    if (await _person(acting, kept))["merged_into"] is not None:
        raise ActionError("merged", "That contact is part of somebody else since: undo that first.")
    await merging.part(acting.db, vault, acting.tenant_id, row, status, acting.at)
    await timeline.record(acting, "contact", kept, "CONTACTS_UNMERGED", merge_id=row["merge_id"], gone_id=other)
    return {"id": row["merge_id"], "kept": kept, "gone": other, "status": status}


async def merges_of(acting: Acting, limit: int = 100) -> list[Any]:
    """The latest merges, newest first: rows of contact_merges."""
    return await acting.db.fetch(_MERGES, acting.tenant_id, limit)


@SERVICES.service("people.show", "manage_people", "create_leads")
async def show_person(acting: Acting, *, person: int | str) -> dict[str, Any]:
    """Who somebody is: `id`, `name`, `language`, `roles`, `active_role`, `merged_into`."""
    row = await _person(acting, ContactId(ident(person, "")))
    return {
        "id": row["contact_id"],
        "name": row["name"],
        "language": row["language"],
        "roles": await roles_of(acting, row["contact_id"]),
        "active_role": row["active_role"],
        "merged_into": row["merged_into"],
    }


async def _person(acting: Acting, person: ContactId) -> Any:
    row = await acting.db.fetchrow(_PERSON, acting.tenant_id, person)
    if row is None:
        raise ActionError("not_found", "There is no such contact.")
    return row


def _roles(roles: str | Sequence[str]) -> list[str]:
    given = roles.split(",") if isinstance(roles, str) else roles
    wanted = sorted({role.strip().lower().replace(" ", "_") for role in given if role.strip()})
    unknown = [role for role in wanted if role not in ROLES]
    if unknown:
        raise ActionError("bad_value", f"There is no role {unknown[0][:40]}; there are {', '.join(ROLES)}.")
    return wanted
