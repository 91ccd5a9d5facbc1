"""Alembic's entry: runs the chain on the configured database, version table in the runtime schema."""

from alembic import context
from sqlalchemy import NullPool, create_engine, text

config = context.config
engine = create_engine(config.get_main_option("sqlalchemy.url") or "", poolclass=NullPool)
with engine.connect() as connection:
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS runtime"))
    connection.commit()
    context.configure(
        connection=connection, target_metadata=None, version_table_schema="runtime", transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()
