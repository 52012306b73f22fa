"""`send:`: places, files, cards, links, requests and reactions. `bot.core.ops` has what is said in words.

Whatever an author can only know when the message goes out, such as whether an address begins with https, is looked at
then. A message that cannot be made is left out, with the reason in the trace, so that the rest of the turn happens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.core.choices import shorten
from bot.core.cursor import Cursor
from bot.core.errors import EngineError
from bot.core.expressions import Expressions
from bot.core.messages import (
    MAX_BUTTON_TITLE,
    MAX_CARDS,
    MAX_FORM_LABEL,
    ContactCard,
    ContactRequestOut,
    ContactsOut,
    FormOut,
    LocationOut,
    LocationRequestOut,
    MediaKind,
    MediaOut,
    Outgoing,
    ReactionOut,
    UrlOut,
)
from bot.core.ops import Filled
from bot.core.outspecs import MEDIA, CardSpec, FileSpec, FormSpec, LinkSpec, PlaceSpec, SendSpec
from bot.core.report import Path
from bot.core.sandbox import Value

_SOURCES = ("link", "id", "file")
_CAPTIONED = frozenset({"photo", "video", "document"})
_EMOJI = 20
"""Characters of a reaction: one emoji, however it is put together."""


class Parcel(Protocol):
    """A message that is more than words, before it is made."""

    def message(self, cursor: Cursor) -> Outgoing | None:
        """Make it; None when there is nothing to send.

        Raises:
            EngineError: An expression does not fit the data of this run.
            ValueError: The values do not make such a message; says why.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Send a parcel; outside of the person's 24-hour window the template `instead`."""

    word: str
    parcel: Parcel
    instead: Filled | None = None

    def run(self, cursor: Cursor, step: int) -> bool:
        """Send it, and go on."""
        try:
            message = self.parcel.message(cursor)
        except (EngineError, ValueError) as error:
            cursor.turn.note("error", send=self.word, error=f"`{self.word}:` cannot be sent: {error}"[:300])
            return True
        if message is not None:
            cursor.turn.send(message, block=self.word, instead=self.instead.message(cursor) if self.instead else None)
        return True


@dataclass(frozen=True, slots=True)
class Quote:
    """Let the next message quote the one it answers."""

    def run(self, cursor: Cursor, step: int) -> bool:
        """Take note, and go on."""
        cursor.turn.quotes = True
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A place. `values` are latitude, longitude, name and address, or `place`, which has them."""

    values: Mapping[str, Value]

    def message(self, cursor: Cursor) -> Outgoing | None:
        """As a pin."""
        found = {word: cursor.evaluate(value, f"`{word}:`") for word, value in self.values.items()}
        place = found.pop("place", None)
        known = dict(place) if isinstance(place, Mapping) else {}
        record = known | {word: value for word, value in found.items() if value is not None}
        return LocationOut(
            latitude=_degrees(record, "latitude", 90), longitude=_degrees(record, "longitude", 180),
            name=_text(record.get("name")), address=_text(record.get("address")),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A file."""

    media: MediaKind
    origin: str
    source: Value
    caption: str | None
    filename: Value | None
    voice: bool

    def message(self, cursor: Cursor) -> Outgoing | None:
        """With its caption."""
        source = _text(cursor.evaluate(self.source, f"`{self.origin}:`"))
        if source is None:
            raise ValueError(f"`{self.origin}:` is empty")
        return MediaOut(
            media=self.media,
            media_id=source if self.origin == "id" else None,
            link=_https(source) if self.origin == "link" else None,
            file=source if self.origin == "file" else None,
            caption=(cursor.render(self.caption) or None) if self.caption else None,
            filename=_text(cursor.evaluate(self.filename, "`filename:`")) if self.filename is not None else None,
            voice=self.voice,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Somebody to get in touch with."""

    name: Value
    phones: tuple[Value, ...]
    emails: tuple[Value, ...]
    company: Value | None

    def card(self, cursor: Cursor) -> ContactCard:
        """Filled in."""
        name = _text(cursor.evaluate(self.name, "`name:`"))
        if name is None:
            raise ValueError("a card has no name")
        first, _, last = name.partition(" ")
        return ContactCard(
            name=name, first_name=first, last_name=last or None, phones=_texts(cursor, self.phones, "`phone:`"),
            emails=_texts(cursor, self.emails, "`email:`"),
            company=_text(cursor.evaluate(self.company, "`company:`")) if self.company is not None else None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cards:
    """Cards of people."""

    cards: tuple[Card, ...]

    def message(self, cursor: Cursor) -> Outgoing | None:
        """All in one message."""
        return ContactsOut(cards=tuple(card.card(cursor) for card in self.cards))


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Words with a button that opens a page."""

    say: str
    button: str
    url: Value

    def message(self, cursor: Cursor) -> Outgoing | None:
        """With a button that is not too long."""
        url = _https(str(cursor.evaluate(self.url, "`url:`")))
        label = shorten(cursor.render(self.button) or "→", MAX_BUTTON_TITLE)
        return UrlOut(body=cursor.render(self.say) or label, label=label, url=url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Questionnaire:
    """Words with a button that opens a WhatsApp Flow. Its token is the run's id: what comes back is for that run."""

    say: str
    button: str
    id: Value
    screen: Value | None
    values: Mapping[str, Value]
    draft: bool

    def message(self, cursor: Cursor) -> Outgoing | None:
        """With what the first screen is filled in with."""
        flow_id = _text(cursor.evaluate(self.id, "`id:`"))
        if flow_id is None:
            raise ValueError("it has no id")
        label = shorten(cursor.render(self.button) or "→", MAX_FORM_LABEL)
        values = {name: cursor.evaluate(value, "`data:`") for name, value in self.values.items()}
        return FormOut(
            body=cursor.render(self.say) or label, label=label, flow_id=flow_id, token=cursor.run, draft=self.draft,
            screen=_text(cursor.evaluate(self.screen, "`screen:`")) if self.screen is not None else None,
            data={name: _as_json(value) for name, value in values.items()} or None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPlace:
    """Words with a button that sends where the person is."""

    say: str

    def message(self, cursor: Cursor) -> Outgoing | None:
        """Unless there are no words."""
        body = cursor.render(self.say)
        return LocationRequestOut(body=body) if body else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskNumber:
    """Words with a button that shares the person's number."""

    say: str

    def message(self, cursor: Cursor) -> Outgoing | None:
        """Unless there are no words."""
        body = cursor.render(self.say)
        return ContactRequestOut(body=body) if body else None


@dataclass(frozen=True, slots=True, kw_only=True)
class React:
    """An emoji on the message that is being answered."""

    emoji: Value

    def message(self, cursor: Cursor) -> Outgoing | None:
        """Nothing, where no message is being answered: after a timer, say."""
        emoji = _text(cursor.evaluate(self.emoji, "`reaction:`"))
        if emoji is not None and (len(emoji) > _EMOJI or emoji.isascii()):
            raise ValueError(f"`{emoji[:_EMOJI]}` is no emoji")
        if cursor.turn.message is None:
            cursor.turn.note("ignore", why="there is no message to react to")
            return None
        return ReactionOut(message_id=cursor.turn.message, emoji=emoji)


def _as_json(value: Any) -> Any:
    """A value as a screen takes it: what JSON has no word for is told as text."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(name): _as_json(one) for name, one in value.items()}
        case list() | tuple():
            return [_as_json(one) for one in value]
        case _:
            return str(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value).strip() or None


def _texts(cursor: Cursor, values: Sequence[Value], what: str) -> tuple[str, ...]:
    found = (_text(cursor.evaluate(value, what)) for value in values)
    return tuple(text for text in found if text is not None)


def _degrees(record: Mapping[str, Any], word: str, most: float) -> float:
    try:
        degrees = float(record[word])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"it has no {word}") from None
    if not -most <= degrees <= most:
        raise ValueError(f"{word} {degrees:g} is not between -{most:g} and {most:g}")
    return degrees


def _https(url: str) -> str:
    if not url.startswith("https://") or any(sign.isspace() for sign in url):
        raise ValueError(f"`{url[:60]}` is no https address")
    return url


# --- Compiling --------------------------------------------------------------------------------------------------------


def compile_sends(
    specs: Sequence[SendSpec], expressions: Expressions, path: Path, instead: Filled | None
) -> list[Post]:
    """What a state sends, in order. Mistakes go to the report."""
    posts: list[Post] = []
    for place, spec in enumerate(specs):
        here, words = (*path, "send", place), spec.words
        if len(words) != 1:
            found = " and ".join(f"`{word}:`" for word in words) or "nothing"
            expressions.report(here, f"Each entry of `send:` is one message, not {found}.",
                               hint="Make a list of it: `send: [{photo: …}, {location: …}]`.")  # fmt: skip
            continue
        parcel = _parcel(words[0], getattr(spec, words[0]), expressions, (*here, words[0]))
        if parcel is not None:
            posts.append(Post(word=words[0], parcel=parcel, instead=instead))
    return posts


def _parcel(word: str, spec: Any, expressions: Expressions, path: Path) -> Parcel | None:
    match spec:
        case PlaceSpec():
            return _spot(spec, expressions, path)
        case FileSpec():
            return _enclosure(word, spec, expressions, path)
        case LinkSpec():
            _fixed_https(spec.url, expressions, (*path, "url"))
            return Link(say=spec.say, button=spec.button, url=expressions.value(spec.url, (*path, "url")))
        case FormSpec():
            return _questionnaire(spec, expressions, path)
        case list():
            return _cards(spec, expressions, path)
    if word == "reaction":
        if "{{" not in spec and (spec.isascii() or len(spec) > _EMOJI) and spec:
            expressions.report(path, f"`{spec}` is no emoji.", hint='Write for example `reaction: "👍"`.')
        return React(emoji=expressions.value(spec, path))
    return AskPlace(say=spec) if word == "ask_location" else AskNumber(say=spec)


def _spot(spec: PlaceSpec, expressions: Expressions, path: Path) -> Spot | None:
    if (spec.place is None) == (spec.latitude is None or spec.longitude is None):
        expressions.report(path, "A location is a record that has its degrees, or `latitude:` and `longitude:`.",
                           hint='Write for example `location: "{{ hotel.place }}"`.')  # fmt: skip
        return None
    for word, most in (("latitude", 90), ("longitude", 180)):
        degrees = getattr(spec, word)
        if isinstance(degrees, int | float) and not -most <= degrees <= most:
            expressions.report((*path, word), f"`{word}: {degrees:g}` is not between -{most} and {most}.",
                               hint="Are latitude and longitude the other way round?")  # fmt: skip
    given = {word: getattr(spec, word) for word in PlaceSpec.model_fields if getattr(spec, word) is not None}
    return Spot(values={word: expressions.value(value, (*path, word)) for word, value in given.items()})


def _enclosure(word: str, spec: FileSpec, expressions: Expressions, path: Path) -> Enclosure | None:
    given = [origin for origin in _SOURCES if getattr(spec, origin) is not None]
    if len(given) != 1:
        found = " and ".join(f"`{origin}:`" for origin in given) or "none"
        expressions.report(path, f"A file has one of `link:`, `id:` and `file:`, not {found}.",
                           hint="`link:` is an https address, `file:` what somebody sent.")  # fmt: skip
        return None
    if spec.link is not None:
        _fixed_https(spec.link, expressions, (*path, "link"))
    for extra, fits in (("caption", word in _CAPTIONED), ("filename", word == "document"), ("voice", word == "audio")):
        if getattr(spec, extra) and not fits:
            remedy = "Say it in a message of its own: `say:`." if extra == "caption" else "Remove it."
            message = f"WhatsApp shows no `{extra}:` with `{word}:`."
            expressions.report((*path, extra), message, hint=remedy, code="limit")
    origin = given[0]
    return Enclosure(
        media=MEDIA[word], origin=origin, source=expressions.value(getattr(spec, origin), (*path, origin)),
        caption=spec.caption, voice=spec.voice,
        filename=expressions.value(spec.filename, (*path, "filename")) if spec.filename is not None else None,
    )  # fmt: skip


def _questionnaire(spec: FormSpec, expressions: Expressions, path: Path) -> Questionnaire:
    if spec.values and spec.screen is None:
        expressions.report(path, "`data:` fills in a screen, and this form names none.", hint="Add `screen:`.")
    return Questionnaire(
        say=spec.say, button=spec.button, id=expressions.value(str(spec.id), (*path, "id")), draft=spec.draft,
        screen=expressions.value(spec.screen, (*path, "screen")) if spec.screen is not None else None,
        values={name: expressions.value(value, (*path, "data", name)) for name, value in spec.values.items()},
    )  # fmt: skip


def _fixed_https(url: str, expressions: Expressions, path: Path) -> None:
    """An address that does not depend on anything must be right now."""
    if not url.startswith("{{") and not url.startswith("https://"):
        expressions.report(path, f"`{url}` is no https address.", hint="WhatsApp fetches and opens https only.")


def _cards(specs: Sequence[CardSpec], expressions: Expressions, path: Path) -> Cards:
    if len(specs) > MAX_CARDS:
        expressions.report(path, f"{len(specs)} cards are more than the {MAX_CARDS} of one message.", code="limit",
                           hint="Send them in two messages.")  # fmt: skip

    def values(sources: Sequence[str], at: Path) -> tuple[Value, ...]:
        return tuple(expressions.value(source, at) for source in sources)

    found: list[Card] = []
    for place, spec in enumerate(specs):
        here = (*path, place)
        if not spec.phone and not spec.email:
            expressions.report(
                here, "This card has neither `phone:` nor `email:`.", hint="Add one: cards are for that."
            )
        found.append(
            Card(
                name=expressions.value(spec.name, (*here, "name")),
                phones=values(spec.phone, (*here, "phone")),
                emails=values(spec.email, (*here, "email")),
                company=expressions.value(spec.company, (*here, "company")) if spec.company is not None else None,
            )
        )
    return Cards(cards=tuple(found))
