"""Organizations, users and their sessions."""

from alembic import op

revision = "0002_identity"
down_revision = "0001_runtime"

TABLES = """
CREATE SCHEMA identity;
CREATE TABLE identity.organization (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE
);
CREATE TABLE identity.user_account (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id int NOT NULL REFERENCES identity.organization,
  email text NOT NULL,
  name text NOT NULL,
  role text NOT NULL,
  password_hash text NOT NULL,
  active boolean NOT NULL DEFAULT true
);
CREATE UNIQUE INDEX user_email ON identity.user_account (lower(email));
CREATE TABLE identity.session (
  token_hash bytea PRIMARY KEY,
  organization_id int NOT NULL REFERENCES identity.organization,
  user_id int NOT NULL REFERENCES identity.user_account,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);

-- Before a login there is no scope: these two answer exactly one question each and nothing more.
CREATE FUNCTION identity.find_login(wanted text)
  RETURNS TABLE (user_id int, organization_id int, password_hash text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS
  $$ SELECT u.id, u.organization_id, u.password_hash FROM identity.user_account u
      WHERE lower(u.email) = lower(wanted) AND u.active $$;
CREATE FUNCTION identity.find_session(wanted bytea, at timestamptz)
  RETURNS TABLE (user_id int, organization_id int, role text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS
  $$ SELECT u.id, u.organization_id, u.role FROM identity.session s JOIN identity.user_account u ON u.id = s.user_id
      WHERE s.token_hash = wanted AND s.expires_at > at AND u.active $$;
REVOKE ALL ON FUNCTION identity.find_login(text), identity.find_session(bytea, timestamptz) FROM PUBLIC;
"""

RIGHTS = """
GRANT USAGE ON SCHEMA identity TO demeter_app;
GRANT EXECUTE ON FUNCTION identity.find_login(text), identity.find_session(bytea, timestamptz) TO demeter_app;
GRANT SELECT, UPDATE ON identity.organization TO demeter_app;
GRANT SELECT, INSERT, UPDATE ON identity.user_account TO demeter_app;
GRANT SELECT, INSERT, DELETE ON identity.session TO demeter_app;
ALTER TABLE identity.organization ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON identity.organization TO demeter_app USING (id = runtime.scope_organization());
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(RIGHTS)
    for table in ("user_account", "session"):
        op.execute(
            f"ALTER TABLE identity.{table} ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY own_organization ON identity.{table} TO demeter_app"
            " USING (organization_id = runtime.scope_organization())"
        )
