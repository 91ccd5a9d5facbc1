"""Roles, the scope function, outbox, audit, secrets and the job queue."""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001_runtime"
down_revision = None

# What is there already is left as it is: an administrator may have made the roles for a user who may not.
ROLES = """
DO $$
DECLARE
  acting text := CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END;
  lacking text := '';
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'demeter_app') THEN
    lacking := format('CREATE ROLE demeter_app NOLOGIN NOBYPASSRLS; GRANT demeter_app TO %I; ', current_user);
  ELSIF NOT pg_has_role(current_user, 'demeter_app', acting) THEN
    lacking := format('GRANT demeter_app TO %I; ', current_user);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'demeter_ingest') THEN
    lacking := lacking || format('CREATE ROLE demeter_ingest NOLOGIN BYPASSRLS; GRANT demeter_ingest TO %I; ', current_user);
  ELSE
    IF NOT (SELECT rolbypassrls FROM pg_roles WHERE rolname = 'demeter_ingest') THEN
      lacking := lacking || 'ALTER ROLE demeter_ingest BYPASSRLS; ';
    END IF;
    IF NOT pg_has_role(current_user, 'demeter_ingest', acting) THEN
      lacking := lacking || format('GRANT demeter_ingest TO %I; ', current_user);
    END IF;
  END IF;
  IF lacking <> '' THEN
    EXECUTE lacking;
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE insufficient_privilege USING
    MESSAGE = format('the database user %s may not make the roles Demeter needs', current_user),
    HINT = 'Let an administrator of the server run: ' || rtrim(lacking);
END $$;
"""

TABLES = """
-- The organization of the present unit of work; NULL (no rows anywhere) outside one.
CREATE FUNCTION runtime.scope_organization() RETURNS int LANGUAGE sql STABLE PARALLEL SAFE AS
  $$ SELECT nullif(current_setting('demeter.organization_id', true), '')::int $$;

CREATE TABLE runtime.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id int NOT NULL,
  topic text NOT NULL,
  key text NOT NULL,
  payload jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  published_at timestamptz
);
CREATE INDEX outbox_waiting ON runtime.outbox (id) WHERE published_at IS NULL;

CREATE TABLE runtime.audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id int NOT NULL,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  subject text NOT NULL,
  detail text NOT NULL,
  hash bytea NOT NULL
);
CREATE INDEX audit_chain ON runtime.audit (organization_id, id);

-- Envelope encryption: a data key per organization, wrapped by the master key that lies outside the database.
CREATE TABLE runtime.data_key (
  organization_id int NOT NULL,
  version int NOT NULL,
  wrapped bytea NOT NULL,
  PRIMARY KEY (organization_id, version)
);
CREATE TABLE runtime.secret (
  organization_id int NOT NULL,
  subject text NOT NULL,
  name text NOT NULL,
  version int NOT NULL DEFAULT 1,
  data_key_version int NOT NULL,
  sealed bytea NOT NULL,
  PRIMARY KEY (organization_id, subject, name, version)
);
"""

RIGHTS = """
GRANT USAGE ON SCHEMA runtime TO demeter_app, demeter_ingest;
GRANT SELECT, INSERT ON runtime.outbox, runtime.audit TO demeter_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.data_key, runtime.secret TO demeter_app;
"""


def enable_row_security(table: str) -> str:
    """Return SQL that shows ``table``'s rows only to their own organization."""
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;\n"
        f"CREATE POLICY own_organization ON {table} TO demeter_app"
        " USING (organization_id = runtime.scope_organization())"
        " WITH CHECK (organization_id = runtime.scope_organization());\n"
    )


def upgrade() -> None:
    op.execute(ROLES)
    op.execute(TABLES)
    for table in ("outbox", "audit", "data_key", "secret"):
        op.execute(enable_row_security(f"runtime.{table}"))
    op.execute(RIGHTS)
    cursor = op.get_bind().connection.cursor()
    cursor.execute(SchemaManager.get_schema())
