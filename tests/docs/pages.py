"""Reads our Markdown: which pages there are, their fenced blocks, tables, headings and links."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>```+)(?P<language>[a-z]*)\n(?P<text>.*?)^(?P=indent)(?P=ticks)$",
    re.MULTILINE | re.DOTALL,
)
_CODE = re.compile(r"`([^`\n]+)`")
_RULER = re.compile(r"\|[|: -]+")
_PATH = re.compile(
    r"(?:\{#|#)? *(?:# )?(?P<path>(?:(?:tests/)?flows|tests/language|intents|templates)/\S+?\.(?:yaml|j2))\b"
)


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block, with the line its text begins on."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def path(self) -> str | None:
        """The file that its first line names: `# flows/customer/tea.yaml`."""
        match = _PATH.match(self.text.split("\n", 1)[0])
        return match["path"] if match else None

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one `##` heading."""

    page: Path
    title: str
    text: str
    fences: tuple[Fence, ...]

    def __str__(self) -> str:
        return f"{self.page.stem}: {self.title}"


def pages() -> list[Path]:
    """Every page we wrote."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def fences(page: Path) -> list[Fence]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Fence(page, text.count("\n", 0, match.start("text")) + 1, match["language"], match["text"])
        for match in _FENCE.finditer(text)
    ]


def sections(page: Path) -> list[Section]:
    """The `##` sections of a page."""
    text = page.read_text(encoding="utf-8")
    blocks = fences(page)
    starts = [match.start() for match in re.finditer(r"^## ", without_fences(text), re.MULTILINE)] + [len(text)]
    found = []
    for start, end in itertools.pairwise(starts):
        first, last = text.count("\n", 0, start) + 1, text.count("\n", 0, end) + 1
        inside = tuple(block for block in blocks if first <= block.line <= last)
        found.append(Section(page, text[start + 3 : end].split("\n", 1)[0], text[start:end], inside))
    return found


def section(page: Path, title: str) -> Section:
    """The section with this heading."""
    return next(one for one in sections(page) if one.title == title)


def without_fences(text: str) -> str:
    """The page with fenced blocks blanked out, every line still in its place."""
    return _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows in a text, head rows and rulers left out."""
    found: list[list[str]] = []
    for line in text.split("\n"):
        if not line.startswith("|"):
            continue
        if _RULER.fullmatch(line):
            found.pop()  # the line above was the head
        else:
            found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))])
    return found


def code_in(text: str) -> list[str]:
    """What stands between single back ticks."""
    return [match[1].strip() for match in _CODE.finditer(text)]


def links(page: Path) -> Iterator[str]:
    """The targets of all links and pictures."""
    text = without_fences(page.read_text(encoding="utf-8"))
    for match in re.finditer(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)", text):
        yield match[1]


def anchors(page: Path) -> set[str]:
    """The anchors that headings get on GitHub."""
    found = set()
    for match in re.finditer(r"^#+ (.+)$", without_fences(page.read_text(encoding="utf-8")), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", match[1].lower())
        found.add(plain.strip().replace(" ", "-"))
    return found
