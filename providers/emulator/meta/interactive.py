"""Interactive messages as Meta checks them: buttons, lists, links, requests, flows, products, carousels, calls."""

from collections.abc import Callable

from providers.emulator.meta.fields import Field
from providers.emulator.meta.head import Head
from providers.emulator.phones import Attachment, Bubble, Button, Menu, Row, Section

BUTTON_BODY_MOST = 1024
LIST_BODY_MOST = 4096
SHORT_MOST = 60
LABEL_MOST = 20
FLOW_LABEL_MOST = 30
CARD_MOST = 160
PRODUCTS_MOST = 30


def read_attachment(content: Field, *, filename: str = "", voice: bool = False) -> Attachment:
    """The file of a media object: exactly one of `id` and `link`."""
    media_id, link = content.get("id"), content.get("link")
    if media_id is not None:
        if link is not None:
            raise content.wrong("must have either id or link, not both")
        return Attachment(id=media_id.text(), filename=filename, voice=voice)
    address = content.need("link").text(2000)
    if not address.startswith(("https://", "http://")):
        raise content.need("link").wrong("must be an http(s) URL")
    return Attachment(link=address, filename=filename, voice=voice)


def read_interactive(content: Field, head: Head) -> Bubble:
    """The bubble for any interactive type.

    Raises:
        GraphError: Meta would refuse the request at once.
    """
    readers: dict[str, Callable[[Field, Head], Bubble]] = {
        "button": _buttons,
        "list": _list,
        "cta_url": _link,
        "location_request_message": _location_request,
        "request_contact_info": _contact_request,
        "flow": _flow,
        "product": _product,
        "product_list": _products,
        "catalog_message": _catalog,
        "carousel": _carousel,
        "voice_call": _call,
        "call_permission_request": _call_permission,
        "address_message": _address,
    }
    return readers[content.need("type").one_of(readers)](content, head)


def _buttons(content: Field, head: Head) -> Bubble:
    header, attachment = _header(content, media=True)
    buttons: list[Button] = []
    for item in content.need("action").need("buttons").items(1, 3):
        item.need("type").one_of(["reply"])
        reply = item.need("reply")
        button_id = reply.need("id")
        if button_id.text(256) != button_id.value.strip():
            raise button_id.wrong("must not start or end with a space")
        button = Button(id=button_id.value, title=reply.need("title").text(LABEL_MOST))
        if any(button.id == other.id for other in buttons):
            raise button_id.wrong("is not unique")
        if any(button.title == other.title for other in buttons):
            raise reply.need("title").wrong("is not unique")
        buttons.append(button)
    return head.bubble(
        "buttons",
        text=content.need("body").need("text").text(BUTTON_BODY_MOST),
        header=header,
        footer=_footer(content),
        buttons=tuple(buttons),
        media=attachment,
    )


def _list(content: Field, head: Head) -> Bubble:
    header, _ = _header(content, media=False)
    action = content.need("action")
    label = action.need("button").text(LABEL_MOST)
    sections = action.need("sections").items(1, 10)
    seen: set[str] = set()
    read: list[Section] = []
    for section in sections:
        title = section.need("title").text(24) if len(sections) > 1 else section.text_of("title", 24)
        rows = [_row(row, seen) for row in section.need("rows").items(1, 10)]
        read.append(Section(title=title, rows=tuple(rows)))
    if len(seen) > 10:
        raise action.need("sections").wrong(f"must have at most 10 rows in total, these have {len(seen)}")
    return head.bubble(
        "list",
        text=content.need("body").need("text").text(LIST_BODY_MOST),
        header=header,
        footer=_footer(content),
        menu=Menu(label=label, sections=tuple(read)),
    )


def _row(row: Field, seen: set[str]) -> Row:
    row_id = row.need("id")
    if row_id.text(200) in seen:
        raise row_id.wrong("is not unique")
    seen.add(row_id.value)
    return Row(id=row_id.value, title=row.need("title").text(24), description=row.text_of("description", 72))


def _link(content: Field, head: Head) -> Bubble:
    header, attachment = _header(content, media=True)
    action = content.need("action")
    action.need("name").one_of(["cta_url"])
    url = _address_of(action.need("parameters"))
    title = action.need("parameters").need("display_text").text(LABEL_MOST)
    return head.bubble(
        "link",
        text=content.need("body").need("text").text(BUTTON_BODY_MOST),
        header=header,
        footer=_footer(content),
        buttons=(Button(id="", title=title, url=url),),
        media=attachment,
    )


def _location_request(content: Field, head: Head) -> Bubble:
    content.need("action").need("name").one_of(["send_location"])
    return head.bubble("location_request", text=content.need("body").need("text").text(BUTTON_BODY_MOST))


def _contact_request(content: Field, head: Head) -> Bubble:
    content.need("action").need("name").one_of(["request_contact_info"])
    return head.bubble(
        "contact_request", text=content.need("body").need("text").text(BUTTON_BODY_MOST), footer=_footer(content)
    )


def _flow(content: Field, head: Head) -> Bubble:
    header, attachment = _header(content, media=True)
    action = content.need("action")
    action.need("name").one_of(["flow"])
    parameters = action.need("parameters")
    parameters.need("flow_message_version").one_of(["3"])
    if (parameters.get("flow_id") is None) == (parameters.get("flow_name") is None):
        raise parameters.wrong("must have either flow_id or flow_name")
    label = parameters.need("flow_cta").text(FLOW_LABEL_MOST)
    if parameters.get("mode") is not None:
        parameters.need("mode").one_of(["draft", "published"])
    step = parameters.get("flow_action")
    payload = parameters.get("flow_action_payload")
    if step is not None and step.one_of(["navigate", "data_exchange"]) == "navigate" and payload is None:
        parameters.need("flow_action_payload")
    if payload is not None:
        payload.need("screen").text()
        data = payload.get("data")
        if data is not None and not data.value:
            raise data.wrong("must not be empty")
    return head.bubble(
        "flow",
        text=content.need("body").need("text").text(BUTTON_BODY_MOST),
        header=header,
        footer=_footer(content),
        buttons=(Button(id=parameters.text_of("flow_token") or "unused", title=label),),
        media=attachment,
    )


def _product(content: Field, head: Head) -> Bubble:
    if content.get("header") is not None:
        raise content.need("header").wrong("is not supported on type product")
    action = content.need("action")
    action.need("catalog_id").text()
    action.need("product_retailer_id").text()
    body = content.get("body")
    text = body.need("text").text(BUTTON_BODY_MOST) if body else ""
    return head.bubble("link", text=text, footer=_footer(content), buttons=(Button(id="", title="View", url=""),))


def _products(content: Field, head: Head) -> Bubble:
    header = content.need("header")
    header.need("type").one_of(["text"])
    action = content.need("action")
    action.need("catalog_id").text()
    count = 0
    for section in action.need("sections").items(1, 10):
        section.need("title").text(24)
        items = section.need("product_items").items(1, PRODUCTS_MOST)
        for item in items:
            item.need("product_retailer_id").text()
        count += len(items)
    if count > PRODUCTS_MOST:
        raise action.need("sections").wrong(f"must have at most {PRODUCTS_MOST} products in total, these have {count}")
    return head.bubble(
        "link",
        text=content.need("body").need("text").text(BUTTON_BODY_MOST),
        header=header.need("text").text(SHORT_MOST),
        footer=_footer(content),
        buttons=(Button(id="", title="View items", url=""),),
    )


def _catalog(content: Field, head: Head) -> Bubble:
    content.need("action").need("name").one_of(["catalog_message"])
    return _bare(content, head, Button(id="", title="View catalog", url=""))


def _carousel(content: Field, head: Head) -> Bubble:
    buttons: list[Button] = []
    for place, card in enumerate(content.need("action").need("cards").items(2, 10)):
        if card.need("card_index").value != place:
            raise card.need("card_index").wrong(f"must be {place}")
        header = card.need("header")
        kind = header.need("type").one_of(["image", "video"])
        read_attachment(header.need(kind))
        if card.get("body") is not None:
            card.need("body").need("text").text(CARD_MOST)
        buttons += _card_buttons(card.need("action"))
    return head.bubble("buttons", text=content.need("body").need("text").text(BUTTON_BODY_MOST), buttons=tuple(buttons))


def _card_buttons(action: Field) -> list[Button]:
    if action.get("name") is not None:
        action.need("name").one_of(["cta_url"])
        parameters = action.need("parameters")
        return [Button(id="", title=parameters.need("display_text").text(LABEL_MOST), url=_address_of(parameters))]
    replies = [item.need("quick_reply") for item in action.need("buttons").items(1, 3)]
    return [Button(id=reply.need("id").text(256), title=reply.need("title").text(LABEL_MOST)) for reply in replies]


def _call(content: Field, head: Head) -> Bubble:
    action = content.need("action")
    action.need("name").one_of(["voice_call"])
    parameters = action.get("parameters")
    label = parameters.text_of("display_text", LABEL_MOST) if parameters else ""
    return _bare(content, head, Button(id="", title=label or "Call now", url=""))


def _call_permission(content: Field, head: Head) -> Bubble:
    content.need("action").need("name").one_of(["call_permission_request"])
    body = content.get("body")
    text = body.need("text").text(BUTTON_BODY_MOST) if body else "May this business call you?"
    return head.bubble("link", text=text, buttons=(Button(id="", title="Choose", url=""),))


def _address(content: Field, head: Head) -> Bubble:
    content.need("action").need("name").one_of(["address_message"])
    content.need("action").need("parameters").need("country").text(2)
    return _bare(content, head, Button(id="", title="Provide address", url=""))


def _bare(content: Field, head: Head, button: Button) -> Bubble:
    text = content.need("body").need("text").text(BUTTON_BODY_MOST)
    return head.bubble("link", text=text, footer=_footer(content), buttons=(button,))


def _address_of(parameters: Field) -> str:
    url = parameters.need("url")
    if not url.text(2000).startswith(("https://", "http://")):
        raise url.wrong("must be an http(s) URL")
    return str(url.value)


def _header(content: Field, *, media: bool) -> tuple[str, Attachment | None]:
    header = content.get("header")
    if header is None:
        return "", None
    kind = header.need("type").one_of(["text", "image", "video", "document"] if media else ["text"])
    if kind == "text":
        return header.need("text").text(SHORT_MOST), None
    return "", read_attachment(header.need(kind), filename=header.need(kind).text_of("filename"))


def _footer(content: Field) -> str:
    footer = content.get("footer")
    return "" if footer is None else footer.need("text").text(SHORT_MOST)
