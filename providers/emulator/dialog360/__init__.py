"""360dialog's side as a bot sees it: Meta's messages and webhooks behind another door."""

from providers.emulator.dialog360.api import Dialog360Api
from providers.emulator.dialog360.events import Dialog360Events

__all__ = ["Dialog360Api", "Dialog360Events"]
