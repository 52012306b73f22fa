"""How our log lines look. No phone number, token or message text is ever given to a logger."""

import logging
import sys

import structlog


def configure_logs(level: str, form: str) -> None:
    """Log to standard error.

    Args:
        level: The least severe level to show.
        form: `json`, one object per line, or `console`, for people.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if form == "json" else _keep,
            structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _keep(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event
