"""What the Cloud API offers and this number does not have: calls, groups; and its username.

Answers are those of a number for which calling is not switched on and which may not open groups, as most may not:
clients meet the same refusals as there. Source: Meta, "Calling API", "Groups API" and "Business-scoped user IDs", 2026.
"""

import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from providers.emulator.exchange import Exchange
from providers.emulator.meta.errors import GraphError
from providers.emulator.meta.nodes import Row, of_the_number
from providers.emulator.meta.wire import json_answer, read_json

CALLING_NOT_ENABLED, CALL_NOT_PERMITTED, GROUPS_NOT_ELIGIBLE = 138000, 138006, 131215

_USERNAME = re.compile(r"(?=.*[a-z])[a-z0-9](?:[a-z0-9]|[._](?![._])){1,33}[a-z0-9]")


class ElsewhereDesk:
    """Calls, groups and the username of the number.

    Args:
        exchange: What the emulator shares.
        calling: What the number's settings say about calling.
    """

    def __init__(self, exchange: Exchange, calling: Callable[[], dict[str, Any]]) -> None:
        self._exchange = exchange
        self._calling = calling
        self._username = ""

    def table(self, node: str) -> list[Row]:
        """The routes below a node."""
        rows: list[Row] = [
            ("POST", node + "/calls", self.call),
            ("GET", node + "/call_permissions", self.call_permissions),
            ("GET", node + "/groups", self.groups),
            ("POST", node + "/groups", self.open_group),
            ("GET", node + "/username", self.username),
            ("POST", node + "/username", self.set_username),
            ("DELETE", node + "/username", self.delete_username),
            ("GET", node + "/username_suggestions", self.suggestions),
        ]
        return of_the_number(self._exchange, rows)

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Nobody has permitted calls here, even once the number's settings have switched them on."""
        body = await read_json(request)
        body.need("action").one_of(["connect", "pre_accept", "accept", "reject", "terminate"], code=100)
        if str(self._calling().get("status")).upper() != "ENABLED":
            raise GraphError(CALLING_NOT_ENABLED, "Calling APIs are not enabled for this phone number.")
        raise GraphError(CALL_NOT_PERMITTED, "There is no approved call permission from the recipient.")

    async def call_permissions(self, _request: web.Request) -> web.StreamResponse:
        """Whether somebody may be called: not before they said so."""
        actions = [
            {"action_name": "send_call_permission_request", "can_perform_action": True, "limits": []},
            {"action_name": "start_call", "can_perform_action": False, "limits": []},
        ]
        permission = {"status": "no_permission"}
        return json_answer({"messaging_product": "whatsapp", "permission": permission, "actions": actions})

    async def groups(self, _request: web.Request) -> web.StreamResponse:
        """The number's groups: none."""
        return json_answer({"data": [], "paging": {"cursors": {"before": "", "after": ""}}})

    async def open_group(self, _request: web.Request) -> web.StreamResponse:
        """Groups are for numbers that Meta chose."""
        raise GraphError(GROUPS_NOT_ELIGIBLE, "Groups APIs are only available for eligible phone numbers.")

    async def username(self, _request: web.Request) -> web.StreamResponse:
        """The number's username."""
        if not self._username:
            raise GraphError(100, "This phone number has no username.")
        return json_answer({"username": self._username, "status": "approved"})

    async def set_username(self, request: web.Request) -> web.StreamResponse:
        """`{"username"}`: 3 to 35 letters, digits, full stops and underscores."""
        wanted = (await read_json(request)).need("username")
        if not _USERNAME.fullmatch(wanted.text(code=100)):
            raise wanted.wrong("must have 3 to 35 of a-z, 0-9, full stop and underscore, with a letter among them", 100)
        self._username = wanted.value
        return json_answer({"status": "approved"})

    async def delete_username(self, _request: web.Request) -> web.StreamResponse:
        """The number has no username any more."""
        self._username = ""
        return json_answer({"success": True})

    async def suggestions(self, _request: web.Request) -> web.StreamResponse:
        """Usernames that Meta keeps for the business: none."""
        return json_answer({"data": [{"username_suggestions": []}]})
