"""The PostgreSQL storage: one file per queue or table group, each with its SQL."""

from storage.postgres.broadcasts import PostgresBroadcasts
from storage.postgres.chores import Chores
from storage.postgres.conversations import ConversationRecord, ConversationRepository
from storage.postgres.database import Postgres
from storage.postgres.intake import PostgresIntake, post_event
from storage.postgres.media import PostgresMedia
from storage.postgres.outbox import PostgresOutbox
from storage.postgres.people import Directory
from storage.postgres.templates import TemplateBook
from storage.postgres.turns import PostgresTurns
from storage.postgres.upkeep import Upkeep, grant_role, kept_webhooks, set_language
from storage.postgres.versions import Deployment, FlowVersions

__all__ = [
    "Chores",
    "ConversationRecord",
    "ConversationRepository",
    "Deployment",
    "Directory",
    "FlowVersions",
    "Postgres",
    "PostgresBroadcasts",
    "PostgresIntake",
    "PostgresMedia",
    "PostgresOutbox",
    "PostgresTurns",
    "TemplateBook",
    "Upkeep",
    "grant_role",
    "kept_webhooks",
    "post_event",
    "set_language",
]
