"""Everything kept about one person, for handing it to them.

What belongs to somebody is found by the catalogue: the tables whose columns name a contact, a conversation, a message
or an object of theirs. A table that is added later is handed out without anybody thinking of it.
"""

import base64
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bot.core.actions import Database
from bot.core.errors import ActionError, StorageError
from bot.core.ids import ContactId, TenantId
from bot.operations.acting import Acting
from bot.operations.permissions import check
from storage.crypto import SEALED_ID, Vault

_BY_IDENTITY = "SELECT contact_id FROM contact_identities WHERE tenant_id = $1 AND identity = $2"
# The contact that stands for the person, and all that were merged into it.
_PEOPLE = """
WITH RECURSIVE up AS (
    SELECT c.contact_id, c.merged_into FROM contacts c WHERE c.tenant_id = $1 AND c.contact_id = $2
    UNION SELECT c.contact_id, c.merged_into FROM up
    JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = up.merged_into
), down AS (
    SELECT up.contact_id FROM up WHERE up.merged_into IS NULL
    UNION SELECT c.contact_id FROM down JOIN contacts c ON c.tenant_id = $1 AND c.merged_into = down.contact_id
)
SELECT contact_id FROM down ORDER BY contact_id
"""
_ADDRESSES = (
    "SELECT contact_id, name, phone, user_id FROM contacts WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])"
)
_CONVERSATIONS = """
SELECT conversation_id FROM whatsapp_conversations WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])
ORDER BY conversation_id
"""
_RUNS = "SELECT run FROM flow_runs WHERE tenant_id = $1 AND conversation_id = ANY ($2::bigint[])"
_MESSAGES = "SELECT message_id FROM whatsapp_messages WHERE tenant_id = $1 AND conversation_id = ANY ($2::bigint[])"
_OBJECTS = {
    "lead": "SELECT lead_id FROM leads WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])",
    "quote": "SELECT quote_id FROM quotes WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])",
    "booking": "SELECT booking_id FROM bookings WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])",
    "payment": """
        SELECT p.payment_id FROM payments p JOIN bookings b ON b.tenant_id = $1 AND b.booking_id = p.booking_id
        WHERE p.tenant_id = $1 AND b.contact_id = ANY ($2::bigint[])""",
    "incident": "SELECT incident_id FROM incidents WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])",
    "check_in": "SELECT check_in_id FROM check_ins WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])",
    "feedback": "SELECT feedback_id FROM feedback WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])",
}
# Tables of the tenant with their columns. Partitions are read through their parents.
COLUMNS = """
SELECT c.relname::text AS name, a.attname::text AS field, format_type(a.atttypid, NULL) AS type,
       has_column_privilege(c.oid, a.attnum, 'UPDATE') AS writable
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenant_id')
ORDER BY c.relname, a.attnum
"""
_PERSON_COLUMNS = ("contact_id", "used_by", "requested_by", "author_id", "actor_id", "kept_id", "gone_id")
_NOT_HANDED_OUT = ("api_tokens", "webhook_events")


@dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """One person: all contacts that are them, and what is theirs by number."""

    tenant: TenantId
    people: list[int]
    conversations: list[int]
    runs: list[str]
    messages: list[int]
    objects: dict[str, list[int]]
    phones: list[str]
    user_ids: list[str]
    names: list[str]

    def owned(self, columns: dict[str, str]) -> tuple[list[str], list[Any]]:
        """Conditions under which a row with these columns (by type) is theirs, with the arguments from $2 on."""
        given: list[str] = []
        values: list[Any] = []

        def add(column: str, kind: str, theirs: list[Any]) -> None:
            if column in columns:
                values.append(theirs)
                given.append(f"t.{column} = ANY (${len(values) + 1}::{kind}[])")

        for column in _PERSON_COLUMNS:
            add(column, "bigint", self.people)
        add("conversation_id", "bigint", self.conversations)
        add("message_id", "bigint", self.messages)
        add("run", "text", self.runs)
        for name, numbers in self.objects.items():
            add(f"{name}_id", "bigint", numbers)
        if "object_type" in columns and "object_id" in columns:
            for name, numbers in {**self.objects, "contact": self.people}.items():
                values.append(numbers)
                given.append(f"(t.object_type = '{name}' AND t.object_id = ANY (${len(values) + 1}::bigint[]))")
        if columns.get("actor") == "text":
            values.append([f"contact:{number}" for number in self.people])
            given.append(f"t.actor = ANY (${len(values) + 1}::text[])")
        return given, values


async def find_person(db: Database, vault: Vault, tenant: TenantId, who: int | str) -> ContactId:
    """The contact with this number, or with this phone number in E.164 or business-scoped id.

    Raises:
        ActionError: `not_found`.
    """
    found = await db.fetchval(_BY_IDENTITY, tenant, vault.identity(tenant, str(who)))
    if found is None and str(who).isdigit() and len(str(who)) < 19:
        found = int(who)
    if found is None or not await db.fetch(_PEOPLE, tenant, found):
        raise ActionError("not_found", "There is nobody with this number.")
    return ContactId(found)


async def belongings_of(db: Database, vault: Vault, tenant: TenantId, person: ContactId) -> Belongings:
    """What is whose."""
    people = [row["contact_id"] for row in await db.fetch(_PEOPLE, tenant, person)]
    rows = await db.fetch(_ADDRESSES, tenant, people)
    conversations = await _firsts(db, _CONVERSATIONS, tenant, people)
    return Belongings(
        tenant=tenant,
        people=people,
        conversations=conversations,
        runs=await _firsts(db, _RUNS, tenant, conversations),
        messages=await _firsts(db, _MESSAGES, tenant, conversations),
        objects={name: await _firsts(db, query, tenant, people) for name, query in _OBJECTS.items()},
        phones=[vault.decrypt(tenant, row["phone"]) for row in rows if row["phone"]],
        user_ids=[vault.decrypt(tenant, row["user_id"]) for row in rows if row["user_id"]],
        names=[row["name"] for row in rows if row["name"]],
    )


async def tables_of(db: Database) -> dict[str, dict[str, tuple[str, bool]]]:
    """Every table of tenants: its columns, each with its type and whether we may change it."""
    tables: dict[str, dict[str, tuple[str, bool]]] = {}
    for row in await db.fetch(COLUMNS):
        tables.setdefault(row["name"], {})[row["field"]] = (row["type"], row["writable"])
    return tables


async def export_person(acting: Acting, vault: Vault, who: int | str) -> dict[str, Any]:
    """Everything kept about somebody, as one JSON document: `person`, and the rows of each table by its name.

    Args:
        acting: In whose name; needs `manage_people`.
        vault: Decrypts what is kept encrypted.
        who: Number of the contact, or phone number.

    Raises:
        ActionError: `forbidden`, `not_found`.
        StorageError: This is not the key the database was written with.
    """
    check(acting, "people.export", ("manage_people",))
    person = await find_person(acting.db, vault, acting.tenant_id, who)
    theirs = await belongings_of(acting.db, vault, acting.tenant_id, person)
    document: dict[str, Any] = {
        "person": {
            "contacts": theirs.people, "names": theirs.names, "phones": theirs.phones, "user_ids": theirs.user_ids,
        },
    }  # fmt: skip
    for name, columns in (await tables_of(acting.db)).items():
        given, values = theirs.owned({column: kind for column, (kind, _) in columns.items()})
        if not given or name in _NOT_HANDED_OUT:
            continue
        shown = ", ".join(f't."{column}"' for column, (kind, _) in columns.items() if kind != "bytea")
        rows = await acting.db.fetch(
            f'SELECT to_jsonb(r) AS row FROM (SELECT {shown} FROM "{name}" t '  # noqa: S608  from the catalogue
            f"WHERE t.tenant_id = $1 AND ({' OR '.join(given)}) ORDER BY 1, 2, 3) AS r",
            acting.tenant_id, *values,
        )  # fmt: skip
        if rows:
            document[name] = [_opened(vault, acting.tenant_id, json.loads(row["row"])) for row in rows]
    return document


def _opened(vault: Vault, tenant: TenantId, value: Any) -> Any:
    """Rows with the ids that providers gave to messages as they are."""
    match value:
        case str() if value.startswith(SEALED_ID):
            with suppress(StorageError):  # words that only look like it
                return vault.open_id(tenant, value)
        case list():
            return [_opened(vault, tenant, one) for one in value]
        case dict():
            return {key: _opened(vault, tenant, one) for key, one in value.items()}
    return value


def base64_of(text: str) -> list[str]:
    """How `text` looks within base64, at each of the three places it may begin at: Meta's message ids hold numbers."""
    raw = text.encode()
    found = []
    for shift in range(3):
        padded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        begin = (0, 2, 3)[shift]
        found.append(padded[begin : len(padded) - (0 if (shift + len(raw)) % 3 == 0 else 1)])
    return found


async def _firsts(db: Database, query: str, tenant: TenantId, ids: list[int]) -> list[Any]:
    return [row[0] for row in await db.fetch(query, tenant, ids)]
