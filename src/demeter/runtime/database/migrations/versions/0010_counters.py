"""Invocation counters that were sent and seen, and the title this installation sends under."""

from alembic import op

revision = "0010_counters"
down_revision = "0009_operations"

# A counter belongs to a key, whichever organization's meter has it: were it kept for each organization apart, two of
# them could use one counter twice. So these tables are out of the application's reach, and functions lead to them; who
# does not know a key's fingerprint learns nothing.
TABLES = """
CREATE TABLE headend.own_title (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  title bytea NOT NULL CHECK (length(title) = 8)
);
CREATE TABLE headend.sent_counter (
  fingerprint bytea NOT NULL,
  title bytea NOT NULL,        -- ours
  sent bigint NOT NULL,        -- the highest that was ever reserved
  PRIMARY KEY (fingerprint, title)
);
CREATE TABLE headend.seen_counter (
  fingerprint bytea NOT NULL,
  title bytea NOT NULL,        -- the meter's
  seen bigint NOT NULL,        -- the highest that was ever accepted
  PRIMARY KEY (fingerprint, title)
);
ALTER TABLE headend.own_title ENABLE ROW LEVEL SECURITY;
ALTER TABLE headend.sent_counter ENABLE ROW LEVEL SECURITY;
ALTER TABLE headend.seen_counter ENABLE ROW LEVEL SECURITY;
"""

FUNCTIONS = {
    "own_title(proposed bytea) RETURNS bytea LANGUAGE sql": """
  INSERT INTO headend.own_title (title) VALUES (proposed) ON CONFLICT DO NOTHING;
  SELECT title FROM headend.own_title""",
    "counted(of_key bytea) RETURNS TABLE (is_sent boolean, title bytea, counter bigint) LANGUAGE sql STABLE": """
  SELECT true, s.title, s.sent FROM headend.sent_counter s WHERE s.fingerprint = of_key
  UNION ALL SELECT false, s.title, s.seen FROM headend.seen_counter s WHERE s.fingerprint = of_key""",
    "reserve_counters(ours bytea, of_key bytea, lowest bigint, many int) RETURNS bigint LANGUAGE sql": """
  INSERT INTO headend.sent_counter AS s (fingerprint, title, sent) VALUES (of_key, ours, lowest + many - 1)
  ON CONFLICT (fingerprint, title) DO UPDATE SET sent = greatest(s.sent + 1, lowest) + many - 1
  RETURNING sent - many + 1""",
    "saw_counters(theirs bytea[], of_keys bytea[], counters bigint[]) RETURNS void LANGUAGE sql": """
  INSERT INTO headend.seen_counter AS s (fingerprint, title, seen)
    SELECT * FROM unnest(of_keys, theirs, counters) ORDER BY 1, 2
  ON CONFLICT (fingerprint, title) DO UPDATE SET seen = greatest(s.seen, EXCLUDED.seen)""",
}


def upgrade() -> None:
    op.execute(TABLES)
    for head, body in FUNCTIONS.items():
        op.execute(f"CREATE FUNCTION headend.{head} SECURITY DEFINER SET search_path = pg_catalog AS $$ {body} $$")
        name = head[: head.index("(")]
        op.execute(f"REVOKE ALL ON FUNCTION headend.{name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION headend.{name} TO demeter_app")
