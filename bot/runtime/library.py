"""The content in force: registered in the database, exchanged as a whole while turns are taken.

A turn takes one brain at its beginning and keeps it, so no turn sees two versions. Versions that the content folder has
no longer, but somebody is still in, are compiled from what the database kept of them: those that are live when content
is taken, and those that come up later, since another process may still be starting runs in the version before.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import structlog

from bot.authoring.content import Content, compile_source
from bot.authoring.watching import Stamp, stamp
from bot.core.compiled import CompiledFlow
from bot.core.conversation import Conversation
from bot.core.engine import Step
from bot.core.errors import ContentErrors, SirdarError
from bot.core.events import Event
from bot.core.turn import advance
from bot.runtime.loop import Clock
from bot.runtime.names import Names
from bot.runtime.plan import plan, refuse_stranded
from bot.runtime.shelf import Folder
from bot.runtime.trouble import is_outage
from storage.base import StoredVersion
from storage.postgres import FlowVersions

log = structlog.get_logger(__name__)

Key = tuple[str, int]
"""Name and version of a flow."""


@dataclass(frozen=True, slots=True)
class FlowBrain:
    """Decides with the flows of one content folder, and with older versions of them."""

    content: Content
    library: "Library | None" = None

    def current(self) -> "FlowBrain":
        """Itself: it never changes."""
        return self

    async def knowing(self, keys: Collection[Key]) -> "FlowBrain":
        """A brain that knows these versions as well, as far as there are any."""
        missing = [key for key in keys if self.content.book.flow(*key) is None]
        if not missing or self.library is None:
            return self
        older = await self.library.older(missing)
        return replace(self, content=beside(self.content, older)) if older else self

    def advance(self, conversation: Conversation, event: Event) -> Step:
        """Advance a conversation by one event; pure."""
        return advance(self.content.book, conversation, event)


def beside(content: Content, older: Iterable[CompiledFlow]) -> Content:
    """The content, with versions in which runs can go on."""
    return replace(content, book=content.book.beside(older))


class Library:
    """Reads, registers and exchanges content.

    Args:
        folder: The content folder.
        versions: Where flow versions are kept.
        clock: The time.
        content: What was read already.
    """

    def __init__(self, folder: Folder, versions: FlowVersions, clock: Clock, content: Content) -> None:
        self.folder = folder
        self._actions = folder.actions
        self._versions = versions
        self._clock = clock
        self._older: dict[Key, tuple[str, CompiledFlow]] = {}
        self._broken: set[Key] = set()
        self._brain = FlowBrain(content, self)
        self._names = Names(folder.actions, versions, clock)
        self._turn = asyncio.Lock()
        self._asked = False
        self._seen: Stamp | None = None

    @property
    def content(self) -> Content:
        """The content in force, older versions among its flows."""
        return self._brain.content

    # --- As a brain ---------------------------------------------------------------------------------------------------

    def current(self) -> FlowBrain:
        """The brain for one turn."""
        return self._brain

    async def knowing(self, keys: Collection[Key]) -> FlowBrain:
        """The brain for one turn, which knows these versions."""
        return await self._brain.knowing(keys)

    def advance(self, conversation: Conversation, event: Event) -> Step:
        """Advance a conversation by one event; pure."""
        return self._brain.advance(conversation, event)

    # --- Taking content -----------------------------------------------------------------------------------------------

    def use(self, content: Content) -> None:
        """Exchange the content without registering it, for rehearsals."""
        self._brain = FlowBrain(content, self)

    async def register(self, content: Content | None = None) -> None:
        """Keep the versions of the content, load those that somebody is still in, and put both into force.

        Args:
            content: Unset: what is in force.

        Raises:
            ContentErrors: Runs would be left in states that are gone. Nothing has changed then.
        """
        content = content or self.content
        async with self._versions.deploying() as deployment:
            known = await deployment.fingerprints()
            live = await deployment.live()
            plans = plan(content, known, live)
            refuse_stranded(content, plans)
            new = [
                StoredVersion(flow=key[0], version=key[1], fingerprint=source.fingerprint, files=source.files)
                for key, source in content.sources.items()
                if known.get(key) != source.fingerprint
            ]
            await deployment.keep(new, self._clock())
        self._broken.clear()
        for one in plans:
            if one.outcome == "lost":
                log.warning("runs are in a version that is gone", action="end_runs", flow=one.live.flow,
                            version=one.live.version, runs=one.live.runs)  # fmt: skip
        needed = {(one.flow, one.version) for one in live} | _before(content, known)
        older = await self.older([key for key in sorted(needed) if content.book.flow(*key) is None])
        await self._names.read(content.book)
        content = replace(content, book=self._names.into(content.book))
        self._brain = FlowBrain(beside(content, older), self)

    async def older(self, keys: Collection[Key]) -> list[CompiledFlow]:
        """Versions compiled from what the database kept, without those that it has not or that do not compile."""
        wanted = [key for key in keys if key not in self._broken]
        if wanted:
            async with self._versions.look() as deployment:
                stored = await deployment.read(wanted)
            for one in stored:
                await self._compile(one)
        return [self._older[key][1] for key in wanted if key in self._older]

    async def _compile(self, stored: StoredVersion) -> None:
        key = (stored.flow, stored.version)
        known = self._older.get(key)
        if known is not None and known[0] == stored.fingerprint:
            return
        try:
            flow = await asyncio.to_thread(compile_source, stored.files, self._actions)
        except ContentErrors as mistakes:
            self._broken.add(key)
            log.error(  # noqa: TRY400  the author's mistakes say it all
                "a version that runs may be in does not compile with this version of the code",
                action="leave_out",
                flow=stored.flow,
                version=stored.version,
                errors=[str(one) for one in mistakes.errors],
                remedy=f"declare `migrations:` from {stored.version} in the newest version, or go back to the old code",
            )
            return
        self._older[key] = (stored.fingerprint, flow)

    # --- Exchanging it while turns are taken --------------------------------------------------------------------------

    async def reload(self) -> bool:
        """Read the content folder again, and put it into force if nothing is wrong with it.

        Returns:
            Whether it is in force now. If not, the log says why, and everything stays as it was.
        """
        async with self._turn:
            try:
                content = await asyncio.to_thread(self.folder.read)
                await asyncio.to_thread(self._names.into(content.book).learn)
                await self.register(content)
            except ContentErrors as mistakes:
                for one in mistakes.errors:
                    log.error(str(one), action="keep_old_flows")  # noqa: TRY400  the author's mistakes say it all
                return False
            except (SirdarError, OSError) as error:
                log.warning("the content folder cannot be read", action="keep_old_flows", error=str(error))
                return False
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("the database is out of reach", action="keep_old_flows", error=type(error).__name__)
                return False
        log.info("other flows are in force", action="swap", flows=len(content.sources))
        return True

    async def look_at_names(self) -> None:
        """Learn new names of the business's things; turns go on with the old ones until that is done."""
        async with self._turn:
            try:
                if not await self._names.read(self.content.book):
                    return
            except Exception as error:
                if not is_outage(error):
                    raise
                return  # the next look finds them
            book = self._names.into(self.content.book)
            await asyncio.to_thread(book.learn)
            self._brain = FlowBrain(replace(self.content, book=book), self)
        log.info("the business calls its things otherwise", action="learn_names")

    def ask_for_reload(self) -> None:
        """Reload with the next look; for signal handlers."""
        self._asked = True

    async def look(self, *, watch: bool) -> None:
        """Learn new names; reload if asked to, and, with `watch`, if files have changed since the last look."""
        changed = False
        if watch:
            now = await asyncio.to_thread(stamp, self.folder.root)
            changed, self._seen = self._seen not in (None, now), now
        await self.look_at_names()
        if changed or self._asked:
            self._asked = False
            await self.reload()


def _before(content: Content, known: Collection[Key]) -> set[Key]:
    """The version before the newest of every flow: other processes may still start runs in it."""
    found: dict[str, int] = {}
    for flow, version in known:
        newest = content.book.latest.get(flow)
        if newest is not None and version < newest.version:
            found[flow] = max(version, found.get(flow, 0))
    return set(found.items())
