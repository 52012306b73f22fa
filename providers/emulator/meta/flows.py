"""WhatsApp Flows as Meta keeps them: made, given screens, published, retired.

Source: Meta, WhatsApp Flows, "Flows API" and "Implementing endpoints", 2026; error codes as in pywa/errors.py.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
from aiohttp import web

from providers.emulator.exchange import Exchange
from providers.emulator.meta.endpoint import FlowEndpoint, Opened
from providers.emulator.meta.errors import GraphError
from providers.emulator.meta.fields import Field
from providers.emulator.meta.files import unknown_object
from providers.emulator.meta.wire import json_answer, read_json
from providers.emulator.phones import EmulatorError

Status = Literal["DRAFT", "PUBLISHED", "DEPRECATED", "BLOCKED"]
CATEGORIES = (
    "SIGN_UP", "SIGN_IN", "APPOINTMENT_BOOKING", "LEAD_GENERATION", "CONTACT_US", "CUSTOMER_SUPPORT", "SURVEY", "OTHER",
)  # fmt: skip
NAME_MOST = 200
ASSETS = "/flow_assets"

UPDATING, PUBLISHING, DEPRECATING, DELETING = 139001, 139002, 139003, 139004
BLOCKED = 132068

_SCREEN = re.compile(r"[A-Za-z_]+")
_METRIC = re.compile(r"metric\.name\((\w+)\)(?:\.granularity\((\w+)\))?")
_USUAL = frozenset({"id", "name", "status", "categories", "validation_errors"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True, kw_only=True)
class Flow:
    """One flow. `screens` is its JSON as it was uploaded, valid or not."""

    id: str
    name: str
    categories: list[str]
    changed_at: datetime
    endpoint: str = ""
    status: Status = "DRAFT"
    screens: bytes = b""
    problems: list[dict[str, Any]] = field(default_factory=list)

    @property
    def document(self) -> dict[str, Any]:
        """The uploaded JSON, or an empty object."""
        try:
            read = orjson.loads(self.screens or b"{}")
        except orjson.JSONDecodeError:
            return {}
        return read if isinstance(read, dict) else {}

    @property
    def data_version(self) -> str:
        """In which version its screens are filled by the business' endpoint; '' when they are not."""
        return str(self.document.get("data_api_version", ""))


class FlowDesk:
    """The flows of one account.

    Args:
        exchange: What the emulator shares.
        endpoint: Asks flows' endpoints.
    """

    def __init__(self, exchange: Exchange, endpoint: FlowEndpoint) -> None:
        self._exchange = exchange
        self._endpoint = endpoint
        self._flows: dict[str, Flow] = {}

    def table(self, node: str) -> list[tuple[str, str, Handler]]:
        """The routes below a node."""
        return [
            ("GET", node + "/flows", self.list_all),
            ("POST", node + "/flows", self.create),
            ("GET", node + "/assets", self.assets),
            ("POST", node + "/assets", self.fill),
            ("POST", node + "/publish", self.publish),
            ("POST", node + "/deprecate", self.deprecate),
        ]

    def find(self, flow_id: str) -> Flow | None:
        """The flow of this id."""
        return self._flows.get(flow_id)

    def called(self, parameters: Field) -> Flow | None:
        """The flow that a message opens; None for one that was made elsewhere."""
        name = parameters.text_of("flow_name")
        if not name:
            return self._flows.get(parameters.text_of("flow_id"))
        return next((flow for flow in self._flows.values() if flow.name == name), None)

    def opened_by(self, message_id: str) -> Opened:
        """The flow that a message of the business opens.

        Raises:
            EmulatorError: It opens none, or one without an endpoint.
        """
        sent = next((one for one in self._exchange.sends if one.id == message_id), None)
        body = sent.body.get("interactive") if sent is not None else None
        if not isinstance(body, dict) or body.get("type") != "flow":
            raise EmulatorError(f"message {message_id} opens no flow")
        parameters = Field(body["action"]["parameters"])
        flow = self.called(parameters)
        if flow is None or not flow.endpoint:
            raise EmulatorError("the flow of this message has no endpoint: fill it in instead")
        token = parameters.text_of("flow_token") or "unused"
        return Opened(endpoint=flow.endpoint, version=flow.data_version or "3.0", token=token)

    def check_send(self, parameters: Field) -> None:
        """Refuse a message that opens a flow which cannot be opened. Ids this account does not have are let through."""
        flow = self.called(parameters)
        if flow is None:
            return
        draft = parameters.text_of("mode") == "draft"
        if flow.status in ("BLOCKED", "DEPRECATED"):
            raise GraphError(BLOCKED, f"The flow {flow.id} is {flow.status}")
        if draft != (flow.status == "DRAFT"):
            wanted = "draft" if flow.status == "DRAFT" else "published"
            raise parameters.wrong(f"must have mode {wanted}: the flow is {flow.status}")

    def described(self, flow: Flow, request: web.Request) -> dict[str, Any]:
        """As `GET /{flow}` tells it."""
        document = flow.document
        whole: dict[str, Any] = {
            "id": flow.id,
            "name": flow.name,
            "status": flow.status,
            "categories": flow.categories,
            "validation_errors": flow.problems,
            "json_version": document.get("version"),
            "data_api_version": document.get("data_api_version"),
            "endpoint_uri": flow.endpoint or None,
            "preview": {
                "preview_url": f"https://business.facebook.com/wa/manage/flows/{flow.id}/preview/?token=emulator",
                "expires_at": _stamp(self._exchange.clock.now() + timedelta(days=30)),
            },
            "whatsapp_business_account": {
                "id": self._exchange.settings.business_account_id,
                "name": self._exchange.settings.business_name,
                "timezone_id": "1",
                "message_template_namespace": "00000000_0000_0000_0000_000000000001",
            },
            "updated_at": _stamp(flow.changed_at),
            "health_status": {"can_send_message": "AVAILABLE", "entities": []},
        }
        wanted = request.query.get("fields")
        if wanted and (metric := _METRIC.match(wanted)):
            told: dict[str, Any] = {"name": metric[1], "granularity": metric[2] or "DAY", "data_points": []}
            return {"id": flow.id, "metric": told}
        names = {"id", *(name.partition(".")[0].strip() for name in wanted.split(","))} if wanted else _USUAL
        return {key: value for key, value in whole.items() if key in names}

    async def list_all(self, request: web.Request) -> web.StreamResponse:
        """`GET /{WABA}/flows`."""
        self._need_account(request)
        found = [self.described(flow, request) for flow in self._flows.values()]
        return json_answer({"data": found, "paging": {"cursors": {"before": "0", "after": str(len(found))}}})

    async def create(self, request: web.Request) -> web.StreamResponse:
        """`POST /{WABA}/flows`: `name`, `categories`, and perhaps screens, an endpoint, or a flow to copy."""
        self._need_account(request)
        body = await read_json(request)
        name = body.need("name").text(NAME_MOST, code=100)
        if any(flow.name == name for flow in self._flows.values()):
            raise GraphError(100, f"There is already a flow called {name!r}", subcode=4016019)
        flow = Flow(
            id=str(self._exchange.chance.randrange(10**15, 10**16)),
            name=name,
            categories=_categories(body) or ["OTHER"],
            endpoint=body.text_of("endpoint_uri"),
            changed_at=self._exchange.clock.now(),
        )
        if copied := body.text_of("clone_flow_id"):
            flow.screens = self._named(copied).screens
        if screens := body.text_of("flow_json"):
            flow.screens = screens.encode()
        if flow.screens:
            flow.problems = problems_of(flow.screens)
        if body.get("publish") is not None and body.value["publish"] is True:
            await self._publish(flow)
        self._flows[flow.id] = flow
        answer = {"id": flow.id, "success": not flow.problems}
        return json_answer(answer | ({"validation_errors": flow.problems} if flow.problems else {}))

    def change(self, flow: Flow, body: Field) -> dict[str, Any]:
        """`POST /{flow}`: its name, categories or endpoint, as long as it is a draft. The endpoint may change later."""
        if flow.status != "DRAFT" and set(body.value) - {"endpoint_uri", "application_id"}:
            raise GraphError(UPDATING, "Flow can't be updated: it has been published already.")
        flow.name = body.text_of("name", NAME_MOST) or flow.name
        flow.categories = _categories(body) or flow.categories
        flow.endpoint = body.text_of("endpoint_uri") or flow.endpoint
        flow.changed_at = self._exchange.clock.now()
        return {"success": True}

    async def assets(self, request: web.Request) -> web.StreamResponse:
        """`GET /{flow}/assets`: where its screens can be fetched."""
        flow = self._named(request.match_info["node"])
        url = f"{request.url.origin()}{ASSETS}/{flow.id}/flow.json"
        data = [{"name": "flow.json", "asset_type": "FLOW_JSON", "download_url": url}] if flow.screens else []
        return json_answer({"data": data, "paging": {"cursors": {"before": "0", "after": "0"}}})

    async def download(self, request: web.Request) -> web.StreamResponse:
        """The screens themselves; whoever has the address may have them."""
        return web.Response(body=self._named(request.match_info["flow"]).screens, content_type="application/json")

    async def fill(self, request: web.Request) -> web.StreamResponse:
        """`POST /{flow}/assets`: its screens, kept even if they are wrong; the answer says what is."""
        flow = self._named(request.match_info["node"])
        if flow.status != "DRAFT":
            raise GraphError(UPDATING, "Flow can't be updated: it has been published already.")
        form = await request.post() if request.content_type == "multipart/form-data" else {}
        file = form.get("file")
        if form.get("asset_type") != "FLOW_JSON" or form.get("name") != "flow.json" or file is None:
            raise GraphError(100, "The form needs name=flow.json, asset_type=FLOW_JSON and file.")
        flow.screens = file.file.read() if isinstance(file, web.FileField) else str(file).encode()
        flow.problems, flow.changed_at = problems_of(flow.screens), self._exchange.clock.now()
        return json_answer({"success": not flow.problems, "validation_errors": flow.problems})

    async def publish(self, request: web.Request) -> web.StreamResponse:
        """`POST /{flow}/publish`: for good, once nothing is wrong with it and its endpoint answers."""
        await self._publish(self._named(request.match_info["node"]))
        return json_answer({"success": True})

    async def deprecate(self, request: web.Request) -> web.StreamResponse:
        """`POST /{flow}/deprecate`: it is not opened any more."""
        flow = self._named(request.match_info["node"])
        if flow.status != "PUBLISHED":
            raise GraphError(DEPRECATING, f"Can't deprecate a flow that is {flow.status}.")
        self._move(flow, "DEPRECATED")
        return json_answer({"success": True})

    def delete(self, flow: Flow) -> dict[str, Any]:
        """`DELETE /{flow}`: drafts only."""
        if flow.status != "DRAFT":
            raise GraphError(DELETING, "Can't delete published Flow.")
        del self._flows[flow.id]
        return {"success": True}

    async def _publish(self, flow: Flow) -> None:
        if flow.status != "DRAFT":
            raise GraphError(PUBLISHING, f"A flow that is {flow.status} cannot be published.")
        if not flow.screens or flow.problems:
            raise GraphError(PUBLISHING, "Publishing Flow with validation errors, or without screens, is not possible.")
        if flow.data_version:
            if not flow.endpoint:
                raise GraphError(PUBLISHING, "Publishing without specifying endpoint_uri is forbidden.")
            if why := await self._endpoint.health(flow.endpoint, flow.data_version):
                raise GraphError(PUBLISHING, f"Endpoint Not Available: {why}")
        self._move(flow, "PUBLISHED")

    def _move(self, flow: Flow, status: Status) -> None:
        """A flow has another status, and the bot hears of it."""
        before, flow.status = flow.status, status
        value = {
            "event": "FLOW_STATUS_CHANGE",
            "message": f"Flow {flow.name} was moved from {before} to {status}",
            "flow_id": flow.id,
            "old_status": before,
            "new_status": status,
        }
        self._exchange.post_news({"field": "flows", "value": value})

    def _named(self, flow_id: str) -> Flow:
        flow = self._flows.get(flow_id)
        if flow is None:
            raise unknown_object(flow_id)
        return flow

    def _need_account(self, request: web.Request) -> None:
        if request.match_info["node"] != self._exchange.settings.business_account_id:
            raise unknown_object(request.match_info["node"])


def problems_of(screens: bytes) -> list[dict[str, Any]]:
    """What is wrong with a flow's JSON, in Meta's words. The components of its screens are not looked at."""
    try:
        document = orjson.loads(screens)
    except orjson.JSONDecodeError as error:
        return [_problem("INVALID_JSON", "JSON_SCHEMA_ERROR", str(error), line=error.lineno, column=error.colno)]
    if not isinstance(document, dict):
        return [_problem("INVALID_PROPERTY_TYPE", "JSON_SCHEMA_ERROR", "Expected an object at $root.")]
    found = [
        _problem("REQUIRED_PROPERTY_MISSING", "JSON_SCHEMA_ERROR", f"The property {name!r} is missing at $root.")
        for name in ("version", "screens")
        if not document.get(name)
    ]
    screens_read = document.get("screens")
    read = [one for one in screens_read if isinstance(one, dict)] if isinstance(screens_read, list) else []
    names = [str(one.get("id", "")) for one in read]
    found += [
        _problem("INVALID_PROPERTY_VALUE", "FLOW_JSON_ERROR", f"Invalid value found for property 'id': {name!r}.")
        for name in names
        if not _SCREEN.fullmatch(name) or name == "SUCCESS" or names.count(name) > 1
    ]
    if read and not any(one.get("terminal") is True for one in read):
        found.append(_problem("MISSING_TERMINAL_SCREEN", "FLOW_JSON_ERROR", "No screen is terminal."))
    return found


def _problem(error: str, kind: str, message: str, *, line: int = 1, column: int = 1) -> dict[str, Any]:
    place = {"line_start": line, "line_end": line, "column_start": column, "column_end": column}
    return {"error": error, "error_type": kind, "message": message, **place}


def _categories(body: Field) -> list[str]:
    given = body.get("categories")
    return [one.one_of(CATEGORIES, code=100) for one in given.items(1, len(CATEGORIES), code=100)] if given else []


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S+0000")
