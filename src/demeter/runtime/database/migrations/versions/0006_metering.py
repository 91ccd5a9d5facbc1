"""Consumption per day and month, flags, usage statements, self-reads."""

from alembic import op

revision = "0006_metering"
down_revision = "0005_headend"

TABLES = """
CREATE SCHEMA metering;
-- Totals are base units (Wh, L) x 10^scaler; amount NULL: nothing is known. due: slots since a meter was first
-- installed; known: those accounted for. qualities: {"measured": [amount, slots], ..., "missing": [0, slots]}.
CREATE TABLE metering.day_use (
  site_id int NOT NULL,
  service_point_id int NOT NULL,
  day date NOT NULL,
  amount bigint,
  scaler smallint NOT NULL,
  bridged bigint NOT NULL,
  bridged_slots int NOT NULL,
  due int NOT NULL,
  known int NOT NULL,
  qualities jsonb NOT NULL,
  PRIMARY KEY (site_id, service_point_id, day)
);
CREATE TABLE metering.month_use (
  site_id int NOT NULL,
  service_point_id int NOT NULL,
  month date NOT NULL,         -- its first day
  amount bigint,
  scaler smallint NOT NULL,
  bridged bigint NOT NULL,
  bridged_slots int NOT NULL,
  due int NOT NULL,
  known int NOT NULL,
  qualities jsonb NOT NULL,
  interval_s int NOT NULL,
  offline_after_s int NOT NULL, -- the silence that was a read failure when this was computed
  flags text[] NOT NULL,
  opening jsonb,               -- contracts.usage.RegisterRead
  closing jsonb,
  PRIMARY KEY (site_id, service_point_id, month)
);
CREATE INDEX month_use_month ON metering.month_use (site_id, month);
-- What a person must see. A leak over a month's end has a row in either month, and so has a silence: both are made
-- anew whenever their month is computed, as is needs_check (registers and intervals disagree). A read failure of word
-- 'no reading' is the alarm raised when it stood and closed when it was over; until_at NULL: still open.
CREATE TABLE metering.flag (
  site_id int NOT NULL,
  service_point_id int NOT NULL,
  month date NOT NULL,
  kind text NOT NULL CHECK (kind IN ('leak', 'read_failure', 'needs_check')),
  word text NOT NULL,
  since timestamptz NOT NULL,
  raised_at timestamptz NOT NULL,
  until_at timestamptz,
  evidence jsonb NOT NULL,
  PRIMARY KEY (site_id, service_point_id, month, kind, word, since)
);
CREATE INDEX flag_open ON metering.flag (site_id, kind) WHERE until_at IS NULL;
-- Since when Demeter has waited for the first reading of a meter.
CREATE TABLE metering.awaited (
  site_id int NOT NULL,
  meter_id int NOT NULL,
  since timestamptz NOT NULL,
  PRIMARY KEY (site_id, meter_id)
);
-- The content of an ended month that differs from its newest statement and waits to be published.
CREATE TABLE metering.draft (
  site_id int NOT NULL,
  service_point_id int NOT NULL,
  month date NOT NULL,
  ended_at timestamptz NOT NULL,
  complete boolean NOT NULL,
  changed_at timestamptz NOT NULL,
  content_hash text NOT NULL,
  document text NOT NULL,
  PRIMARY KEY (site_id, service_point_id, month)
);
-- Append-only: every revision as it was handed over, to the byte.
CREATE TABLE metering.statement (
  site_id int NOT NULL,
  service_point_id int NOT NULL,
  month date NOT NULL,
  revision int NOT NULL,
  content_hash text NOT NULL,
  supersedes text,
  published_at timestamptz NOT NULL,
  document text NOT NULL,
  PRIMARY KEY (site_id, service_point_id, month, revision)
);
CREATE INDEX statement_month ON metering.statement (site_id, month);
-- Every self-read that was submitted, whatever became of it. One that is about to become a reading has a row
-- 'received', committed before the reading, and then one with its outcome, which names the first in ``received_id``.
CREATE TABLE metering.self_read (
  site_id int NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  service_point_id int NOT NULL,
  meter_id int NOT NULL,
  at timestamptz NOT NULL,
  register numeric NOT NULL,   -- base units (Wh, L), as the dial shows it
  outcome text NOT NULL CHECK (outcome IN
    ('received', 'accepted', 'accepted_with_flag', 'rejected', 'needs_check')),
  reason text NOT NULL,
  note text NOT NULL,
  submitted_by text NOT NULL,
  submitted_at timestamptz NOT NULL,
  received_id bigint,
  PRIMARY KEY (site_id, id)
);
CREATE INDEX self_read_answer ON metering.self_read (site_id, received_id) WHERE received_id IS NOT NULL;
CREATE INDEX self_read_point ON metering.self_read (site_id, service_point_id, at);
"""

REWRITTEN = ("day_use", "month_use", "flag", "awaited", "draft")
APPENDED = ("statement", "self_read")


def upgrade() -> None:
    op.execute(TABLES)
    op.execute("GRANT USAGE ON SCHEMA metering TO demeter_app")
    for table in REWRITTEN:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON metering.{table} TO demeter_app")
    for table in APPENDED:
        op.execute(f"GRANT SELECT, INSERT ON metering.{table} TO demeter_app")
    for table in REWRITTEN + APPENDED:
        # estate.site is itself row-secured, so the subquery yields the scope's own sites
        op.execute(
            f"ALTER TABLE metering.{table} ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY own_site ON metering.{table} TO demeter_app"
            " USING (site_id IN (SELECT id FROM estate.site)) WITH CHECK (site_id IN (SELECT id FROM estate.site))"
        )
