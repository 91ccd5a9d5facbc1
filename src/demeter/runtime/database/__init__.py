"""PostgreSQL: the launcher, connections and roles, the unit of work, migrations."""

from demeter.runtime.database import health
from demeter.runtime.database.audit import AuditEntry, audit_broken_at, audit_entries
from demeter.runtime.database.engine import Database, Role, UnitOfWork
from demeter.runtime.database.launcher import EmbeddedPostgres, PostgresBinaries, find_binaries
from demeter.runtime.database.migrate import newest_revision, present_revision, require_schema, upgrade
from demeter.runtime.database.scope import Scope

__all__ = [
    "AuditEntry",
    "Database",
    "EmbeddedPostgres",
    "PostgresBinaries",
    "Role",
    "Scope",
    "UnitOfWork",
    "audit_broken_at",
    "audit_entries",
    "find_binaries",
    "health",
    "newest_revision",
    "present_revision",
    "require_schema",
    "upgrade",
]
