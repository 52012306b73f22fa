"""Carrying out what is typed on the screen, and what the simulator remarks upon it."""

from typing import TYPE_CHECKING

from bot.authoring.simulator import Become, Input, Say, SendPhoto, SendPlace, Speak, Tap, Trick, Wait
from bot.cli.deeds import crashed, duplicated, wording_of
from bot.cli.screen.scenes import Remark, Tone
from bot.cli.session import Session

if TYPE_CHECKING:
    from bot.cli.recording import Recorder


class Notes:
    """What the simulator remarks, and after which step."""

    def __init__(self) -> None:
        self.remarks: list[Remark] = []

    def add(self, session: Session, text: str, tone: Tone = "plain") -> None:
        """Remark something on the phone in hand."""
        self.remarks.append(Remark(text, tone, len(session.played), session.who.part))

    def about_silence(self, session: Session) -> None:
        """Remark that nothing was said to the last step."""
        last = session.played[-1]
        if not last.failures and not any(one.by_business for one in last.said):
            self.add(session, "No answer; the panel tells why (F2).")

    def forget(self, after: int) -> None:
        """Forget remarks on steps that are undone."""
        self.remarks = [one for one in self.remarks if one.after <= after]


async def do(session: Session, wanted: Input, notes: Notes, recorder: "Recorder | None") -> None:
    """Do one thing.

    Raises:
        SimulatorMistake: It cannot be done here.
    """
    match wanted:
        case Wait(length=length):
            await session.wait(length)
        case Become(part=part):
            session.become(part)
        case Speak(language=language):
            if recorder is not None:
                recorder.check_language(session, session.who.part)
            await session.speak(language)
            if not (session.root / "templates" / language).is_dir():
                notes.add(session, f"There are no words in {language} in templates/: English is used instead.", "bad")
        case Trick(name=name):
            await _trick(session, name, notes)
        case _:
            await _send(session, wanted)
            notes.about_silence(session)


async def _send(session: Session, wanted: Input) -> None:
    match wanted:
        case Say(text=text):
            await session.say(text)
        case Tap(choice=choice):
            await session.tap(choice)
        case SendPhoto(caption=caption):
            await session.send_photo(caption)
        case SendPlace(latitude=latitude, longitude=longitude):
            await session.send_place(latitude, longitude)


async def _trick(session: Session, name: str, notes: Notes) -> None:
    match name:
        case "back":
            deed = await session.back()
            notes.forget(len(session.played))
            notes.add(session, f"Undone: {wording_of(deed)}")
        case "reset":
            await session.reset()
            notes.forget(-1)
            notes.add(session, "Everything is as in the beginning.")
        case "dup":
            changed = await session.duplicate()
            notes.add(session, _sentence(duplicated(changed)), "bad" if changed else "good")
        case _:
            crash = await session.crash()
            words = "\n".join(map(_sentence, crashed(crash)))
            notes.add(session, words, "bad" if crash.doubled else "good")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
