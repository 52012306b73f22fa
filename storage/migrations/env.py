"""Alembic's entry point: runs the revisions on the connection that `storage.migrations.upgrade` opened."""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

from storage.migrations import VERSION_SCHEMA


def _note(ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]) -> None:
    context.config.attributes["applied"].append(step.up_revision_id)


context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema=VERSION_SCHEMA,
    transaction_per_migration=True,
    on_version_apply=_note,
)
with context.begin_transaction():
    context.run_migrations()
