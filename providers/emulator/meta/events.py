"""Meta's webhooks: envelopes, signatures and message ids, as the emulator sends them."""

import base64
import hashlib
import hmac
import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from providers.emulator.exchange import Sent
from providers.emulator.meta.errors import failure
from providers.emulator.phones import Bubble, Card, Choice, EmulatorError, Receipt
from providers.emulator.settings import EmulatorSettings, Phone
from providers.emulator.storeroom import StoredFile, Storeroom
from providers.emulator.webhooks import Reply, Trouble, Webhook


def signature(app_secret: str, body: bytes) -> str:
    """The `X-Hub-Signature-256` header over the exact bytes of a body."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def wamid(wa_id: str, chance: random.Random, *, from_business: bool) -> str:
    """A message id built like Meta's: base64 of the person's number, the direction and a random token."""
    kind, token = (
        (b"\x11\x18\x12", f"{chance.getrandbits(72):018X}")
        if from_business
        else (
            b"\x12\x18\x14",
            f"3A{chance.getrandbits(72):018X}",
        )
    )
    number = wa_id.encode()
    packed = b"\x1c\x18" + bytes([len(number)]) + number + b"\x15\x02\x00" + kind + token.encode() + b"\x00"
    return "wamid." + base64.b64encode(packed).decode()


def seconds(at: datetime) -> str:
    """A webhook's timestamp: a string of whole seconds."""
    return str(int(at.timestamp()))


class MetaEvents:
    """Writes the bodies of webhooks; the bytes that come out are the bytes to sign and post."""

    def __init__(self, settings: EmulatorSettings, storeroom: Storeroom, chance: random.Random) -> None:
        self._settings = settings
        self._storeroom = storeroom
        self._chance = chance
        self.base_url = ""

    def address(self, url: str) -> str:
        """The address itself."""
        return url

    def seal(self, url: str, body: bytes) -> Mapping[str, str]:
        """The signature header."""
        proof = {"X-Hub-Signature-256": signature(self._settings.app_secret, body)}
        return {"User-Agent": "facebookexternalua", **proof}

    def took(self, status: int) -> bool:
        """Exactly 200 means that the bot has it."""
        return status == 200

    def persists(self, url: str, failures: int, trouble: Trouble, status: int) -> bool:
        """Meta repeats for seven days, which no test waits for."""
        return True

    def said_in_reply(self, reply: Reply) -> Sequence[str]:
        """Nothing: Meta ignores what the bot answers."""
        return ()

    def merge(self, webhooks: Sequence[Webhook]) -> Sequence[Webhook]:
        """One envelope: messages and statuses of the number in one change each, everything else in its own."""
        gathered: dict[str, dict[str, Any]] = {}
        entries: list[dict[str, Any]] = []
        for webhook in webhooks:
            for entry in orjson.loads(webhook.body)["entry"]:
                for change in entry["changes"]:
                    kind = next((kind for kind in ("messages", "statuses") if kind in change["value"]), None)
                    if change["field"] != "messages" or kind is None:
                        entries.append({**entry, "changes": [change]})
                    elif kind not in gathered:
                        gathered[kind] = change
                    else:
                        _join(gathered[kind]["value"], change["value"], kind)
        if gathered:
            entries.insert(0, {"id": self._settings.business_account_id, "changes": list(gathered.values())})
        return [Webhook(body=orjson.dumps({"object": "whatsapp_business_account", "entry": entries}))]

    def news(self, wanted: dict[str, Any], at: datetime) -> Webhook:
        """`{"field", "value"}`: of `messages` and the like, the number's own members need not be given."""
        name, value = wanted.get("field"), wanted.get("value")
        if not isinstance(name, str) or not isinstance(value, dict):
            raise EmulatorError('a webhook of Meta\'s is {"field": "…", "value": {…}}')
        if name in ("messages", "user_preferences", "smb_message_echoes"):
            return self._messages(value, field=name)
        return self._envelope(name, value, time=int(at.timestamp()))

    def new_id(self, wa_id: str, *, from_business: bool, media: bool = False) -> str:
        """A fresh wamid."""
        return wamid(wa_id, self._chance, from_business=from_business)

    def message(self, phone: Phone, bubble: Bubble) -> Webhook:
        """The webhook for a person's message or tap."""
        message: dict[str, Any] = {"id": bubble.id, "timestamp": seconds(bubble.at)} | self._content(bubble)
        if bubble.quotes is not None:
            message["context"] = {"from": self._settings.business_number[1:], "id": bubble.quotes}
        return self._inbound(phone, message)

    def reaction(self, phone: Phone, reaction_id: str, bubble_id: str, emoji: str, at: datetime) -> Webhook:
        """The webhook for a reaction; `emoji` is left out when it is taken back."""
        reaction = {"message_id": bubble_id} | ({"emoji": emoji} if emoji else {})
        message = {"id": reaction_id, "timestamp": seconds(at), "type": "reaction", "reaction": reaction}
        return self._inbound(phone, message)

    def receipt(self, phone: Phone | None, sent: Sent, receipt: Receipt, at: datetime) -> Webhook:
        """The status webhook of a send."""
        status: dict[str, Any] = {"id": sent.id, "status": receipt.value, "timestamp": seconds(at)}
        if phone is None:
            status["recipient_id"] = sent.to.lstrip("+")
        elif not phone.number_hidden:
            status["recipient_id"] = phone.wa_id
        if phone is not None and phone.bsuid is not None:
            status["recipient_user_id"] = phone.bsuid
        if sent.opaque is not None:
            status["biz_opaque_callback_data"] = sent.opaque
        if receipt in (Receipt.SENT, Receipt.DELIVERED):
            status["pricing"] = _pricing(sent)
        if receipt is Receipt.FAILED and sent.failure is not None:
            status["errors"] = [failure(sent.failure)]
        value: dict[str, Any] = {"statuses": [status]}
        if phone is not None and phone.bsuid is not None and receipt is not Receipt.FAILED:
            value = {"contacts": [_contact(phone)], **value}
        return self._messages(value)

    def template_status(self, template: Mapping[str, Any], event: str, at: datetime) -> Webhook:
        """The webhook for a template that was approved, rejected, paused, disabled or deleted."""
        value = _named(template) | {
            "event": event,
            "reason": None if event == "PENDING_DELETION" else template.get("rejected_reason", "NONE"),
            "message_template_category": template["category"],
        }
        if event == "DISABLED":
            value["disable_info"] = {"disable_date": seconds(at)}
        if event == "PAUSED":
            value["other_info"] = {"title": "FIRST_PAUSE", "description": "Paused for 3 hours for its low quality."}
        if event == "REJECTED":
            value["rejection_info"] = {"reason": value["reason"], "recommendation": "Change the text and try again."}
        return self._envelope("message_template_status_update", value, time=int(at.timestamp()))

    def template_quality(self, template: Mapping[str, Any], before: str, after: str, at: datetime) -> Webhook:
        """The webhook for a template that people like more, or less."""
        value = {"previous_quality_score": before, "new_quality_score": after} | _named(template)
        return self._envelope("message_template_quality_update", value, time=int(at.timestamp()))

    def template_category(self, template: Mapping[str, Any], before: str, after: str, at: datetime) -> Webhook:
        """The webhook for a template that was moved to another category."""
        value = _named(template) | {"previous_category": before, "new_category": after}
        return self._envelope("template_category_update", value, time=int(at.timestamp()))

    def template_components(self, template: Mapping[str, Any], at: datetime) -> Webhook:
        """The webhook for a template whose texts were edited."""
        body = next((part.get("text", "") for part in template["components"] if part["type"] == "BODY"), "")
        value = _named(template) | {"message_template_element": body}
        return self._envelope("message_template_components_update", value, time=int(at.timestamp()))

    def media_url(self, file: StoredFile) -> str:
        """A link that works for five minutes, with the Bearer token."""
        return f"{self.base_url}/whatsapp_business/attachments/?{self._storeroom.link_query(file.id)}"

    def _inbound(self, phone: Phone, message: dict[str, Any]) -> Webhook:
        if not phone.number_hidden:
            message = {"from": phone.wa_id, **message}
        if phone.bsuid is not None:
            message["from_user_id"] = phone.bsuid
        return self._messages({"contacts": [_contact(phone)], "messages": [message]})

    def _messages(self, value: dict[str, Any], *, field: str = "messages") -> Webhook:
        metadata = {
            "display_phone_number": self._settings.business_number[1:],
            "phone_number_id": self._settings.phone_number_id,
        }
        return self._envelope(field, {"messaging_product": "whatsapp", "metadata": metadata, **value})

    def _envelope(self, field: str, value: dict[str, Any], **entry: int) -> Webhook:
        change = {"value": value, "field": field}
        entries = [{"id": self._settings.business_account_id, **entry, "changes": [change]}]
        return Webhook(body=orjson.dumps({"object": "whatsapp_business_account", "entry": entries}))

    def _content(self, bubble: Bubble) -> dict[str, Any]:
        if bubble.choice is not None:
            return _tap(bubble.choice)
        if bubble.place is not None:
            location: dict[str, Any] = {"latitude": bubble.place.latitude, "longitude": bubble.place.longitude}
            location |= {"name": bubble.place.name} if bubble.place.name else {}
            location |= {"address": bubble.place.address} if bubble.place.address else {}
            return {"type": "location", "location": location}
        if bubble.cards and bubble.shares_number:
            return {"type": "contacts", "contacts": [_own_number(bubble.cards[0])], "origin": "contact_request"}
        if bubble.cards:
            return {"type": "contacts", "contacts": [_card(card) for card in bubble.cards]}
        if bubble.flow_reply:
            reply = {"name": "flow", "body": "Sent", "response_json": bubble.flow_reply}
            return {"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": reply}}
        if bubble.media is not None:
            return {"type": bubble.kind, bubble.kind: self._media(bubble)}
        return {"type": "text", "text": {"body": bubble.text}}

    def _media(self, bubble: Bubble) -> dict[str, Any]:
        file = self._storeroom.find(bubble.media.id) if bubble.media and bubble.media.id else None
        if bubble.media is None or file is None:
            raise LookupError(f"the file of message {bubble.id} is gone")
        media: dict[str, Any] = {
            "mime_type": file.mime_type,
            "sha256": base64.b64encode(file.sha256).decode(),
            "id": file.id,
            "url": self.media_url(file),
        }
        if bubble.kind == "audio":
            media["voice"] = bubble.media.voice
        if bubble.kind == "document" and file.filename:
            media["filename"] = file.filename
        if bubble.kind == "sticker":
            media["animated"] = False
        if bubble.text:
            media["caption"] = bubble.text
        return media


def _named(template: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "message_template_id": int(template["id"]),
        "message_template_name": template["name"],
        "message_template_language": template["language"],
    }


def _join(into: dict[str, Any], value: dict[str, Any], kind: str) -> None:
    into[kind] += value[kind]
    known = into.get("contacts", [])
    known += [contact for contact in value.get("contacts", []) if contact not in known]
    if known:
        into["contacts"] = known


def _own_number(card: Card) -> dict[str, Any]:
    (number,) = card.phones
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"FN:{card.name}", f"TEL;type=CELL;waid={number[1:]}:{number}", "END:VCARD"]
    return {"vcard": "\n".join(lines), "phones": [{"phone": number}]}


def _card(card: Card) -> dict[str, Any]:
    first, _, last = card.name.partition(" ")
    name = {"first_name": first, **({"last_name": last} if last else {}), "formatted_name": card.name}
    phones = [{"phone": phone, "wa_id": "".join(filter(str.isdigit, phone)), "type": "CELL"} for phone in card.phones]
    return {"name": name, "phones": phones}


def _tap(choice: Choice) -> dict[str, Any]:
    if choice.of == "template_button":
        return {"type": "button", "button": {"payload": choice.id, "text": choice.title}}
    reply = {"id": choice.id, "title": choice.title}
    if choice.of == "button":
        return {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": reply}}
    if choice.description:
        reply["description"] = choice.description
    return {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": reply}}


def _contact(phone: Phone) -> dict[str, Any]:
    contact: dict[str, Any] = {"profile": {"name": phone.name}}
    if not phone.number_hidden:
        contact["wa_id"] = phone.wa_id
    if phone.bsuid is not None:
        contact["user_id"] = phone.bsuid
    return contact


def _pricing(sent: Sent) -> dict[str, Any]:
    category = sent.template_category or "service"
    free = category == "service" or (category == "utility" and sent.in_window)
    return {
        "billable": not free,
        "pricing_model": "PMP",
        "type": "free_customer_service" if free else "regular",
        "category": category,
    }
