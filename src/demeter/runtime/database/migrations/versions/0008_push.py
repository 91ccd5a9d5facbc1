"""Pushes: the meters' system titles, counters that must not come twice, and messages nobody can vouch for."""

from alembic import op

revision = "0008_push"
down_revision = "0007_kept_apart"

TABLES = """
ALTER TABLE headend.meter_state
  ADD COLUMN system_title text,  -- hexadecimal, as the meter told it in an association
  ADD COLUMN push_objects text;  -- JSON: what its pushes carry, as read from it
-- The numbers of one sender under one key: the highest taken, and which of those just below it.
CREATE TABLE headend.push_counter (
  site_id int NOT NULL REFERENCES estate.site,
  meter_id int NOT NULL REFERENCES estate.meter,
  title text NOT NULL,
  series text NOT NULL,          -- what is counted: invocations, transactions
  key_version int NOT NULL,
  reached numeric(20) NOT NULL,
  taken numeric(20) NOT NULL,    -- bit k: reached - k was taken
  PRIMARY KEY (site_id, meter_id, title, series, key_version)
);
-- Messages that were not taken. Who sent one is not known for sure, so it belongs to no site; organization and meter
-- say whom it claims to be from (NULL: nobody known).
CREATE TABLE headend.push_quarantine (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id int,
  meter_id int,
  protocol text NOT NULL,
  source text NOT NULL,          -- address it came from
  title text NOT NULL,
  names text NOT NULL,
  reason text NOT NULL,
  detail text NOT NULL,
  payload bytea NOT NULL,
  digest bytea NOT NULL,
  size int NOT NULL,
  first_seen_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  count bigint NOT NULL,
  UNIQUE (source, reason, digest)
);
CREATE INDEX push_quarantine_age ON headend.push_quarantine (last_seen_at, id);
CREATE INDEX push_quarantine_source ON headend.push_quarantine (source, last_seen_at, id);

-- The organization of an installation that has one only; NULL where there are several.
CREATE FUNCTION identity.only_organization() RETURNS int
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS
  $$ SELECT CASE WHEN count(*) = 1 THEN min(id) END FROM identity.organization $$;
REVOKE ALL ON FUNCTION identity.only_organization() FROM PUBLIC;
"""

RIGHTS = """
GRANT EXECUTE ON FUNCTION identity.only_organization() TO demeter_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON headend.push_counter TO demeter_app;
ALTER TABLE headend.push_counter ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_sites ON headend.push_counter TO demeter_app
  USING (site_id IN (SELECT id FROM estate.site)) WITH CHECK (site_id IN (SELECT id FROM estate.site));
-- What nobody is known for is the installation's: its owner sees it at the machine, and the organization only where
-- there is no other one it could be meant for. Written and removed by the owner alone.
GRANT SELECT ON headend.push_quarantine TO demeter_app;
ALTER TABLE headend.push_quarantine ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_or_nobodys ON headend.push_quarantine FOR SELECT TO demeter_app
  USING (coalesce(organization_id, identity.only_organization()) = runtime.scope_organization());
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(RIGHTS)
