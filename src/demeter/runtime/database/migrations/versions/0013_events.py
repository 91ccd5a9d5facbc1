"""What meters noted themselves, what they show of themselves when they are looked at, and firmware for them."""

from alembic import op

revision = "0013_events"
down_revision = "0012_service_level"

TABLES = """
CREATE TABLE headend.meter_event (
  site_id int NOT NULL REFERENCES estate.site,
  id bigint GENERATED ALWAYS AS IDENTITY,
  meter_id int NOT NULL,
  log text NOT NULL,               -- logical name of the meter's log
  at timestamptz,                  -- the meter's own stamp
  noted_at timestamptz NOT NULL,   -- its stamp, or when it came where it has none
  code bigint NOT NULL,
  nth bigint NOT NULL,             -- of the same log, stamp and code
  sequence bigint,                 -- the meter's own number
  kind text NOT NULL CHECK (kind IN ('occurrence', 'restoration', 'change')),
  event_group text NOT NULL,
  meaning text NOT NULL,
  pair bigint,
  doubtful boolean NOT NULL,
  measured jsonb NOT NULL,         -- [[logical name, integer, scaler, unit], ...]
  frame_id bigint,                 -- the raw frame in the journal
  received_at timestamptz NOT NULL,
  PRIMARY KEY (site_id, id),
  UNIQUE NULLS NOT DISTINCT (site_id, meter_id, log, at, code, nth)
);
CREATE INDEX meter_event_latest ON headend.meter_event (site_id, noted_at DESC, id DESC);
CREATE INDEX meter_event_meter ON headend.meter_event (site_id, meter_id, noted_at DESC, id DESC);

CREATE TABLE headend.event_log (
  site_id int NOT NULL REFERENCES estate.site,
  meter_id int NOT NULL,
  log text NOT NULL,
  count bigint,
  entries bigint NOT NULL,
  newest timestamptz,
  read_at timestamptz NOT NULL,
  PRIMARY KEY (site_id, meter_id, log)
);

CREATE TABLE headend.firmware (
  organization_id int NOT NULL REFERENCES identity.organization,
  sha256 text NOT NULL,            -- hexadecimal
  identifier text NOT NULL,        -- what it is called in the transfer
  version text NOT NULL,           -- what a meter shows that runs it
  size int NOT NULL CHECK (size BETWEEN 1 AND 16777216),
  added_at timestamptz NOT NULL,
  added_by text NOT NULL,
  content bytea NOT NULL CHECK (length(content) BETWEEN 1 AND 16777216),
  PRIMARY KEY (organization_id, sha256)
);

CREATE TABLE headend.discovery (
  site_id int NOT NULL REFERENCES estate.site,
  meter_id int NOT NULL,
  discovered_at timestamptz NOT NULL,
  discovered_by text NOT NULL,
  found jsonb NOT NULL,
  PRIMARY KEY (site_id, meter_id)
);
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute("GRANT SELECT, INSERT ON headend.meter_event TO demeter_app")
    op.execute("GRANT SELECT, INSERT, UPDATE ON headend.event_log, headend.discovery TO demeter_app")
    op.execute(
        "GRANT SELECT, INSERT ON headend.firmware TO demeter_app;"
        "ALTER TABLE headend.firmware ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY own_organization ON headend.firmware TO demeter_app"
        " USING (organization_id = runtime.scope_organization())"
        " WITH CHECK (organization_id = runtime.scope_organization())"
    )
    for table in ("meter_event", "event_log", "discovery"):
        op.execute(
            f"ALTER TABLE headend.{table} ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY own_sites ON headend.{table} TO demeter_app"
            " USING (site_id IN (SELECT id FROM estate.site))"
            " WITH CHECK (site_id IN (SELECT id FROM estate.site))"
        )
