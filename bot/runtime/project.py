"""A project: where its content is, and its own actions.

Actions are found by the setting BOT_ACTIONS, looked over, and merged over the standard ones.

What is wrong with them is told as mistakes in flows are: file, line, reason, remedy; never as a traceback.
"""

import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType

from bot.authoring.modelfolder import ModelFolder
from bot.config import DatabaseSettings
from bot.core.actions import Action, Actions, marked, two_alike
from bot.core.errors import ConfigError, ContentError, ContentErrors, Mark
from bot.core.models import MODELS
from bot.operations import standard_actions
from bot.operations.outside import load_outside, outside_actions

TRAINED = "models"
"""Below the data folder: what was learnt from examples."""
USUAL = "actions"
"""The module that is taken without a setting, when the content folder has it."""
NAME = "ACTIONS"

_EXAMPLE = "async def book(call: ActionCall, *, day: str) -> dict[str, Any]"
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_CALLED = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")


def keep_models(settings: DatabaseSettings) -> None:
    """Let what this process learns from examples be found by the next one, and a sentence encoder help if it may.

    Raises:
        ConfigError: There is to be a sentence encoder, and none is installed.
    """
    MODELS.store = ModelFolder(settings.bot_data_dir / TRAINED)
    if not settings.bot_sentence_encoder:
        MODELS.meaning = None
    elif MODELS.meaning is None:
        from bot.semantic import EncodedMeaning, MissingExtraError, SentenceEncoder

        try:
            MODELS.meaning = EncodedMeaning(SentenceEncoder())
        except MissingExtraError as missing:
            raise ConfigError([f"BOT_SENTENCE_ENCODER is on. {missing}"]) from missing


def project_actions(settings: DatabaseSettings, root: Path) -> Actions:
    """Everything that flows may call: standard actions, calls of outside.yaml, the project's own; later ones win.

    Args:
        settings: Whose BOT_ACTIONS names the module. Unset: `actions`, where the content folder has one.
        root: The content folder; the module is looked for there, then in the working directory, then among what is
            installed.

    Raises:
        ConfigError: There is no such module.
        ContentErrors: With everything that is wrong in it; files are relative to the content folder.
    """
    name = settings.bot_actions or (USUAL if _has_usual(root) else None)
    standard = standard_actions().including(outside_actions(load_outside(root)))
    if name is None:
        return standard
    if not _MODULE.fullmatch(name) or name.endswith(".py"):
        hint = name.removesuffix(".py").strip("./").replace("/", ".")
        remedy = f"Write `{hint}`." if _MODULE.fullmatch(hint) else "Write it like `actions` or `bikeshop.actions`."
        raise ConfigError([f"BOT_ACTIONS={name} is not the name of a module. {remedy}"])
    return standard.including(own_actions(_imported(name, root), root))


def own_actions(module: ModuleType, root: Path) -> Actions:
    """The actions and lookups in a module: what its `ACTIONS` holds, and every decorated function.

    Raises:
        ContentErrors: With everything that is wrong.
    """
    found = Actions()
    mistakes: list[ContentError] = []
    for one in _in_module(module, mistakes):
        known = found.by_name.get(one.name)
        if known is not None and known.function is not one.function:
            mistakes.append(two_alike(known, one))
            continue
        found.by_name[one.name] = one
        mistakes += _mistakes(one)
    if not found.by_name and not mistakes:
        mistakes.append(
            ContentError(
                f"There is neither an action nor a lookup in `{module.__name__}`.",
                at=Mark(str(module.__file__), 1, 1),
                hint='Decorate a function with @action("name") or @lookup("name") of bot.core.actions.',
            )
        )
    if mistakes:
        raise ContentErrors([_nearer(mistake, root) for mistake in mistakes])
    return found


def _has_usual(root: Path) -> bool:
    return (root / f"{USUAL}.py").is_file() or (root / USUAL / "__init__.py").is_file()


def content_dir(settings: DatabaseSettings) -> Path:
    """The folder with flows/, intents/ and templates/.

    Raises:
        ConfigError: The folder in BOT_CONTENT_DIR has no flows.
    """
    if settings.bot_content_dir is not None:
        if not (settings.bot_content_dir / "flows").is_dir():
            raise ConfigError([f"BOT_CONTENT_DIR: there is no folder {settings.bot_content_dir / 'flows'}."])
        return settings.bot_content_dir
    here = Path.cwd()
    return here if (here / "flows").is_dir() else example_dir()


def example_dir() -> Path:
    """The content that comes with Sirdar."""
    package = Path(__file__).parents[1]
    shipped = package / "example"
    return shipped if shipped.is_dir() else package.parent  # a wheel, else a checkout


# --- Finding the module -----------------------------------------------------------------------------------------------


def _imported(name: str, root: Path) -> ModuleType:
    """Import the project's module.

    Its folders stay on the path, for what it imports later, inside its functions.
    """
    folders = list(dict.fromkeys([str(root.resolve()), str(Path.cwd())]))
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    importlib.invalidate_caches()
    try:
        return _apart(name, root) or importlib.import_module(name)
    except ContentError as mistake:  # two with one name
        raise ContentErrors([_nearer(mistake, root)]) from mistake
    except (Exception, SystemExit) as error:  # an author's module may raise anything while it is imported
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            places = ", ".join(folders)
            told = f"there is no module `{error.name}`. Looked in {places}, and among what is installed."
            raise ConfigError([f"BOT_ACTIONS={name}: {told}"]) from error
        raise ContentErrors([_nearer(_told(error, name), root)]) from error


def _apart(name: str, root: Path) -> ModuleType | None:
    """The folder's own module, where another folder's of that name is imported already; else None.

    Tenants with folders of their own have modules of one name in one process.
    """
    known = sys.modules.get(name)
    own = next((one for one in (root / f"{name}.py", root / name / "__init__.py") if one.is_file()), None)
    if known is None or own is None or (known.__file__ and Path(known.__file__).resolve() == own.resolve()):
        return None
    unique = f"{name}_{hashlib.sha256(str(own.resolve()).encode()).hexdigest()[:12]}"
    if unique in sys.modules:
        return sys.modules[unique]
    within = [str(own.parent)] if own.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(unique, own.resolve(), submodule_search_locations=within)
    if spec is None or spec.loader is None:
        raise ConfigError([f"{own} cannot be loaded."])
    module = sys.modules[unique] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[unique]
        raise
    return module


def _told(error: Exception | SystemExit, name: str) -> ContentError:
    """An error at import as a mistake with its place: the last line of the author's own that was reached."""
    if isinstance(error, SyntaxError) and error.filename:
        at = Mark(error.filename, error.lineno or 1, error.offset or 1)
        return ContentError(f"This is not Python: {error.msg}.", at=at)
    hint = ""
    if isinstance(error, SystemExit):
        hint = 'Let it end the process only where it is run itself: `if __name__ == "__main__":`.'
    if isinstance(error, ModuleNotFoundError):
        hint = f"Install what `{error.name}` belongs to, in the environment that `bot` runs in."
    message = f"`{name}` cannot be imported: {type(error).__name__}: {error}"
    return ContentError(f"{message.rstrip('.')}.", at=_own_line(error.__traceback__), hint=hint)


def _own_line(trace: TracebackType | None) -> Mark | None:
    """The innermost line that is neither ours, nor Python's, nor of anything installed."""
    ours = str(Path(__file__).parents[1])
    library = str(Path(inspect.getfile(importlib)).parents[1])
    for frame in reversed(traceback.extract_tb(trace)):
        foreign = frame.filename.startswith(("<", ours, library)) or "site-packages" in frame.filename
        if not foreign:
            return Mark(frame.filename, frame.lineno or 1, (frame.colno or 0) + 1)
    return None


def _nearer(mistake: ContentError, root: Path) -> ContentError:
    """The mistake with its file as seen from the content folder, as for flows."""
    at = mistake.at
    if at is None or not Path(at.file).is_relative_to(root.resolve()):
        return mistake
    near = Mark(Path(at.file).relative_to(root.resolve()).as_posix(), at.line, at.column)
    message = mistake.message.replace(f"{root.resolve()}/", "")
    return ContentError(message, at=near, hint=mistake.hint)


# --- Looking it over --------------------------------------------------------------------------------------------------


def _in_module(module: ModuleType, mistakes: list[ContentError]) -> Iterator[Action]:
    listed = getattr(module, NAME, None)
    if isinstance(listed, Actions):
        yield from listed.by_name.values()
    elif listed is not None:
        kind = type(listed).__name__
        mistakes.append(
            ContentError(
                f"`{NAME}` is of type {kind}; it has to be Actions.",
                at=_line_of(module, NAME),
                hint=f"Write `{NAME} = Actions()`, or leave it out and decorate functions.",
            )
        )
    for value in vars(module).values():
        yield from marked(value)


def _line_of(module: ModuleType, name: str) -> Mark:
    """Where a name gets its value in a module's text; the beginning of the file when that cannot be seen."""
    text = inspect.getsource(module).split("\n")
    line = next((number for number, line in enumerate(text, 1) if re.match(rf"{name}\b", line)), 1)
    return Mark(str(module.__file__), line, 1)


def _mistakes(one: Action) -> Iterator[ContentError]:
    """What is wrong with the shape of an action."""
    call = f"`{one.name}`"
    if not _CALLED.fullmatch(one.name):
        yield ContentError(
            f"{call} is not a name that flows can write.", at=one.place, hint="Names are like `workshop.book`."
        )
    if not inspect.iscoroutinefunction(inspect.unwrap(one.function)):
        yield ContentError(f"The function of {call} is not async.", at=one.place, hint=f"Write `{_EXAMPLE}`.")
    parameters = list(inspect.signature(one.function).parameters.values())
    first, rest = (parameters[0] if parameters else None), parameters[1:]
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        yield ContentError(f"The function of {call} takes no call.", at=one.place, hint=f"Write `{_EXAMPLE}`.")
    loose = [parameter.name for parameter in rest if parameter.kind is not parameter.KEYWORD_ONLY]
    if loose:
        yield ContentError(
            f"Flows give arguments by name, and {_listed(loose)} of {call} can be given without.",
            at=one.place,
            hint="Put `*, ` after the first parameter, and name every argument.",
        )
    bare = [parameter.name for parameter in rest if parameter.annotation is parameter.empty]
    if bare:
        yield ContentError(
            f"{_listed(bare)} of {call} {'has' if len(bare) == 1 else 'have'} no type.",
            at=one.place,
            hint=f"Say what it is, for example `{bare[0]}: str`.",
        )
    if one.kind == "lookup" and "text" not in one.parameters:
        yield ContentError(
            f"Lookup {call} takes no `text`.", at=one.place, hint="Give it `*, text: str`: what the person wrote."
        )


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
