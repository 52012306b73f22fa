"""WhatsApp's rules that decide what may be sent when."""

from dataclasses import replace
from datetime import datetime, timedelta

from bot.core.effects import Notify, Send
from bot.core.messages import Outgoing, TemplateOut, TextOut
from bot.core.parts import ANY_LANGUAGE, by_language

SERVICE_WINDOW = timedelta(hours=24)
"""How long after a person's last message a business may answer freely. Source: Meta, messaging policy, 2026."""

MARGIN = timedelta(minutes=5)
"""Taken off, since the provider's clock decides and a message takes time to get there."""


def window_open(last_inbound_at: datetime | None, at: datetime) -> bool:
    """Whether free text may be sent to a person at `at`; outside the window only templates may."""
    return last_inbound_at is not None and at < last_inbound_at + SERVICE_WINDOW - MARGIN


def said(effect: Send, last_inbound_at: datetime | None, at: datetime) -> tuple[Outgoing, bool]:
    """What of a `Send` a person gets at `at`, and whether it may go out; if not, it is kept and held."""
    if isinstance(effect.content, TemplateOut) or window_open(last_inbound_at, at):
        return effect.content, True
    return (effect.content, False) if effect.instead is None else (effect.instead, True)


def told(effect: Notify, language: str, last_inbound_at: datetime | None, at: datetime) -> Outgoing:
    """What of a `Notify` a colleague gets: words within their window, else the template."""
    if window_open(last_inbound_at, at):
        return TextOut(body=effect.text)
    content = by_language({ANY_LANGUAGE: effect.content, **effect.translations}, language)
    if content is not None:
        return replace(content, language=language)
    return TemplateOut(name=effect.template, language=language, parameters=effect.parameters)
