"""The business behind the chat: services and the actions that flows call."""

from bot.core.actions import Actions
from bot.operations import leads, trips
from bot.operations.catalogue import catalogue_actions


def standard_actions() -> Actions:
    """Every built-in action and lookup."""
    return catalogue_actions().including(leads.ACTIONS, trips.ACTIONS)
