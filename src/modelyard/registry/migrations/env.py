"""What Alembic runs for each of its commands: our connection, in the transaction that is open on it."""

from alembic import context

from modelyard.registry.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
