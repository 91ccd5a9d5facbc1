"""Checks the database makes itself; what waits says since when; what nobody was told of waits again."""

from alembic import op

revision = "0011_checks"
down_revision = "0010_counters"

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

INSTALLED = """
CREATE UNIQUE INDEX installation_open_point ON estate.installation (service_point_id) WHERE ends_at IS NULL;
CREATE UNIQUE INDEX installation_open_meter ON estate.installation (meter_id) WHERE ends_at IS NULL;
ALTER TABLE estate.meter ADD UNIQUE (site_id, id);
"""

# Row-level security looks at the site of these rows, so the meter must be that site's.
OF_A_METER = (
    "readings.channel",
    "headend.meter_state",
    "headend.profile_state",
    "headend.read_day",
    "headend.session_log",
    "headend.read_request",
)


def upgrade() -> None:
    op.execute(INSTALLED)
    for table in OF_A_METER:
        name = table.partition(".")[2]
        op.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {name}_meter_id_fkey,"
            " ADD FOREIGN KEY (site_id, meter_id) REFERENCES estate.meter (site_id, id)"
        )
    op.execute(LATEST)
    op.execute(DIRTY)
    op.execute(OUTBOX)
