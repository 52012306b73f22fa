"""Content folders, each read once however many tenants use it."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from bot.authoring.content import Content, FlowFile, load_content
from bot.authoring.sources import Memory
from bot.authoring.watching import Stamp, stamp
from bot.config import DatabaseSettings
from bot.core.actions import Actions
from bot.operations.outside import OutsideSpec, load_outside
from bot.runtime.project import content_dir, project_actions


@dataclass(slots=True)
class Folder:
    """A content folder in use, and what was read from it last.

    Attributes:
        root: Where it is.
        actions: What its flows may call.
        outside: The other systems that they ask.
    """

    root: Path
    actions: Actions
    outside: OutsideSpec
    _memory: Memory[FlowFile] = field(default_factory=Memory)
    _content: Content | None = None
    _read_at: Stamp | None = None
    _one_at_a_time: Lock = field(default_factory=Lock)

    def read(self) -> Content:
        """The content, read again if any file has changed. May be called from any thread.

        Raises:
            ContentErrors: It is wrong; what was read before counts no less.
        """
        with self._one_at_a_time:
            now = stamp(self.root)
            if self._content is None or now != self._read_at:
                self._content = load_content(self.root, self.actions, self._memory)
                self._read_at = now
            return self._content


class Shelf:
    """All content folders in use.

    Args:
        actions: What flows of every folder may call; unset: the standard actions and those of the folder.
    """

    def __init__(self, actions: Actions | None = None) -> None:
        self._actions = actions
        self._folders: dict[Path, Folder] = {}

    def take(self, settings: DatabaseSettings) -> Folder:
        """The folder that settings name.

        Raises:
            ConfigError: There is none.
            ContentErrors: Its actions or outside.yaml are wrong.
        """
        root = content_dir(settings).resolve()
        folder = self._folders.get(root)
        if folder is None:
            actions = self._actions or project_actions(settings, root)
            folder = self._folders[root] = Folder(root, actions, load_outside(root))
        return folder
