"""What waits says since when, and what nobody was told of waits again."""

from alembic import op

revision = "0011_checks"
down_revision = "0007_kept_apart"

DIRTY = """
ALTER TABLE readings.dirty ADD COLUMN marked_at timestamptz NOT NULL DEFAULT now();
"""

# There was no consumer before this revision: every message marked as published was told to nobody.
OUTBOX = """
UPDATE runtime.outbox SET published_at = NULL WHERE published_at IS NOT NULL;
DROP INDEX runtime.outbox_waiting;
CREATE INDEX outbox_waiting ON runtime.outbox (organization_id, topic, id) WHERE published_at IS NULL;
CREATE INDEX outbox_delivered ON runtime.outbox (published_at) WHERE published_at IS NOT NULL;
"""

LATEST = """
-- Up to which instant after measured_at edits took readings away: sent again, those are not the newest.
ALTER TABLE readings.channel_latest ADD COLUMN taken_until timestamptz;
"""


def upgrade() -> None:
    op.execute(LATEST)
    op.execute(DIRTY)
    op.execute(OUTBOX)
