"""How our log lines look. No phone number, token or message text is ever given to a logger."""

import logging
import sys
import traceback
from types import TracebackType

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import EventDict

_FRAMES = 12


def configure_logs(level: str, form: str) -> None:
    """Log to standard error.

    Args:
        level: The least severe level to show.
        form: `json`, one object per line, or `console`, for people; in colours where they look at a terminal.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _where_it_failed,
            structlog.processors.JSONRenderer()
            if form == "json"
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    root = logging.getLogger()
    if not any(isinstance(handler, _Libraries) for handler in root.handlers):
        root.addHandler(_Libraries(logging.WARNING))


class _Libraries(logging.Handler):
    """Shows what libraries warn of in lines like our own.

    Of their message only the first line of its template: the rest may quote what a person wrote. What only means that
    somebody who calls us spoke no HTTP, or went away, is not worth a line.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        error = record.exc_info[1] if record.exc_info else None
        if record.name == "aiohttp.server" and isinstance(error, (HttpProcessingError, ConnectionError)):
            return
        said = str(record.msg).partition("\n")[0]
        structlog.get_logger().log(
            record.levelno, said, action="go_on", library=record.name, exc_info=record.exc_info or None
        )


def _where_it_failed(_: object, __: str, event: EventDict) -> EventDict:
    """Show an exception by its type and place only: its message may quote what a person wrote.

    The whole message is kept in the database, with the event it belongs to.
    """
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = f"{type(error).__name__} at {_places(error.__traceback__)}"
    return event


def _places(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
