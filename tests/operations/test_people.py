"""How somebody becomes staff, switches roles, and turns out to be somebody we know already."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from operations.conftest import SERVICES, Desk

from bot.core.errors import ActionError
from bot.core.ids import ContactId
from bot.operations.people import (
    CODE_LENGTH,
    JOINING,
    WRONG_CODES,
    WRONG_CODES_OF_ALL,
    WRONG_WITHIN,
    code_hash,
    expire_invites,
    roles_of,
)
from storage.base import Channel
from storage.postgres import Postgres
from tests.conftest import EPOCH


async def refusal(desk: Desk, name: str, who: str, acting_as: str, /, **arguments: Any) -> str:
    with pytest.raises(ActionError) as refused:
        await desk.run(name, who, acting_as, **arguments)
    return refused.value.code


async def invited(desk: Desk, roles: str = "field_staff", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = await desk.run("staff.invite", "tenzing", "manager", roles=roles, **more)
    return made


async def test_a_code_makes_one_person_staff_once(desk: Desk) -> None:
    code = (await invited(desk, "field_staff, sales", name="Maya L"))["code"]
    assert len(code.replace("-", "")) == CODE_LENGTH
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    joined = await desk.run("staff.join", "maya", "customer", code=typed)
    assert joined["roles"] == ["field_staff", "sales"]
    assert await refusal(desk, "staff.join", "noor", "customer", code=code) == "bad_code"
    assert await desk.timeline("contact") == ["STAFF_JOINED"]


async def test_a_code_expires_and_can_be_revoked(desk: Desk) -> None:
    first, second = await invited(desk, hours=1), await invited(desk)
    late = EPOCH + timedelta(hours=1)
    assert await refusal(desk, "staff.join", "maya", "customer", code=first["code"], at=late) == "bad_code"
    await desk.run("staff.revoke_invite", "tenzing", "manager", invite=second["id"])
    assert await refusal(desk, "staff.join", "maya", "customer", code=second["code"]) == "bad_code"
    assert await refusal(desk, "staff.revoke_invite", "tenzing", "manager", invite=second["id"]) == "wrong_status"
    assert await expire_invites(replace(desk.acting, at=late)) == 1
    rows = await desk.rows("SELECT status, code_hash FROM staff_invites ORDER BY invite_id")
    assert [row["status"] for row in rows] == ["EXPIRED", "REVOKED"]
    assert first["code"].encode() not in rows[0]["code_hash"]


async def test_a_code_is_used_by_one_of_many_at_once(
    database: Postgres, people: tuple[Channel, dict[str, ContactId]], desk: Desk
) -> None:
    code = (await invited(desk))["code"]
    await desk.acting.db.execute("COMMIT; BEGIN")
    await desk.acting.db.execute(f"SELECT set_config('app.tenant_id', '{desk.acting.tenant_id}', true)")

    async def join(who: str) -> str:
        try:
            async with database.tenant(desk.acting.tenant_id) as db:
                await SERVICES["staff.join"].function(replace(desk.by(who, "customer"), db=db), code=code)
        except ActionError as refused:
            return refused.code
        return "joined"

    assert sorted(await asyncio.gather(join("maya"), join("noor"), join("anita"))) == ["bad_code", "bad_code", "joined"]


async def test_a_code_of_an_older_version_works_until_it_ends(desk: Desk) -> None:
    """It was kept as a quick hash."""
    made = await invited(desk, "sales")
    plain = made["code"].replace("-", "")
    quick = hashlib.sha256(f"{desk.acting.tenant_id}:{plain}".encode()).digest()
    assert quick != code_hash(desk.acting.tenant_id, made["code"])
    await desk.acting.db.execute("UPDATE staff_invites SET code_hash = $1", quick)
    assert (await desk.run("staff.join", "maya", "customer", code=made["code"]))["roles"] == ["sales"]


@pytest.mark.parametrize("code", ["", "ABCDE-ABCDE", "'; DROP TABLE contacts; --", "é" * 10])
async def test_a_guess_is_refused(desk: Desk, code: str) -> None:
    await invited(desk)
    assert await refusal(desk, "staff.join", "maya", "customer", code=code) == "bad_code"
    assert code_hash(desk.acting.tenant_id, "A") != code_hash(desk.acting.tenant_id + 1, "A")  # type: ignore[arg-type]


async def test_after_some_wrong_codes_no_code_is_looked_at_for_an_hour(desk: Desk) -> None:
    """Told once, then silence; others may still join, and so may they afterwards."""
    code, second = (await invited(desk))["code"], (await invited(desk))["code"]
    for _ in range(WRONG_CODES):
        assert await refusal(desk, "staff.join", "maya", "customer", code="ABCDE-ABCDE") == "bad_code"
    told = [await refusal(desk, "staff.join", "maya", "customer", code=code) for _ in range(3)]
    assert told == ["too_many", "still_too_many", "still_too_many"]
    assert (await desk.run("staff.join", "noor", "customer", code=code))["roles"] == ["field_staff"]
    assert await desk.timeline("joining") == ["CODE_REFUSED"] * WRONG_CODES + ["CODES_STOPPED"]
    almost, later = EPOCH + WRONG_WITHIN - timedelta(seconds=1), EPOCH + WRONG_WITHIN
    assert await refusal(desk, "staff.join", "maya", "customer", code=second, at=almost) == "still_too_many"
    joined = await desk.run("staff.join", "maya", "customer", code=second, at=later)
    assert joined["roles"] == ["field_staff"]


async def test_many_phones_do_not_have_many_more_tries(desk: Desk) -> None:
    code = (await invited(desk))["code"]
    await desk.rows(
        """INSERT INTO timeline_entries (tenant_id, object_type, object_id, event_type, source, content, actor_id,
                                         created_at)
           SELECT $1, $2, $3, 'SYSTEM', 'WHATSAPP', '{"action": "CODE_REFUSED"}', 1000 + n, $4
           FROM generate_series(1, $5) n RETURNING 1""",
        desk.acting.tenant_id, *JOINING, EPOCH, WRONG_CODES_OF_ALL - 1,
    )  # fmt: skip
    assert await refusal(desk, "staff.join", "noor", "customer", code="ABCDE-ABCDE") == "bad_code"
    for who in ("maya", "noor"):
        assert await refusal(desk, "staff.join", who, "customer", code=code) == "too_many"
        assert await refusal(desk, "staff.join", who, "customer", code=code) == "still_too_many"


async def test_roles_are_set_by_somebody_else(desk: Desk) -> None:
    assert await refusal(desk, "staff.invite", "tenzing", "manager", roles="king") == "bad_value"
    assert await refusal(desk, "staff.invite", "tenzing", "manager", roles="") == "bad_value"
    own = desk.people["tenzing"]
    assert await refusal(desk, "staff.set_roles", "tenzing", "manager", person=own, roles=["sales"]) == "own_roles"
    await desk.run("staff.set_roles", "rita", "manager", person=own, roles=["sales", "operations"])
    assert await roles_of(desk.acting, own) == ["operations", "sales"]
    await desk.run("staff.set_roles", "rita", "manager", person=own, roles="")
    assert await roles_of(desk.acting, own) == []


async def test_one_switches_among_ones_own_roles(desk: Desk) -> None:
    await desk.run("staff.set_roles", "rita", "manager", person=desk.people["omar"], roles="operations,sales")
    assert (await desk.run("staff.switch", "omar", "operations", role="Sales"))["role"] == "sales"
    assert await refusal(desk, "staff.switch", "omar", "sales", role="manager") == "no_such_role"
    assert (await desk.run("staff.switch", "omar", "sales", role="customer"))["role"] == "customer"
    shown = await desk.run("people.show", "rita", "manager", person=desk.people["omar"])
    assert (shown["active_role"], shown["roles"]) == ("customer", ["operations", "sales"])


async def test_two_contacts_become_one_person_and_two_again(desk: Desk) -> None:
    """Everything that changed hands goes back, and what came later stays."""
    keep, gone = desk.people["maya"], desk.people["pasang"]
    for who in ("maya", "noor"):
        await desk.run("leads.create", who, "customer", trek=1, people=2)
    await desk.run("incidents.create", "pasang", "field_staff", trip=1, text="flat tyre")
    await desk.run("staff.assign", "omar", "operations", trip="TRP131", person=gone)
    before = await desk.rows("SELECT contact_id, role FROM contact_roles ORDER BY 1, 2")
    assigned = await desk.rows("SELECT trip_id, contact_id FROM trip_assignments ORDER BY 1, 2")

    merge = await desk.run("people.merge", "tenzing", "manager", keep=keep, gone=gone)
    assert merge["moved"]["incidents.contact_id"] == 1
    assert merge["moved"]["trip_assignments.contact_id"] == 3
    assert await roles_of(desk.acting, keep) == ["field_staff"]
    assert await roles_of(desk.acting, gone) == []
    assert await refusal(desk, "people.merge", "tenzing", "manager", keep=desk.people["noor"], gone=gone) == "merged"
    assert await refusal(desk, "people.merge", "tenzing", "manager", keep=keep, gone=keep) == "same"
    later = await desk.run("incidents.create", "maya", "field_staff", trip=1, text="another tyre")

    await desk.run("people.unmerge", "tenzing", "manager", merge=merge["id"])
    assert await desk.rows("SELECT contact_id, role FROM contact_roles ORDER BY 1, 2") == before
    assert await desk.rows("SELECT trip_id, contact_id FROM trip_assignments ORDER BY 1, 2") == assigned
    owners = await desk.rows("SELECT incident_id, contact_id FROM incidents ORDER BY 1")
    assert [row["contact_id"] for row in owners] == [gone, keep]
    assert later["id"] == owners[1]["incident_id"]
    assert await refusal(desk, "people.unmerge", "tenzing", "manager", merge=merge["id"]) == "wrong_status"


async def test_merges_are_undone_from_the_outside_in(desk: Desk) -> None:
    first = await desk.run("people.merge", "tenzing", "manager", keep=desk.people["maya"], gone=desk.people["noor"])
    second = await desk.run("people.merge", "tenzing", "manager", keep=desk.people["dawa"], gone=desk.people["maya"])
    rows = await desk.rows("SELECT DISTINCT merged_into FROM contacts WHERE merged_into IS NOT NULL")
    assert [row["merged_into"] for row in rows] == [desk.people["dawa"]]
    assert await refusal(desk, "people.unmerge", "tenzing", "manager", merge=first["id"]) == "merged"
    await desk.run("people.unmerge", "tenzing", "manager", merge=second["id"])
    await desk.run("people.unmerge", "tenzing", "manager", merge=first["id"])
    assert await desk.rows("SELECT 1 FROM contacts WHERE merged_into IS NOT NULL") == []


async def test_news_for_a_merged_person_arrives_where_they_write(desk: Desk) -> None:
    await desk.acting.db.execute(
        "UPDATE whatsapp_conversations SET last_inbound_at = $2 WHERE contact_id = $1", desk.people["noor"], EPOCH
    )
    await desk.run("people.merge", "tenzing", "manager", keep=desk.people["maya"], gone=desk.people["noor"])
    lead = await desk.run("leads.create", "maya", "customer", trek=1, people=2)
    quote = await desk.run("quotes.draft", "anita", "sales", lead=lead["id"])
    await desk.run("quotes.send", "anita", "sales", quote=quote["id"])
    assert await desk.news() == [("noor", "quote.sent")]
