"""References stay inside an organization; a chain remembers what retention dropped before its first frame."""

from alembic import op

revision = "0007_kept_apart"
down_revision = "0006_metering"

# PostgreSQL checks foreign keys past row-level security, so a key that names only an id would take another
# organization's. (table, columns, referenced table, its columns)
REFERENCES = (
    ("identity.session", "organization_id, user_id", "identity.user_account", "organization_id, id"),
    ("estate.customer", "organization_id, parent_id", "estate.customer", "organization_id, id"),
    ("estate.site", "organization_id, customer_id", "estate.customer", "organization_id, id"),
    ("estate.building", "organization_id, site_id", "estate.site", "organization_id, id"),
    ("estate.unit", "organization_id, site_id", "estate.site", "organization_id, id"),
    ("estate.unit", "site_id, building_id", "estate.building", "site_id, id"),
    ("estate.service_point", "organization_id, site_id", "estate.site", "organization_id, id"),
    ("estate.service_point", "site_id, building_id", "estate.building", "site_id, id"),
    ("estate.service_point", "site_id, unit_id", "estate.unit", "site_id, id"),
    ("estate.meter", "organization_id, site_id", "estate.site", "organization_id, id"),
    ("estate.installation", "organization_id, site_id", "estate.site", "organization_id, id"),
    ("estate.installation", "site_id, service_point_id", "estate.service_point", "site_id, id"),
    ("estate.installation", "organization_id, meter_id", "estate.meter", "organization_id, id"),
)

CHAIN = """
-- The hash of the newest frame retention dropped (empty: none): what the first frame kept must be linked to.
ALTER TABLE readings.chain ADD COLUMN start_hash bytea NOT NULL DEFAULT '';

CREATE OR REPLACE FUNCTION readings.drop_frames_before(month date) RETURNS int
  LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  child text;
  dropped int := 0;
BEGIN
  FOR child IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'readings.frame'::regclass AND c.relname < 'frame_' || to_char(month, 'YYYY_MM')
    ORDER BY c.relname
  LOOP
    EXECUTE format(
      'UPDATE readings.chain c SET start_hash = f.hash FROM'
      ' (SELECT DISTINCT ON (site_id, meter_id) site_id, meter_id, hash FROM readings.%I'
      '  ORDER BY site_id, meter_id, id DESC) f WHERE c.site_id = f.site_id AND c.meter_id = f.meter_id', child);
    EXECUTE format('DROP TABLE readings.%I', child);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END $$;
"""


def upgrade() -> None:
    for table, columns in sorted({(target, columns) for *_, target, columns in REFERENCES}):
        op.execute(f"ALTER TABLE {table} ADD UNIQUE ({columns})")
    for table, columns, target, keys in REFERENCES:
        op.execute(f"ALTER TABLE {table} ADD FOREIGN KEY ({columns}) REFERENCES {target} ({keys})")
    op.execute(CHAIN)
