"""Takes sends as the Cloud API does, whoever stands in front of it: Meta itself or 360dialog."""

import asyncio
from dataclasses import replace
from typing import Any

from aiohttp import web

from providers.emulator.exchange import Exchange, Sent
from providers.emulator.links import fetch
from providers.emulator.meta.errors import GraphError, refusal_error
from providers.emulator.meta.fields import Field
from providers.emulator.meta.flows import FlowDesk
from providers.emulator.meta.head import Head
from providers.emulator.meta.messages import TYPES, read_message, read_reaction
from providers.emulator.meta.templates import Template, Templates
from providers.emulator.meta.wire import json_answer, read_json
from providers.emulator.phones import Bubble, Chat

UNREACHABLE, OUTSIDE_WINDOW, BAD_MEDIA, STOPPED_MARKETING = 131026, 131047, 131053, 131050
OUT_OF_REACH = 131048  # Meta names no code of its own for its messaging limit
DROPPED_BY_PACING = 132015
GROUPS_NOT_ELIGIBLE = 131215


class SendDesk:
    """`POST …/messages`: messages, reactions, read marks and typing."""

    def __init__(self, exchange: Exchange, templates: Templates, flows: FlowDesk | None = None) -> None:
        self._exchange = exchange
        self._settings = exchange.settings
        self._templates = templates
        self._flows = flows
        self.opted_out: set[str] = set()

    async def take(self, request: web.Request, *, marketing: bool = False) -> web.StreamResponse:
        """Answer a request that is authorised already; with `marketing`, only for templates of that category."""
        body = await read_json(request)
        product = body.get("messaging_product")
        if product is None or product.value != "whatsapp":
            raise GraphError(100, 'The parameter messaging_product is required and must be "whatsapp".')
        if body.get("status") is not None:
            return json_answer(self._mark_read(body))
        faults = self._exchange.faults
        if faults.delay:
            await asyncio.sleep(faults.delay)
        refusal = faults.take_refusal("send")
        if refusal is not None:
            raise refusal_error(refusal)
        if not self._exchange.registered:
            raise GraphError(133010, "The account is not registered.")
        answer = await self._accept(body, marketing=marketing)
        if faults.answer_delay:
            await asyncio.sleep(faults.answer_delay)
        if faults.take("drop_answer") and request.transport is not None:
            request.transport.abort()
        return json_answer(answer)

    def _mark_read(self, body: Field) -> dict[str, Any]:
        body.need("status").one_of(["read"], code=100)
        message_id, typing = body.need("message_id"), body.get("typing_indicator")
        if typing is not None:
            typing.need("type").one_of(["text"])
        if not self._exchange.business_reads(message_id.text(), typing=typing is not None):
            raise message_id.wrong("is not a message that this number received")
        return {"success": True}

    async def _accept(self, body: Field, *, marketing: bool) -> dict[str, Any]:
        exchange = self._exchange
        address, chat = self._recipient(body)
        kind = (body.get("type") or Field("text", "type")).one_of(("template",) if marketing else TYPES, code=131051)
        sent, head = self._head(body, kind, address, chat)
        template: Template | None = None
        bubble: Bubble | None = None
        reaction: tuple[str, str] | None = None
        if kind == "reaction":
            reaction = read_reaction(body)
        elif kind == "template":
            template, bubble = self._templates.read_send(body, head)
            sent.template_category = template.category.lower()
            if marketing and template.category != "MARKETING":
                raise GraphError(100, "Only marketing templates can be sent with the Marketing Messages API.")
        else:
            bubble = read_message(kind, body, head)
            if bubble.kind == "flow" and self._flows is not None:
                self._flows.check_send(body.need("interactive").need("action").need("parameters"))
        if chat is not None and chat.phone.wa_id in exchange.blocked:
            raise GraphError(130403, "The business has blocked this person.", status=403)
        self._spend(chat)
        failure = self._failure(chat, sent, bubble)
        if bubble is not None and bubble.media is not None and failure is None:
            fetched = await fetch(exchange.courier.session, bubble.media, exchange.storeroom)
            bubble = replace(bubble, media=fetched.media)
            failure = BAD_MEDIA if fetched.failed else None
        pacing = exchange.faults.take_pacing() if template is not None else None
        if pacing is not None and pacing.drop and failure is None:
            failure = DROPPED_BY_PACING
        exchange.business_sends(chat, sent, bubble, failure=failure)
        if reaction is not None and chat is not None and sent.failure is None:
            exchange.business_reacts(chat, *reaction)
        answer = _accepted(body, sent, chat)
        if template is not None:
            answer["messages"][0]["message_status"] = "held_for_quality_assessment" if pacing else "accepted"
        return answer

    def _head(self, body: Field, kind: str, address: str, chat: Chat | None) -> tuple[Sent, Head]:
        exchange = self._exchange
        opaque, context = body.get("biz_opaque_callback_data"), body.get("context")
        head = Head(
            id=exchange.wire.new_id(chat.phone.wa_id if chat else address.lstrip("+"), from_business=True),
            at=exchange.clock.now(),
            quotes=context.need("message_id").text() if context else None,
        )
        sent = Sent(
            id=head.id,
            to=address,
            number=chat.phone.number if chat else None,
            kind=kind,
            body=body.value,
            opaque=opaque.text(512) if opaque else None,
            at=head.at,
            in_window=chat is not None and chat.window_open(head.at),
        )
        return sent, head

    def _recipient(self, body: Field) -> tuple[str, Chat | None]:
        kind = body.get("recipient_type")
        if kind is not None and kind.one_of(["individual", "group"]) == "group":
            raise GraphError(GROUPS_NOT_ELIGIBLE, "Groups APIs are only available for eligible phone numbers.")
        to = body.get("to")
        if to is None:
            bsuid = body.get("recipient")
            address = bsuid.text(140) if bsuid else body.need("to").text()
            return address, self._exchange.phones.find(bsuid=address)
        number = "+" + to.text(30).lstrip("+").replace(" ", "").replace("-", "")
        if not number[1:].isdecimal():
            raise to.wrong("is not a phone number", 100)
        if number == self._settings.business_number:
            raise GraphError(131021, "The recipient is the sender.")
        return to.value, self._exchange.phones.find(number=number)

    def _spend(self, chat: Chat | None) -> None:
        limits = self._exchange.limits
        if limits.full("throughput", self._settings.throughput):
            raise GraphError(130429, "Cloud API message throughput has been reached.")
        if self._settings.pair_limit and chat is not None and limits.pair_full(chat.phone.number):
            raise GraphError(131056, "One recipient got too many messages in a row.")

    def _failure(self, chat: Chat | None, sent: Sent, bubble: Bubble | None) -> int | None:
        """Why an accepted send fails after all: these answer 200 and report `failed` later."""
        if chat is None:
            return UNREACHABLE
        if sent.template_category is None and not sent.in_window:
            return OUTSIDE_WINDOW
        if sent.template_category == "marketing" and chat.phone.number in self.opted_out:
            return STOPPED_MARKETING
        if not sent.in_window and self._exchange.limits.out_of_reach(chat.phone.number, self._settings.reach_limit):
            return OUT_OF_REACH
        media = bubble.media if bubble is not None else None
        if media is not None and media.id is not None and self._exchange.storeroom.find(media.id) is None:
            return BAD_MEDIA
        return None


def _accepted(body: Field, sent: Sent, chat: Chat | None) -> dict[str, Any]:
    contact = {"input": sent.to}
    if body.get("to") is None:
        contact["user_id"] = sent.to
    else:
        contact["wa_id"] = chat.phone.wa_id if chat else sent.to.lstrip("+")
    return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": sent.id}]}
