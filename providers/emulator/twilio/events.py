"""Twilio's webhooks: one event per form, signed over the address and the fields."""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urldefrag, urlencode, urlsplit, urlunsplit
from xml.etree import ElementTree

import orjson

from providers.emulator.exchange import Sent
from providers.emulator.phones import Attachment, Bubble, Card, Choice, EmulatorError, Receipt
from providers.emulator.settings import EmulatorSettings, Phone
from providers.emulator.storeroom import StoredFile, Storeroom
from providers.emulator.twilio.errors import failed_status, failure_words
from providers.emulator.twilio.signature import signature
from providers.emulator.webhooks import Reply, ReplyError, Trouble, Webhook

API_VERSION = "2010-04-01"
FORM = "application/x-www-form-urlencoded; charset=UTF-8"
CHANNEL = "whatsapp:"

_KINDS = {"location": "location", "contacts": "contacts", "sticker": "sticker"}
_EVENTS = {"delivered": "DELIVERED", "read": "READ", "undelivered": "UNDELIVERED"}
_RETRIES_MOST = 5


class TwilioEvents:
    """Writes the forms of webhooks, and knows how patiently Twilio posts them."""

    def __init__(self, settings: EmulatorSettings, storeroom: Storeroom, chance: random.Random) -> None:
        self._settings = settings
        self._storeroom = storeroom
        self._chance = chance
        self.base_url = ""
        self.cards: dict[str, StoredFile] = {}

    def address(self, url: str) -> str:
        """Without the fragment, which holds Twilio's own instructions."""
        return urldefrag(url).url

    def seal(self, url: str, body: bytes) -> Mapping[str, str]:
        """The signature over the public address and the decoded fields."""
        form = parse_qsl(body.decode(), keep_blank_values=True)
        return {
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "X-Twilio-Signature": signature(self._settings.auth_token, self._public(url), form),
        }

    def merge(self, webhooks: Sequence[Webhook]) -> Sequence[Webhook]:
        """Twilio never puts two events into one request."""
        return webhooks

    def took(self, status: int) -> bool:
        """Any 2xx."""
        return 200 <= status < 300

    def persists(self, url: str, failures: int, trouble: Trouble, status: int) -> bool:
        """Once more after a failed connection; the fragment may say `#rc=<0-5>&rp=<4xx,5xx,ct,rt,all>` instead."""
        wanted = parse_qs(urldefrag(url).fragment)
        most = min(int(wanted.get("rc", ["1"])[0]), _RETRIES_MOST)
        policies = set(wanted.get("rp", ["ct"])[0].split(","))
        kind = {"connect": "ct", "timeout": "rt"}.get(trouble, f"{status // 100}xx")
        return failures <= most and bool(policies & {kind, "all"})

    def said_in_reply(self, reply: Reply) -> Sequence[str]:
        """The `<Message>`s of TwiML; and plain text, which Twilio sends on as it is."""
        text = reply.body.decode("utf-8", "replace").strip()
        if not text:
            return ()
        if reply.content_type == "text/plain":
            return (text,)
        if reply.content_type not in ("text/xml", "application/xml"):
            raise ReplyError(12300, f"Invalid Content-Type: {reply.content_type}")
        try:
            root = ElementTree.fromstring(text)  # noqa: S314 - the bot on this machine wrote it; expat is bounded
        except ElementTree.ParseError as error:
            raise ReplyError(12100, f"Document parse failure: {error}") from None
        if root.tag != "Response":
            raise ReplyError(12100, f"TwiML is a <Response>, not a <{root.tag}>")
        return [(one.findtext("Body") or one.text or "").strip() for one in root.iter("Message")]

    def new_id(self, wa_id: str, *, from_business: bool, media: bool = False) -> str:
        """A fresh sid: `SM…` for text, `MM…` for media."""
        return self.sid("MM" if media else "SM")

    def sid(self, prefix: str) -> str:
        """A fresh sid of any kind."""
        return f"{prefix}{self._chance.getrandbits(128):032x}"

    def message(self, phone: Phone, bubble: Bubble) -> Webhook:
        """The webhook for a person's message or tap."""
        file = self._file(bubble)
        extra = self._content(phone, bubble) | self._reply_to(bubble)
        if file is not None:
            extra |= {
                "MediaContentType0": file.mime_type.partition(";")[0].strip(),
                "MediaUrl0": self.media_url(bubble.id, file),
            }
        return self._inbound(phone, bubble.id, _kind(bubble), _body(bubble, file), extra, media=file is not None)

    def reaction(self, phone: Phone, reaction_id: str, bubble_id: str, emoji: str, at: datetime) -> None:
        """Nothing: Twilio has no webhook for a reaction."""
        return

    def receipt(self, phone: Phone | None, sent: Sent, receipt: Receipt, at: datetime) -> Webhook | None:
        """The status callback of a send; none when it has no address, and none for a voice note that was played."""
        if sent.callback is None or receipt is Receipt.PLAYED:
            return None
        status = failed_status(sent.failure or 0) if receipt is Receipt.FAILED else receipt.value
        form = {
            "ChannelPrefix": "whatsapp",
            "ApiVersion": API_VERSION,
            "MessageStatus": status,
            "SmsSid": sent.id,
            "SmsStatus": status,
            "ChannelInstallSid": self.sender_sid(),
            "To": sent.to,
            "From": CHANNEL + self._settings.business_number,
            "MessageSid": sent.id,
            "AccountSid": self._settings.account_sid,
            "ChannelToAddress": _masked(sent.to),
        }
        if sent.body.get("MessagingServiceSid"):
            form["MessagingServiceSid"] = str(sent.body["MessagingServiceSid"])
        if status in _EVENTS:
            form["EventType"] = _EVENTS[status]
        if receipt is Receipt.FAILED and sent.failure is not None:
            form["ErrorCode"] = str(sent.failure)
            words = failure_words(sent.failure)
            if words:
                form["ChannelStatusMessage" if status == "undelivered" else "ErrorMessage"] = words
        return self._form(form, url=sent.callback)

    def queued(self, sent: Sent) -> Webhook | None:
        """The `queued` callback that follows `accepted` when a Messaging Service sends."""
        callback = self.receipt(None, sent, Receipt.SENT, sent.at)
        if callback is None:
            return None
        form = dict(parse_qsl(callback.body.decode(), keep_blank_values=True))
        return self._form(form | {"MessageStatus": "queued", "SmsStatus": "queued"}, url=callback.url)

    def cancelled(self, sent: Sent) -> Webhook | None:
        """The callback of a scheduled message that was called off."""
        callback = self.receipt(None, sent, Receipt.SENT, sent.at)
        if callback is None:
            return None
        form = dict(parse_qsl(callback.body.decode(), keep_blank_values=True))
        return self._form(form | {"MessageStatus": "canceled", "SmsStatus": "canceled"}, url=callback.url)

    def news(self, wanted: dict[str, Any], at: datetime) -> Webhook:
        """`{"params": {…}, "url"?}`: any form; an inbound message's usual fields need not be given."""
        params = wanted.get("params")
        if not isinstance(params, dict):
            raise EmulatorError('a webhook of Twilio\'s is {"params": {…}}')
        form = {str(name): str(value) for name, value in params.items()}
        if "MessageStatus" not in form:
            sid = form.get("MessageSid") or self.sid("SM")
            form = self._usual(sid, form.get("MessageType", "text"), form.get("Body", "")) | form
        return self._form(form, url=wanted.get("url"))

    def media_url(self, message_sid: str, file: StoredFile) -> str:
        """Where a message's file is fetched from, with the account's user name and password."""
        return f"{self.base_url}{self.media_path(message_sid, file.id)}"

    def media_path(self, message_sid: str, file_id: str) -> str:
        """The path of a message's file."""
        account = self._settings.account_sid
        return f"/{API_VERSION}/Accounts/{account}/Messages/{message_sid}/Media/{media_sid(file_id)}"

    def sender_sid(self) -> str:
        """The sid of the WhatsApp sender."""
        return f"XE{int(self._settings.business_number[1:]):032x}"

    def _inbound(
        self, phone: Phone, sid: str, kind: str, body: str, extra: Mapping[str, str], *, media: bool
    ) -> Webhook:
        form = self._usual(sid, kind, body) | {
            "NumMedia": "1" if media else "0",
            "ProfileName": phone.name,
            "WaId": "" if phone.number_hidden else phone.wa_id,
            "From": CHANNEL + (str(phone.bsuid) if phone.number_hidden else phone.number),
        }
        if phone.bsuid is not None:
            form["ExternalUserId"] = CHANNEL + phone.bsuid
        return self._form(form | dict(extra))

    def _usual(self, sid: str, kind: str, body: str) -> dict[str, str]:
        form = {
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "ProfileName": "",
            "MessageType": kind,
            "SmsSid": sid,
            "WaId": "",
            "SmsStatus": "received",
            "Body": body,
            "To": CHANNEL + self._settings.business_number,
            "NumSegments": "1",
            "ReferralNumMedia": "0",
            "MessageSid": sid,
            "AccountSid": self._settings.account_sid,
            "From": "",
            "ApiVersion": API_VERSION,
        }
        if self._settings.messaging_service_sid:
            form["MessagingServiceSid"] = self._settings.messaging_service_sid
        return form

    def _form(self, form: Mapping[str, str], *, url: str | None = None) -> Webhook:
        token = f"{self._chance.getrandbits(128):032x}"
        headers = {"Content-Type": FORM, "I-Twilio-Idempotency-Token": token}
        return Webhook(body=urlencode(form).encode(), headers=headers, url=url, mergeable=False)

    def _public(self, url: str) -> str:
        if not self._settings.public_url:
            return url
        outside, inside = urlsplit(self._settings.public_url), urlsplit(url)
        return urlunsplit((outside.scheme, outside.netloc, inside.path, inside.query, ""))

    def _content(self, phone: Phone, bubble: Bubble) -> dict[str, str]:
        if bubble.choice is not None:
            return _tap(phone, bubble.choice)
        if bubble.flow_reply:
            return {"InteractiveData": bubble.flow_reply}
        if bubble.place is None:
            return {}
        place = {"Latitude": repr(bubble.place.latitude), "Longitude": repr(bubble.place.longitude)}
        place |= {"Address": bubble.place.address} if bubble.place.address else {}
        return place | ({"Label": bubble.place.name} if bubble.place.name else {})

    def _reply_to(self, bubble: Bubble) -> dict[str, str]:
        if bubble.quotes is None:
            return {}
        sender = CHANNEL + self._settings.business_number
        return {"OriginalRepliedMessageSid": bubble.quotes, "OriginalRepliedMessageSender": sender}

    def _file(self, bubble: Bubble) -> StoredFile | None:
        if bubble.cards:
            file = self._storeroom.keep(
                vcard(bubble.cards), mime_type="text/vcard", filename="contact.vcf", inbound=True
            )
            self.cards[bubble.id] = file
            return file
        return self.file_of(bubble.media)

    def file_of(self, media: Attachment | None) -> StoredFile | None:
        """The file of an attachment, while it is there."""
        return self._storeroom.find(media.id) if media is not None and media.id is not None else None


def media_sid(file_id: str) -> str:
    """The `ME…` sid of a file."""
    return f"ME{int(file_id):032x}"


def file_id_of(sid: str) -> str:
    """The file behind a `ME…` sid; '' for what is none."""
    try:
        return str(int(sid.removeprefix("ME"), 16))
    except ValueError:
        return ""


def vcard(cards: Sequence[Card]) -> bytes:
    """Contacts as a vCard, the form in which Twilio hands them on."""
    lines: list[str] = []
    for card in cards:
        first, _, last = card.name.partition(" ")
        lines += ["BEGIN:VCARD", "VERSION:3.0", f"N:{last};{first};;;", f"FN:{card.name}"]
        for phone in card.phones:
            wa_id = "".join(filter(str.isdigit, phone))
            lines.append(f"TEL;type=CELL;type=VOICE;waid={wa_id}:{phone}")
        lines.append("END:VCARD")
    return ("\r\n".join(lines) + "\r\n").encode()


def _tap(phone: Phone, choice: Choice) -> dict[str, str]:
    if choice.of == "row":
        row = {"ListId": choice.id, "ListTitle": choice.title}
        return row | ({"ListDescription": choice.description} if choice.description else {})
    context = {"ButtonText": choice.title, "ProfileName": phone.name}
    context |= {} if phone.number_hidden else {"WaId": phone.wa_id}
    return {
        "ButtonText": choice.title,
        "ButtonPayload": choice.id,
        "Forwarded": "false",
        "FrequentlyForwarded": "false",
        "ChannelMetadata": orjson.dumps({"type": "whatsapp", "data": {"context": context}}).decode(),
    }


def _kind(bubble: Bubble) -> str:
    if bubble.choice is not None:
        return "button" if bubble.choice.of == "template_button" else "interactive"
    if bubble.flow_reply:
        return "interactive"
    if bubble.media is not None:
        return bubble.kind
    return _KINDS.get(bubble.kind, "text")


def _body(bubble: Bubble, file: StoredFile | None) -> str:
    if bubble.cards or bubble.place is not None:
        return ""
    # A document has no name of its own here; without a caption, its name stands in the body.
    if bubble.kind == "document" and file is not None and not bubble.text:
        return file.filename
    return bubble.text


def _masked(address: str) -> str:
    number = address.removeprefix(CHANNEL)
    return number[:-4] + "XXXX"
