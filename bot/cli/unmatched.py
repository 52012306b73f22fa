"""`bot nlu unmatched`: what people wrote that was not understood.

Imports little: the database starts while the flows are read, and the code that reads them is loaded.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from bot.cli.running import run

if TYPE_CHECKING:
    from bot.core.book import FlowBook

_SHOWN = 12


def unmatched(
    *,
    days: Annotated[int, Parameter(help="How far to look back")] = 30,
    role: Annotated[str, Parameter(help="Whose intents to compare with")] = "customer",
    limit: Annotated[int, Parameter(help="How many messages to look at")] = 2000,
) -> None:
    """Show what people wrote that was not understood: alike messages together, the most frequent first."""
    book, texts = run(_book_and_texts(timedelta(days=days), limit))

    from bot.cli.nlu import best_of, check_role

    check_role(book, role)
    console = Console(highlight=False)
    if not texts:
        console.print(f"Everything was understood in the last {days} days.", style="green")
        return
    understanding = book.understanding(role)
    groups = clusters(texts)
    for group in groups[:_SHOWN]:
        often = Counter(group)
        distinct = sorted(often, key=lambda text: -often[text])
        intent, sure = best_of(understanding.understand(distinct[0]))
        near = f"nearest: {intent} ({sure:.2f})" if intent else "near nothing"
        console.print(f"{len(group):>4} ×  {distinct[0]}", style="bold", markup=False)
        for text in distinct[1:4]:
            console.print(f"        {text}", markup=False)
        console.print(f"        {near}", style="dim", markup=False)
    console.print(
        f"{sum(map(len, groups))} messages in {len(groups)} groups. `bot nlu add TEXT INTENT` makes one an example.",
        style="dim",
    )


async def _book_and_texts(back: timedelta, limit: int) -> tuple["FlowBook", list[str]]:
    from bot.cli.tenant import open_desk
    from storage.postgres.unmatched import unmatched_messages

    reading = asyncio.create_task(asyncio.to_thread(_book))
    try:
        async with open_desk() as desk:
            found = await unmatched_messages(desk.db, desk.tenant, desk.now - back, limit)
    finally:
        book = await reading
    return book, [one.text for one in found]


def _book() -> "FlowBook":
    from bot.cli.nlu import the_book

    return the_book()


def clusters(texts: Sequence[str]) -> list[list[str]]:
    """Alike messages together, the largest group first; each begins with what is most like the others."""
    from bot.core.nlu.grouping import grouped

    return [[texts[place] for place in group] for group in grouped(texts)]
