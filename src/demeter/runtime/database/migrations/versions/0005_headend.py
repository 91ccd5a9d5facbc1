"""What the head-end remembers: meters' states, how far profiles are collected, sessions, day counts, read requests."""

from alembic import op

revision = "0005_headend"
down_revision = "0004_readings"

TABLES = """
CREATE SCHEMA headend;
CREATE TABLE headend.meter_state (
  site_id int NOT NULL REFERENCES estate.site,
  meter_id int NOT NULL REFERENCES estate.meter,
  next_due_at timestamptz,
  last_attempt_at timestamptz,
  last_success_at timestamptz,
  last_failure_at timestamptz,
  last_failure_kind text,
  last_failure_detail text,
  failures int NOT NULL DEFAULT 0,
  identified_at timestamptz,
  clock_drift_s int,
  clock_set_at timestamptz,
  PRIMARY KEY (site_id, meter_id)
);
-- Every row stamped up to and including collected_until is committed.
CREATE TABLE headend.profile_state (
  site_id int NOT NULL REFERENCES estate.site,
  meter_id int NOT NULL REFERENCES estate.meter,
  profile text NOT NULL,
  period_s int NOT NULL,
  history_from timestamptz,
  collected_until timestamptz,
  received bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (site_id, meter_id, profile)
);
CREATE TABLE headend.read_day (
  site_id int NOT NULL REFERENCES estate.site,
  meter_id int NOT NULL REFERENCES estate.meter,
  day date NOT NULL,           -- site-local
  received int NOT NULL,
  PRIMARY KEY (site_id, meter_id, day)
);
CREATE TABLE headend.session_log (
  site_id int NOT NULL REFERENCES estate.site,
  id bigint GENERATED ALWAYS AS IDENTITY,
  meter_id int NOT NULL REFERENCES estate.meter,
  purpose text NOT NULL,
  started_at timestamptz NOT NULL,
  ended_at timestamptz NOT NULL,
  outcome text NOT NULL,       -- ok, or why not
  detail text NOT NULL,
  rows int NOT NULL,
  frames int NOT NULL,
  PRIMARY KEY (site_id, id)
);
CREATE INDEX session_log_meter ON headend.session_log (site_id, meter_id, started_at DESC);
CREATE TABLE headend.read_request (
  site_id int NOT NULL REFERENCES estate.site,
  id bigint GENERATED ALWAYS AS IDENTITY,
  meter_id int NOT NULL REFERENCES estate.meter,
  requested_by text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  taken_at timestamptz,
  done_at timestamptz,
  outcome text,
  detail text,
  PRIMARY KEY (site_id, id)
);
-- Asking twice while one is open gives the open one: a request has its effect once.
CREATE UNIQUE INDEX read_request_open ON headend.read_request (site_id, meter_id) WHERE done_at IS NULL;
"""

OWNED = ("meter_state", "profile_state", "read_day", "session_log", "read_request")


def upgrade() -> None:
    op.execute(TABLES)
    op.execute("GRANT USAGE ON SCHEMA headend TO demeter_app")
    for table in OWNED:
        op.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON headend.{table} TO demeter_app;"
            f"ALTER TABLE headend.{table} ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY own_sites ON headend.{table} TO demeter_app"
            " USING (site_id IN (SELECT id FROM estate.site))"
            " WITH CHECK (site_id IN (SELECT id FROM estate.site))"
        )
