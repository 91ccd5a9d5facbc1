"""What waits says since when."""

from alembic import op

revision = "0011_checks"
down_revision = "0007_kept_apart"

DIRTY = """
ALTER TABLE readings.dirty ADD COLUMN marked_at timestamptz NOT NULL DEFAULT now();
"""


def upgrade() -> None:
    op.execute(DIRTY)
