"""How soon reads were received. What came before this revision counts as received, not as received in time."""

from alembic import op

revision = "0012_service_level"
down_revision = "0011_checks"

WINDOWS = ("within_15min", "within_4h", "within_24h")


def upgrade() -> None:
    columns = ", ".join(f"ADD COLUMN {name} int NOT NULL DEFAULT 0" for name in WINDOWS)
    op.execute(f"ALTER TABLE headend.read_day {columns}")
