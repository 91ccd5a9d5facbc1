"""Commands to meters: what was asked for, what was seen before and after, and every step, kept for ever."""

from alembic import op

revision = "0009_operations"
down_revision = "0008_push"

TABLES = """
ALTER TABLE estate.meter ADD UNIQUE (site_id, id);

CREATE TABLE headend.command (
  site_id int NOT NULL REFERENCES estate.site,
  id bigint GENERATED ALWAYS AS IDENTITY,
  meter_id int NOT NULL,
  kind text NOT NULL,
  arguments jsonb NOT NULL,        -- names keys and images, never holds them
  idempotency_key text NOT NULL,
  request_hash bytea NOT NULL,     -- of all that was asked for: the same key with another request is refused
  requested_by text NOT NULL,
  reason text NOT NULL,
  created_at timestamptz NOT NULL,
  not_before timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'waiting'
    CHECK (state IN ('waiting', 'sent', 'confirmed', 'failed', 'expired', 'uncertain', 'cancelled')),
  attempts int NOT NULL DEFAULT 0, -- how often it was about to be sent
  sent_at timestamptz,             -- the last time
  before jsonb,                    -- what the meter showed, committed before the first sending
  after jsonb,
  ended_at timestamptz,
  outcome text,                    -- a stable word
  detail text,                     -- the sentence for a person
  progress jsonb,
  PRIMARY KEY (site_id, id),
  UNIQUE (site_id, meter_id, idempotency_key),
  FOREIGN KEY (site_id, meter_id) REFERENCES estate.meter (site_id, id),
  CHECK ((state IN ('waiting', 'sent')) = (ended_at IS NULL)),
  CHECK (state <> 'sent' OR (attempts > 0 AND before IS NOT NULL))
);
CREATE INDEX command_meter ON headend.command (site_id, meter_id, id DESC);
CREATE INDEX command_open ON headend.command (site_id, meter_id, id) WHERE ended_at IS NULL;

CREATE TABLE headend.command_step (
  site_id int NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  command_id bigint NOT NULL,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  state text NOT NULL,
  attempt int NOT NULL,
  outcome text NOT NULL,
  detail text NOT NULL,
  seen jsonb,
  PRIMARY KEY (site_id, id),
  FOREIGN KEY (site_id, command_id) REFERENCES headend.command (site_id, id)
);
CREATE INDEX command_step_command ON headend.command_step (site_id, command_id, id);
"""

# What was asked for and what happened cannot be rewritten by the application; only the present state moves on.
GRANTS = """
GRANT SELECT, INSERT ON headend.command, headend.command_step TO demeter_app;
GRANT UPDATE (state, attempts, sent_at, before, after, ended_at, outcome, detail, progress)
  ON headend.command TO demeter_app;

CREATE FUNCTION headend.command_moves_on() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF OLD.ended_at IS NOT NULL THEN
    RAISE EXCEPTION 'command % has ended as %', OLD.id, OLD.state USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.state = 'sent' AND NEW.state IN ('waiting', 'cancelled') THEN
    RAISE EXCEPTION 'command % was sent and cannot be %', OLD.id, NEW.state USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.before IS NOT NULL AND NEW.before IS DISTINCT FROM OLD.before THEN
    RAISE EXCEPTION 'what was seen before command % cannot change', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER command_moves_on BEFORE UPDATE ON headend.command
  FOR EACH ROW EXECUTE FUNCTION headend.command_moves_on();
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)
    for table in ("command", "command_step"):
        op.execute(
            f"ALTER TABLE headend.{table} ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY own_sites ON headend.{table} TO demeter_app"
            " USING (site_id IN (SELECT id FROM estate.site))"
            " WITH CHECK (site_id IN (SELECT id FROM estate.site))"
        )
