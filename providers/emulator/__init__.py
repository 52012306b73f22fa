"""A phone emulator: a WhatsApp provider's API and people's phones, on this machine."""

from providers.emulator.emulator import Emulator
from providers.emulator.exchange import Sent
from providers.emulator.handshake import WebhookRefusedError
from providers.emulator.phones import (
    Attachment,
    Bubble,
    Button,
    Card,
    Choice,
    EmulatorError,
    Menu,
    Place,
    Receipt,
    Row,
    Section,
    UnknownMessageError,
    UnknownPhoneError,
)
from providers.emulator.settings import EmulatorSettings, Phone

__all__ = [
    "Attachment",
    "Bubble",
    "Button",
    "Card",
    "Choice",
    "Emulator",
    "EmulatorError",
    "EmulatorSettings",
    "Menu",
    "Phone",
    "Place",
    "Receipt",
    "Row",
    "Section",
    "Sent",
    "UnknownMessageError",
    "UnknownPhoneError",
    "WebhookRefusedError",
]
