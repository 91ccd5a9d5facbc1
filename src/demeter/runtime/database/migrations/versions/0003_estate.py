"""The estate tree, service points, meters and their installations."""

from alembic import op

revision = "0003_estate"
down_revision = "0002_identity"

TABLES = """
CREATE SCHEMA estate;
CREATE TABLE estate.customer (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id int NOT NULL REFERENCES identity.organization,
  parent_id int REFERENCES estate.customer,
  name text NOT NULL
);
CREATE TABLE estate.site (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id int NOT NULL REFERENCES identity.organization,
  customer_id int NOT NULL REFERENCES estate.customer,
  name text NOT NULL,
  zone text NOT NULL,          -- IANA
  currency text NOT NULL,      -- ISO 4217
  locale text NOT NULL,
  UNIQUE (organization_id, name)
);
CREATE TABLE estate.building (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id int NOT NULL REFERENCES identity.organization,
  site_id int NOT NULL REFERENCES estate.site,
  name text NOT NULL,
  UNIQUE (site_id, name)
);
CREATE TABLE estate.unit (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id int NOT NULL REFERENCES identity.organization,
  site_id int NOT NULL REFERENCES estate.site,
  building_id int NOT NULL REFERENCES estate.building,
  label text NOT NULL,         -- A-1204
  floor text NOT NULL DEFAULT '',
  area_dm2 int,                -- floor area in 1/100 m², for shares of the common area
  UNIQUE (site_id, label)
);
-- Where one commodity is delivered. role: unit, bulk (feeds a building), common (lift, pump, lighting).
CREATE TABLE estate.service_point (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id int NOT NULL REFERENCES identity.organization,
  site_id int NOT NULL REFERENCES estate.site,
  building_id int NOT NULL REFERENCES estate.building,
  unit_id int REFERENCES estate.unit,
  role text NOT NULL CHECK (role IN ('unit', 'bulk', 'common')),
  commodity text NOT NULL CHECK (commodity IN ('electricity', 'water')),
  label text NOT NULL,         -- A-1204, Tower A bulk, Tower A lift
  CHECK ((role = 'unit') = (unit_id IS NOT NULL)),
  UNIQUE (site_id, label, commodity)
);
CREATE TABLE estate.meter (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id int NOT NULL REFERENCES identity.organization,
  site_id int NOT NULL REFERENCES estate.site,
  serial text NOT NULL,
  commodity text NOT NULL CHECK (commodity IN ('electricity', 'water')),
  maker text NOT NULL DEFAULT '',
  protocol text NOT NULL,      -- a driver's name, or 'manual' for a meter a person reads
  address text NOT NULL DEFAULT '',
  options jsonb NOT NULL DEFAULT '{}',
  dials int NOT NULL DEFAULT 0 CHECK (dials BETWEEN 0 AND 18),  -- digits of the register in its own steps; 0: never rolls over
  commissioned_at timestamptz NOT NULL,
  active boolean NOT NULL DEFAULT true,
  UNIQUE (organization_id, serial)
);
-- A meter at a service point from-to. Reads are register values in base units (Wh, L), exact.
CREATE TABLE estate.installation (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id int NOT NULL REFERENCES identity.organization,
  site_id int NOT NULL REFERENCES estate.site,
  service_point_id int NOT NULL REFERENCES estate.service_point,
  meter_id int NOT NULL REFERENCES estate.meter,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz,
  opening_read numeric,        -- NULL: the first read taken counts
  closing_read numeric,
  multiplier_num int NOT NULL DEFAULT 1 CHECK (multiplier_num > 0),  -- CT/VT ratio or pulse weight as a fraction
  multiplier_den int NOT NULL DEFAULT 1 CHECK (multiplier_den > 0),
  CHECK (ends_at IS NULL OR ends_at > starts_at)
);
CREATE INDEX installation_point ON estate.installation (service_point_id, starts_at);
CREATE INDEX installation_meter ON estate.installation (meter_id, starts_at);
"""

OWNED = ("customer", "site", "building", "unit", "service_point", "meter", "installation")


def upgrade() -> None:
    op.execute(TABLES)
    op.execute("GRANT USAGE ON SCHEMA estate TO demeter_app, demeter_ingest")
    op.execute("GRANT SELECT ON estate.site, estate.meter TO demeter_ingest")
    for table in OWNED:
        op.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON estate.{table} TO demeter_app;"
            f"ALTER TABLE estate.{table} ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY own_organization ON estate.{table} TO demeter_app"
            " USING (organization_id = runtime.scope_organization())"
            " WITH CHECK (organization_id = runtime.scope_organization())"
        )
