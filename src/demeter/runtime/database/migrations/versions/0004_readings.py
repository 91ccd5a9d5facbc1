"""Channels, the journal, day blocks and what surrounds them; refusals of ingest."""

from alembic import op

revision = "0004_readings"
down_revision = "0003_estate"

TABLES = """
CREATE SCHEMA readings;
CREATE TABLE readings.channel (
  site_id int NOT NULL REFERENCES estate.site,
  id int GENERATED ALWAYS AS IDENTITY,
  meter_id int NOT NULL REFERENCES estate.meter,
  obis text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('register', 'interval')),
  unit text NOT NULL,
  scaler smallint NOT NULL,    -- a value is integer x 10^scaler unit
  interval_s int NOT NULL CHECK (interval_s BETWEEN 0 AND 86400),
  PRIMARY KEY (site_id, id),
  UNIQUE (site_id, meter_id, obis, kind, unit, scaler, interval_s)
);

-- The journal: every raw frame, hash-chained per meter.
CREATE SEQUENCE readings.frame_id AS bigint;
CREATE TABLE readings.frame (
  site_id int NOT NULL,
  meter_id int NOT NULL,
  id bigint NOT NULL,
  received_at timestamptz NOT NULL,
  covers_start timestamptz,    -- earliest and latest instant its readings speak of; NULL: none
  covers_end timestamptz,
  rows int NOT NULL,           -- distinct instants
  refused int NOT NULL,        -- readings not taken over
  compressed boolean NOT NULL, -- zlib, where that is smaller
  codec text NOT NULL,
  context_id uuid NOT NULL,    -- readings.frame_context
  fingerprint uuid NOT NULL,   -- of codec, context and payload: a repeat is recognised by it
  previous_hash bytea NOT NULL, -- empty for the meter's first
  hash bytea NOT NULL,
  payload bytea NOT NULL,
  PRIMARY KEY (site_id, meter_id, id, received_at)
) PARTITION BY RANGE (received_at);
CREATE INDEX frame_fingerprint ON readings.frame (site_id, meter_id, fingerprint);
ALTER TABLE readings.frame ALTER payload SET STORAGE EXTERNAL;  -- compressed or enciphered already
-- Contexts repeat from frame to frame; text, because the hash covers it to the letter.
CREATE TABLE readings.frame_context (
  site_id int NOT NULL,
  id uuid NOT NULL,
  body text NOT NULL,
  PRIMARY KEY (site_id, id)
);
CREATE TABLE readings.chain (
  site_id int NOT NULL,
  meter_id int NOT NULL,
  frame_id bigint NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (site_id, meter_id)
) WITH (fillfactor = 50);

-- Live readings, short-lived: folded into blocks.
CREATE TABLE readings.inbox (
  site_id int NOT NULL,
  channel_id int NOT NULL,
  at timestamptz NOT NULL,
  frame_id bigint NOT NULL,
  value bigint NOT NULL,
  quality smallint NOT NULL,
  PRIMARY KEY (site_id, channel_id, at, frame_id)
);
-- One row per channel and site-local day. base: a register's earliest reading of the day; vals: register - base, or
-- interval amounts; NULL: no reading. wide replaces vals (and base) on a day whose numbers do not fit. quality: one
-- byte per slot, NULL: every reading is measured. sum: of intervals, or a register's last - first. min, max: as vals.
CREATE TABLE readings.block (
  site_id int NOT NULL,
  channel_id int NOT NULL,
  day date NOT NULL,
  revision int NOT NULL,
  base bigint,
  sum bigint,
  min int,
  max int,
  n smallint NOT NULL,
  min_slot smallint,
  max_slot smallint,
  first_slot smallint,
  last_slot smallint,
  wide bigint[],
  quality bytea,
  vals int[],
  PRIMARY KEY (site_id, channel_id, day)
) PARTITION BY RANGE (day);
-- Readings between the slots: self-reads, registers read on demand.
CREATE TABLE readings.spot (
  site_id int NOT NULL,
  channel_id int NOT NULL,
  at timestamptz NOT NULL,
  value bigint,                -- NULL: taken away by an edit
  quality smallint NOT NULL,
  PRIMARY KEY (site_id, channel_id, at)
);
-- Append-only: every value that was replaced. frame_id NULL: a person's edit; else the frame that replaced it.
CREATE TABLE readings.log (
  site_id int NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  channel_id int NOT NULL,
  at timestamptz NOT NULL,
  old_value bigint,
  old_quality smallint NOT NULL,
  new_value bigint,
  new_quality smallint NOT NULL,
  frame_id bigint,
  who text NOT NULL,
  why text NOT NULL,
  logged_at timestamptz NOT NULL,
  PRIMARY KEY (site_id, id)
);
CREATE INDEX log_channel ON readings.log (site_id, channel_id, at);
CREATE TABLE readings.channel_latest (
  site_id int NOT NULL,
  channel_id int NOT NULL,
  meter_id int NOT NULL,
  measured_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  value bigint NOT NULL,
  quality smallint NOT NULL,
  first_day date,              -- blocks exist from here to there, if any
  last_day date,
  PRIMARY KEY (site_id, channel_id)
) WITH (fillfactor = 50);
-- What changed since consumption was last computed.
CREATE TABLE readings.dirty (
  site_id int NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  channel_id int NOT NULL,
  first_day date NOT NULL,
  last_day date NOT NULL,
  PRIMARY KEY (site_id, id)
);

CREATE SCHEMA ingest;
CREATE TABLE ingest.refusal (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id int,         -- NULL: the sender's meter is not known
  meter_id int NOT NULL,       -- as sent
  frame_id bigint,
  refused_at timestamptz NOT NULL,
  reason text NOT NULL,
  detail text NOT NULL
);
CREATE INDEX refusal_meter ON ingest.refusal (organization_id, meter_id, refused_at);
"""

# Attaching takes a weaker lock on the parent than CREATE TABLE .. PARTITION OF: readers and writers go on.
PARTITIONS = """
CREATE FUNCTION readings.ensure_partition(parent text, month date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  first date := date_trunc('month', month)::date;
  after date := (date_trunc('month', month) + interval '1 month')::date;
  child text := parent || '_' || to_char(first, 'YYYY_MM');
BEGIN
  IF parent NOT IN ('block', 'frame') THEN RAISE EXCEPTION 'no partitions of %', parent; END IF;
  IF to_regclass('readings.' || child) IS NOT NULL THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtext('readings.' || parent));
  -- Asked of the table, not of to_regclass: that may still answer from a cache older than the wait for the lock.
  IF EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'readings'::regnamespace AND c.relname = child) THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE readings.%I (LIKE readings.%I INCLUDING ALL)', child, parent);
  EXECUTE format('ALTER TABLE readings.%I ATTACH PARTITION readings.%I FOR VALUES FROM (%L) TO (%L)',
                 parent, child, first, after);
END $$;
REVOKE ALL ON FUNCTION readings.ensure_partition(text, date) FROM PUBLIC;

-- Retention: whole months of frames go, with the last hash of each meter's chain kept in readings.chain.
CREATE FUNCTION readings.drop_frames_before(month date) RETURNS int
  LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  child text;
  dropped int := 0;
BEGIN
  FOR child IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'readings.frame'::regclass AND c.relname < 'frame_' || to_char(month, 'YYYY_MM')
  LOOP
    EXECUTE format('DROP TABLE readings.%I', child);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END $$;
REVOKE ALL ON FUNCTION readings.drop_frames_before(date) FROM PUBLIC;
"""

RIGHTS = """
GRANT USAGE ON SCHEMA readings, ingest TO demeter_app, demeter_ingest;
GRANT EXECUTE ON FUNCTION readings.ensure_partition(text, date) TO demeter_app, demeter_ingest;
GRANT SELECT ON ALL TABLES IN SCHEMA readings TO demeter_app, demeter_ingest;
GRANT INSERT ON ALL TABLES IN SCHEMA readings TO demeter_ingest;
GRANT UPDATE ON readings.chain, readings.block, readings.spot, readings.channel_latest TO demeter_ingest;
GRANT DELETE ON readings.block, readings.inbox TO demeter_ingest;
GRANT USAGE ON SEQUENCE readings.frame_id TO demeter_ingest;
-- An edit is a unit of work of the application: it appends to the log and makes a new revision of the block.
GRANT INSERT ON readings.channel, readings.block, readings.spot, readings.log, readings.dirty, readings.channel_latest TO demeter_app;
GRANT UPDATE ON readings.block, readings.spot, readings.channel_latest, readings.dirty TO demeter_app;
GRANT DELETE ON readings.dirty TO demeter_app;
GRANT SELECT ON ingest.refusal TO demeter_app;
GRANT SELECT, INSERT ON ingest.refusal TO demeter_ingest;
ALTER TABLE ingest.refusal ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON ingest.refusal TO demeter_app USING (organization_id = runtime.scope_organization());
"""

OF_A_SITE = (
    "channel",
    "frame",
    "frame_context",
    "chain",
    "inbox",
    "block",
    "spot",
    "log",
    "channel_latest",
    "dirty",
)


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(PARTITIONS)
    op.execute(RIGHTS)
    for table in OF_A_SITE:
        # estate.site is itself row-secured, so the subquery yields the scope's own sites
        op.execute(
            f"ALTER TABLE readings.{table} ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY own_site ON readings.{table} TO demeter_app"
            " USING (site_id IN (SELECT id FROM estate.site)) WITH CHECK (site_id IN (SELECT id FROM estate.site))"
        )
