"""What other systems tell us: events for the conversations they concern."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, model_validator

from bot.core.ids import ContactId
from bot.operations import news
from bot.operations.acting import Acting
from bot.web.api.people import CONTACTS, note
from bot.web.api.route import Asked, Given, Id, Routes

ROUTES = Routes()

_MOST_FIELDS = 50


class NewEvent(Given):
    """Something happened elsewhere. Flows hear it under `events:`, or begin with it."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$", max_length=100,
                               examples=["tms.lead_confirmed"])]  # fmt: skip
    about: Annotated[
        str | None, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$", description="The object whose runs are told: TRP123")
    ] = None
    contact: Annotated[Id | None, Field(description="The person who is told, in their conversation")] = None
    data: dict[str, Any] = Field(default_factory=dict, max_length=_MOST_FIELDS, description="What flows see as `event`")

    @model_validator(mode="after")
    def _somebody(self) -> "NewEvent":
        if self.about is None and self.contact is None:
            raise ValueError("say whom to tell: `about`, `contact`, or both")
        return self


class Accepted(BaseModel):
    """It is in the inbox."""

    name: str


@ROUTES.post("/events", "Tell conversations what happened elsewhere", scope="events:write",
             roles=("sales", "operations", "manager"))  # fmt: skip
async def tell(asked: Asked, body: NewEvent) -> Accepted:
    """Tell conversations what happened in another system: an answer that took its time, or news of its own."""
    acting = Acting(
        tenant_id=asked.tenant, db=asked.db, at=asked.at, role=asked.token.role, source="API",
        name=f"token:{asked.token.token_id}",
    )  # fmt: skip
    if body.contact is not None:
        await CONTACTS.show(asked, body.contact)
        await news.tell_people(acting, [ContactId(body.contact)], body.name, body.data)
    if body.about is not None:
        await news.tell_object(acting, body.about, body.name, body.data)
    note(asked, "events.told", name=body.name)
    return Accepted(name=body.name)
