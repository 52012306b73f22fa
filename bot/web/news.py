"""Items of a webhook → rows to store. What concerns nobody we know, or is not acted on, is kept as it came."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any, assert_never

import orjson

from bot.core.frozen import dataclass
from bot.core.ids import TenantId
from bot.core.messages import Incoming, LocationIn, LocationOut, MediaIn, MediaOut, Outgoing, TextIn, TextOut
from bot.runtime.templates import news_in
from bot.web.restrictions import is_lifted, restricted_until
from providers.base import (
    RETRYABLE,
    AccountChanged,
    Effect,
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
from providers.limits import THROUGHPUTS, read_reach
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
    Person,
    Unread,
)

NOBODY = TenantId(0)
"""The tenant of webhooks whose number we do not know."""

IN_A_GROUP = "InboundMessage in a group: answers would reach people who asked nothing, so there are none"

MAX_ALARM = 300
THROTTLED, STOPPED = timedelta(seconds=10), timedelta(minutes=10)

_HEALTH = frozenset(
    {
        "account_alerts",
        "account_review_update",
        "account_update",
        "business_capability_update",
        "errors",
        "flows",
        "phone_number_name_update",
        "phone_number_quality_update",
        "security",
    }
)  # fmt: skip
_THROUGHPUTS = {"THROUGHPUT_UPGRADE": THROUGHPUTS["HIGH"]}
"""Messages per second from then on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorting:
    """Sorts the items of one webhook.

    Attributes:
        by_address: Our numbers at the provider, by what webhooks call them.
        by_account: Our numbers at the provider, by what webhooks call their account.
        received_at: When the webhook came.
        resting: Our numbers that are not served at the moment.
    """

    by_address: Mapping[str, Channel]
    by_account: Mapping[str, tuple[Channel, ...]]
    received_at: datetime
    resting: Mapping[str, Channel] = field(default_factory=dict)

    def rows(self, item: WebhookItem) -> list[NewItem]:
        """What to store of an item: one row, or one for each number that an account has."""
        match item:
            case InboundMessage() if item.group_id is None and item.channel in self.by_address:
                return [self._message(self.by_address[item.channel], item)]
            case StatusUpdate() if item.channel in self.by_address:
                return [self._status(self.by_address[item.channel], item)]
            case MessageEchoed() if item.channel in self.by_address:
                return [self._echo(self.by_address[item.channel], item)]
            case IdentityChanged() if item.channel in self.by_address:
                old = Person(phone=item.old_phone, user_id=item.old_user_id)
                new = Person(phone=item.new_phone, user_id=item.new_user_id)
                return [NewAddress(channel=self.by_address[item.channel], old=old, new=new, at=item.at)]
            case PreferenceChanged() if item.channel in self.by_address:
                return [self._preference(self.by_address[item.channel], item)]
            case TemplateChanged() if item.account in self.by_account:
                # Templates belong to the account: once for each tenant that has a number there.
                tenants = {channel.tenant_id: channel for channel in self.by_account[item.account]}
                return [
                    NewTemplateNews(channel=one, news=news_in(item), at=self.received_at) for one in tenants.values()
                ]
            case AccountChanged() if item.field in _HEALTH and (channels := self._concerned(item)):
                return [_health(channel, item, self.received_at) for channel in channels]
            case InboundMessage() | StatusUpdate() | MessageEchoed() | IdentityChanged() | PreferenceChanged():
                in_a_group = isinstance(item, InboundMessage) and item.group_id is not None
                kind = IN_A_GROUP if in_a_group else type(item).__name__
                return [self._unread(item.channel, kind, orjson.dumps(item, default=str))]
            case TemplateChanged():
                return [self._unread(None, f"TemplateChanged {item.change}", orjson.dumps(item))]
            case AccountChanged():
                return [self._unread(item.channel, f"AccountChanged {item.field}", orjson.dumps(item))]
            case NotUnderstood():
                return [self._unread(item.channel, f"NotUnderstood {item.reason}", item.raw)]
            case _:
                assert_never(item)

    def _message(self, channel: Channel, item: InboundMessage) -> NewMessage:
        context: dict[str, Any] = {}
        if item.referral:
            context["referral"] = item.referral
        if item.forwarded:
            context["forwarded"] = True
        return NewMessage(
            channel=channel,
            person=_person(item.sender),
            provider_message_id=item.provider_message_id,
            content=item.content,
            sent_at=item.at,
            received_at=self.received_at,
            reply_to=item.reply_to,
            context=context or None,
        )

    def _echo(self, channel: Channel, item: MessageEchoed) -> NewEcho:
        return NewEcho(
            channel=channel,
            person=_person(item.recipient),
            provider_message_id=item.provider_message_id,
            content=_as_ours(item.content),
            sent_at=item.at,
            received_at=self.received_at,
        )

    def _status(self, channel: Channel, item: StatusUpdate) -> NewStatus:
        problem = item.problem
        return NewStatus(
            channel=channel,
            provider_message_id=item.provider_message_id,
            status=item.status.value,
            happened_at=item.at,
            received_at=self.received_at,
            correlation=item.correlation,
            error_code=problem.code if problem else None,
            error_detail=problem.detail if problem else None,
            effect=_entailed(problem),
        )

    def _preference(self, channel: Channel, item: PreferenceChanged) -> NewPreference:
        proof = {"webhook": "user_preferences", "value": "resume" if item.marketing else "stop"}
        person = Person(phone=item.phone, user_id=item.user_id)
        return NewPreference(channel=channel, person=person, marketing=item.marketing, at=item.at, proof=proof)

    def _concerned(self, item: AccountChanged) -> tuple[Channel, ...]:
        """The numbers that news are about: the one they name, or all of the account."""
        if item.channel is not None:
            return (self.by_address[item.channel],) if item.channel in self.by_address else ()
        channels = self.by_account.get(item.account, ())
        shown = "".join(filter(str.isdecimal, str(item.data.get("display_phone_number") or "")))
        if not shown:
            return channels
        named = [one for one in channels if shown in (one.phone_number.lstrip("+"), one.address.lstrip("+"))]
        return tuple(named) or tuple(one for one in channels if not one.phone_number)

    def _unread(self, address: str | None, kind: str, body: bytes) -> Unread:
        channel = self.by_address.get(address) or self.resting.get(address) if address is not None else None
        tenant = channel.tenant_id if channel is not None else self._only_tenant() if address is None else NOBODY
        return Unread(tenant_id=tenant, kind=kind[:200], body=body, received_at=self.received_at)

    def _only_tenant(self) -> TenantId:
        """Whose account news that name no number belongs to, when there is only one tenant."""
        tenants = {channel.tenant_id for channel in (*self.by_address.values(), *self.resting.values())}
        return tenants.pop() if len(tenants) == 1 else NOBODY


def _entailed(problem: Problem | None) -> str:
    """What a failure entails: at least another try, where one may succeed."""
    if problem is None:
        return ""
    return problem.effect.value or (Effect.RETRY.value if problem.fault in RETRYABLE else "")


def _person(sender: Sender) -> Person:
    return Person(phone=sender.phone, user_id=sender.user_id, name=sender.name)


def _as_ours(content: Incoming) -> Outgoing:
    """What a colleague said, as a message of ours."""
    match content:
        case TextIn(body=body):
            return TextOut(body=body)
        case MediaIn():
            return MediaOut(
                media=content.media,
                media_id=content.media_id,
                mime_type=content.mime_type,
                caption=content.caption,
                filename=content.filename,
                voice=content.voice,
            )
        case LocationIn():
            return LocationOut(
                latitude=content.latitude, longitude=content.longitude, name=content.name, address=content.address
            )
        case _:
            return TextOut(body=f"[{content.kind.replace('_', ' ')}]")


def _health(channel: Channel, item: AccountChanged, at: datetime) -> NewHealth:
    return NewHealth(
        channel=channel,
        topic=item.field,
        data=item.data,
        at=at,
        reach_limit=_reach_limit(item.data),
        alarm=_alarm(item),
        pause_until=_pause_until(item, at),
        initiated_after=restricted_until(item, at),
        throughput=_THROUGHPUTS.get(str(item.data.get("event")))
        if item.field == "phone_number_quality_update"
        else None,
    )


def _reach_limit(data: Mapping[str, Any]) -> int | None:
    """How many people may be written to in a day: a number, or the name of a tier, in one of several places."""
    for name in ("max_daily_conversations_per_business", "max_daily_conversation_per_phone", "current_limit"):
        if (limit := read_reach(data.get(name))) is not None:
            return limit
    return None


def _pause_until(item: AccountChanged, at: datetime) -> datetime | None:
    """Until when the number sends nothing, because of an error that is about no message in particular."""
    if item.field != "errors":
        return None
    match item.data.get("effect"):
        case Effect.PAUSE_CHANNEL:
            return at + THROTTLED
        case Effect.STOP_CHANNEL:
            return at + STOPPED
        case _:
            return None


def _alarm(item: AccountChanged) -> str | None:
    """Why somebody should look, if so."""
    event, data = str(item.data.get("event") or ""), item.data
    match item.field:
        case "account_update" if event in (
            "ACCOUNT_RESTRICTION",
            "ACCOUNT_VIOLATION",
            "ACCOUNT_DELETED",
            "DISABLED_UPDATE",
            "ACCOUNT_OFFBOARDED",
        ) and not is_lifted(item):
            told = f"account: {event}"
        case "phone_number_quality_update" if event in ("FLAGGED", "DOWNGRADE"):
            told = f"number: {event}, it now reaches {data.get('current_limit') or 'fewer people'}"
        case "account_alerts":
            alert = data.get("alert_info")
            alert = alert if isinstance(alert, dict) else data
            if str(alert.get("alert_severity")).upper() == "INFORMATIONAL":
                return None
            told = f"alert: {alert.get('alert_type')}, {alert.get('alert_description')}"
        case "account_review_update" if data.get("decision") == "REJECTED":
            told = "account: the review was rejected"
        case "security":
            told = f"security: {event}"
        case "errors" if data.get("effect") in (Effect.STOP_CHANNEL, Effect.STOP_INITIATED, Effect.ALARM):
            told = f"{data.get('fault')}: code {data.get('code')}, {data.get('meaning')}"
        case _:
            return None
    return told[:MAX_ALARM]
