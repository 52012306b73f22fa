"""What an author writes below `send:`, checked for shape: messages that are more than words."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from bot.core.messages import MediaKind
from bot.core.parts import Name, Part, as_list

MEDIA: Mapping[str, MediaKind] = {
    "photo": "image", "video": "video", "audio": "audio", "document": "document", "sticker": "sticker",
}  # fmt: skip
"""What authors call the kinds of files, as in `collect:`, and what messages do."""


def _short_for(word: str) -> Callable[[Any], Any]:
    """Let `photo: https://…` mean `photo: {link: https://…}`."""
    return lambda value: {word: value} if isinstance(value, str) else value


class PlaceSpec(Part):
    """A place on the map: a record that has its degrees, such as a `location` slot, or the degrees themselves.

    Attributes:
        place: An expression whose value has latitude and longitude, and may have name and address.
        latitude: Degrees, -90 to 90.
        longitude: Degrees, -180 to 180.
        name: What the place is called.
        address: Where that is.
    """

    place: str | None = None
    latitude: str | int | float | None = None
    longitude: str | int | float | None = None
    name: str | None = None
    address: str | None = None


class FileSpec(Part):
    """A file, from one of three sources.

    Attributes:
        link: Where everybody can fetch it: https.
        id: The provider's id of a file that is there already.
        file: The number of a file that somebody sent: `{{ picture.id }}`.
        caption: The block below it.
        filename: What a document is called on the phone.
        voice: Whether a sound is shown as a voice message.
    """

    link: str | None = None
    id: str | None = None
    file: str | int | None = None
    caption: Name | None = None
    filename: str | None = None
    voice: bool = False


class CardSpec(Part):
    """Somebody to get in touch with.

    Attributes:
        name: The whole name.
        phone: Numbers, with the country code.
        email: Addresses.
        company: For whom they work.
    """

    name: str
    phone: Annotated[list[str], BeforeValidator(as_list)] = Field(default_factory=list)
    email: Annotated[list[str], BeforeValidator(as_list)] = Field(default_factory=list)
    company: str | None = None


class LinkSpec(Part):
    """Words with a button that opens a page.

    Attributes:
        say: The block above the button.
        button: The block with what the button says: 20 characters.
        url: The page: https.
    """

    say: Name
    button: Name
    url: str


class FormSpec(Part):
    """Words with a button that opens a WhatsApp Flow: a form on pages of WhatsApp's own.

    Attributes:
        say: The block above the button.
        button: The block with what the button says: 20 characters.
        id: The id that WhatsApp gave the Flow.
        screen: Where it opens; unset: its own endpoint says.
        values: What that screen is filled in with, written `data:`.
        draft: Whether it is sent before it is published.
    """

    say: Name
    button: Name
    id: str | int
    screen: str | None = None
    values: dict[Name, Any] = Field(default_factory=dict, alias="data")
    draft: bool = False


File = Annotated[FileSpec, BeforeValidator(_short_for("link"))]


class SendSpec(Part):
    """One message that is more than words: exactly one of these.

    Attributes:
        location: A place on the map.
        photo: A picture.
        video: A video.
        audio: A sound.
        document: A document.
        sticker: A sticker.
        contacts: Cards of people to get in touch with.
        link: Words with a button that opens a page.
        form: Words with a button that opens a WhatsApp Flow.
        ask_location: The block above a button that sends where the person is.
        ask_number: The block above a button that shares the person's number.
        reaction: An emoji on the message that is being answered; empty takes it back.
    """

    location: Annotated[PlaceSpec, BeforeValidator(_short_for("place"))] | None = None
    photo: File | None = None
    video: File | None = None
    audio: File | None = None
    document: File | None = None
    sticker: File | None = None
    contacts: Annotated[list[CardSpec], BeforeValidator(as_list), Field(min_length=1)] | None = None
    link: LinkSpec | None = None
    form: FormSpec | None = None
    ask_location: Name | None = None
    ask_number: Name | None = None
    reaction: str | None = None

    @property
    def words(self) -> list[str]:
        """Which of them it is: one, in a flow that compiles."""
        return [word for word in type(self).model_fields if getattr(self, word) is not None]

    @property
    def blocks(self) -> list[tuple[tuple[str, ...], str]]:
        """The blocks it names, with their places."""
        found: list[tuple[tuple[str, ...], str]] = []
        for word in self.words:
            match getattr(self, word):
                case FileSpec(caption=str() as block):
                    found.append(((word, "caption"), block))
                case LinkSpec(say=say, button=button) | FormSpec(say=say, button=button):
                    found += [((word, "say"), say), ((word, "button"), button)]
                case str() as block if word in {"ask_location", "ask_number"}:
                    found.append(((word,), block))
        return found


Sends = Annotated[list[SendSpec], BeforeValidator(as_list)]
