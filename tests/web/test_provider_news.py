"""Every item of a webhook becomes rows for whom it concerns, or is kept as it came."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.core.ids import ChannelId, TenantId
from bot.core.messages import (
    ContactsIn,
    LocationIn,
    LocationOut,
    MediaIn,
    MediaOut,
    Outgoing,
    TextIn,
    TextOut,
)
from bot.web.gate import by_account
from bot.web.news import NOBODY, STOPPED, THROTTLED, Sorting
from bot.web.restrictions import LONGEST, RESTRICTED
from providers.base import (
    AccountChanged,
    Delivery,
    Effect,
    Fault,
    IdentityChanged,
    InboundMessage,
    MessageEchoed,
    NotUnderstood,
    PreferenceChanged,
    Problem,
    Sender,
    StatusUpdate,
    TemplateChanged,
    WebhookItem,
)
from storage.base import (
    Channel,
    NewAddress,
    NewEcho,
    NewHealth,
    NewItem,
    NewMessage,
    NewPreference,
    NewStatus,
    NewTemplateNews,
    Unread,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ADA = Sender(phone="+15550142233", user_id="US.1", name="Ada")


def channel(number: int, tenant: int = 1, account: str | None = "900") -> Channel:
    return Channel(
        tenant_id=TenantId(tenant),
        channel_id=ChannelId(number),
        provider="meta",
        address=f"70{number}",
        account=account,
    )


ONE, TWO, OTHER = channel(1), channel(2), channel(3, tenant=2)


def rows(item: WebhookItem, *channels: Channel) -> list[NewItem]:
    known = channels or (ONE,)
    by_address = {one.address: one for one in known}
    return Sorting(by_address=by_address, by_account=by_account(known), received_at=NOW).rows(item)


def one(item: WebhookItem, *channels: Channel) -> Any:
    (row,) = rows(item, *channels)
    return row


def received(**changes: Any) -> InboundMessage:
    values = {"channel": "701", "provider_message_id": "wamid.A", "sender": ADA, "at": NOW, "content": TextIn(body="x")}
    return InboundMessage(**{**values, **changes})


def told(field: str, channel: str | None = None, **data: Any) -> AccountChanged:
    return AccountChanged(account="900", channel=channel, field=field, data=data)


def test_one_request_may_speak_to_several_tenants() -> None:
    assert one(received(channel="701"), ONE, OTHER).channel is ONE
    assert one(received(channel="703"), ONE, OTHER).channel is OTHER


@pytest.mark.parametrize(
    "item",
    [
        received(channel="799"),
        StatusUpdate(channel="799", provider_message_id="w", status=Delivery.SENT, at=NOW),
        MessageEchoed(channel="799", provider_message_id="w", recipient=ADA, at=NOW, content=TextIn(body="x")),
        IdentityChanged(channel="799", old_phone="+1", new_phone="+2", at=NOW),
        PreferenceChanged(channel="799", phone="+1", user_id=None, marketing=False, at=NOW),
        NotUnderstood(reason="?", raw=b"{}", channel="799"),
    ],
)
def test_what_is_for_a_number_that_is_not_ours_is_nobodys(item: WebhookItem) -> None:
    row = one(item)
    assert isinstance(row, Unread)
    assert row.tenant_id == NOBODY


def test_a_message_in_a_group_is_kept_and_not_answered() -> None:
    row = one(received(group_id="G1"))
    assert isinstance(row, Unread)
    assert row.tenant_id == ONE.tenant_id
    assert "in a group" in row.kind  # what `bot unread` says of it


def test_what_came_along_with_a_message_comes_along() -> None:
    row = one(received(referral={"source_id": "1"}, forwarded=True, reply_to="wamid.B"))
    assert isinstance(row, NewMessage)
    assert (row.context, row.reply_to) == ({"referral": {"source_id": "1"}, "forwarded": True}, "wamid.B")
    assert one(received()).context is None


def test_a_failure_says_what_it_entails() -> None:
    problem = Problem(fault=Fault.CONSENT, code=131050, detail="no", effect=Effect.OPT_OUT_MARKETING)
    failed = StatusUpdate(channel="701", provider_message_id="w", status=Delivery.FAILED, at=NOW, problem=problem)
    row = one(failed)
    assert isinstance(row, NewStatus)
    assert (row.error_code, row.effect) == (131050, "opt_out_marketing")


@pytest.mark.parametrize(
    ("content", "ours"),
    [
        (TextIn(body="hi"), TextOut(body="hi")),
        (
            MediaIn(media="image", media_id="9", mime_type="image/png", caption="c"),
            MediaOut(media="image", media_id="9", mime_type="image/png", caption="c"),
        ),
        (LocationIn(latitude=1.0, longitude=2.0), LocationOut(latitude=1.0, longitude=2.0)),
        (ContactsIn(cards=()), TextOut(body="[contacts]")),
    ],
)
def test_what_a_colleague_typed_is_a_message_of_ours(content: Any, ours: Outgoing) -> None:
    echo = MessageEchoed(channel="701", provider_message_id="w", recipient=ADA, at=NOW, content=content)
    row = one(echo)
    assert isinstance(row, NewEcho)
    assert row.content == ours


def test_people_change_their_address_and_their_mind() -> None:
    row = one(IdentityChanged(channel="701", old_phone="+1", new_phone="+2", new_user_id="US.2", at=NOW))
    assert isinstance(row, NewAddress)
    assert (row.old.phone, row.new.phone, row.new.user_id) == ("+1", "+2", "US.2")
    row = one(PreferenceChanged(channel="701", phone="+1", user_id=None, marketing=False, at=NOW))
    assert isinstance(row, NewPreference)
    assert row.proof["value"] == "stop"


def test_a_template_belongs_to_every_tenant_of_the_account_once() -> None:
    item = TemplateChanged(
        account="900", template_id="81", name="t", language="en", change="status", status="PAUSED", category="UTILITY"
    )
    found = rows(item, ONE, TWO, OTHER)
    assert [type(row) for row in found] == [NewTemplateNews] * 2
    assert {row.channel.tenant_id for row in found if isinstance(row, NewTemplateNews)} == {1, 2}
    assert isinstance(found[0], NewTemplateNews)
    assert (found[0].news.status, found[0].news.category) == ("PAUSED", "UTILITY")
    assert isinstance(one(item, channel(1, account=None)), Unread)


def test_an_announced_category_is_not_yet_the_category() -> None:
    item = TemplateChanged(account="900", template_id="81", name="t", language="en", change="category_announced",
                           category="MARKETING")  # fmt: skip
    assert one(item).news.category is None


@pytest.mark.parametrize(
    ("data", "limit"),
    [
        ({"max_daily_conversations_per_business": "TIER_10K"}, 10_000),
        ({"max_daily_conversations_per_business": 2000}, 2000),
        ({"max_daily_conversations_per_business": -1}, -1),
        ({"max_daily_conversation_per_phone": "TIER_UNLIMITED"}, -1),
        ({"current_limit": "TIER_1K", "old_limit": "TIER_10K"}, 1000),
        ({"current_limit": "TIER_9000"}, 9000),
        ({"current_limit": "TIER_NOT_SET"}, None),
        ({"max_daily_conversations_per_business": True}, None),
        ({}, None),
    ],
)
def test_limits_are_read_wherever_they_stand(data: dict[str, Any], limit: int | None) -> None:
    row = one(told("business_capability_update", **data))
    assert isinstance(row, NewHealth)
    assert row.reach_limit == limit


def test_news_of_a_number_of_the_account_are_for_that_number() -> None:
    data = {"display_phone_number": "702", "event": "FLAGGED"}
    assert [row.channel for row in rows(told("phone_number_quality_update", **data), ONE, TWO)] == [TWO]  # type: ignore[union-attr]
    assert len(rows(told("phone_number_quality_update", event="ONBOARDING"), ONE, TWO)) == 2
    one, two = replace(ONE, phone_number="+15550100200"), replace(TWO, phone_number="+15550100299")
    upgrade = told("phone_number_quality_update", display_phone_number="1 555-010-0299", event="THROUGHPUT_UPGRADE")
    (row,) = rows(upgrade, one, two)
    assert isinstance(row, NewHealth)
    assert (row.channel, row.throughput) == (two, 1000)
    strange = told("phone_number_quality_update", display_phone_number="15550109999", event="THROUGHPUT_UPGRADE")
    assert not isinstance(rows(strange, one, two)[0], NewHealth)  # the account has numbers besides ours


@pytest.mark.parametrize(
    ("item", "alarm", "restricted"),
    [
        (told("account_update", event="ACCOUNT_RESTRICTION"), "account: ACCOUNT_RESTRICTION", True),
        (told("account_update", event="DISABLED_UPDATE"), "account: DISABLED_UPDATE", True),
        (told("account_update", event="ACCOUNT_VIOLATION"), "account: ACCOUNT_VIOLATION", False),
        (told("account_update", event="PARTNER_ADDED"), None, False),
        (told("account_review_update", decision="APPROVED"), None, False),
        (told("account_review_update", decision="REJECTED"), "account: the review was rejected", False),
        (told("phone_number_quality_update", event="FLAGGED", current_limit="TIER_1K"),
         "number: FLAGGED, it now reaches TIER_1K", False),
        (told("account_alerts", alert_info={"alert_severity": "CRITICAL", "alert_type": "T", "alert_description": "D"}),
         "alert: T, D", False),
        (told("account_alerts", alert_info={"alert_severity": "INFORMATIONAL"}), None, False),
        (told("errors", "701", fault="auth", effect="stop_channel", code=190, meaning="The token."),
         "auth: code 190, The token.", True),
        (told("errors", "701", fault="throttle_channel", effect="pause_channel", code=130429), None, False),
    ],
)  # fmt: skip
def test_what_somebody_should_look_at_is_an_alarm(item: AccountChanged, alarm: str | None, restricted: bool) -> None:
    row = one(item)
    assert isinstance(row, NewHealth)
    assert row.alarm == alarm
    assert row.initiated_after == (NOW + RESTRICTED if restricted else None)


def _restriction(*listed: dict[str, Any]) -> AccountChanged:
    return told("account_update", event="ACCOUNT_RESTRICTION", restriction_info=list(listed))


BEGINNING = "RESTRICTED_BIZ_INITIATED_MESSAGING"
SOON, LATER = NOW + timedelta(days=1), NOW + timedelta(days=3)


@pytest.mark.parametrize(
    ("item", "until"),
    [
        (_restriction({"restriction_type": BEGINNING, "expiration": int(LATER.timestamp())}), LATER),
        (_restriction({"restriction_type": BEGINNING, "expiration": str(int(LATER.timestamp() * 1000))}), LATER),
        (_restriction({"restriction_type": BEGINNING, "expiration": LATER.isoformat()}), LATER),
        (_restriction({"restriction_type": BEGINNING, "expiration": int(SOON.timestamp())},
                      {"restriction_type": "RESTRICTED_NEW", "expiration": int(LATER.timestamp())}), LATER),
        (_restriction({"restriction_type": "RESTRICTED_ADD_PHONE_NUMBER_ACTION", "expiration": 1}), None),
        (_restriction({"restriction_type": BEGINNING}), NOW + RESTRICTED),
        (_restriction({"restriction_type": BEGINNING, "expiration": "never"}), NOW + RESTRICTED),
        (_restriction({"restriction_type": BEGINNING, "expiration": 10**30}), NOW + RESTRICTED),
        (_restriction({"restriction_type": BEGINNING, "expiration": int((NOW + 2 * LONGEST).timestamp())}),
         NOW + RESTRICTED),
        (told("account_update", event="ACCOUNT_RESTRICTION", restriction_info="odd"), NOW + RESTRICTED),
        (told("account_update", event="DISABLED_UPDATE", ban_info={"waba_ban_state": "DISABLE"}), NOW + RESTRICTED),
    ],
)  # fmt: skip
def test_a_restriction_holds_as_long_as_it_says(item: AccountChanged, until: datetime | None) -> None:
    row = one(item)
    assert row.initiated_after == until
    assert row.alarm


def test_a_ban_that_is_over_stops_nothing_and_is_no_alarm() -> None:
    row = one(told("account_update", event="DISABLED_UPDATE", ban_info={"waba_ban_state": "REINSTATE"}))
    assert isinstance(row, NewHealth)
    assert (row.initiated_after, row.alarm) == (None, None)


@pytest.mark.parametrize(("effect", "pause"), [("pause_channel", THROTTLED), ("stop_channel", STOPPED), ("", None)])
def test_an_error_about_no_message_pauses_the_number(effect: str, pause: timedelta | None) -> None:
    row = one(told("errors", "701", fault="x", effect=effect, code=130429))
    assert row.pause_until == (NOW + pause if pause else None)


def test_news_we_do_not_act_on_are_kept() -> None:
    assert isinstance(one(told("calls", "701")), Unread)
    assert one(told("invented")).tenant_id == ONE.tenant_id  # the only one there is
    assert one(told("invented"), ONE, OTHER).tenant_id == NOBODY
