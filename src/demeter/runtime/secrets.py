"""Secrets at rest: envelope encryption with AES-256-GCM, the master key outside the database.

A random data key per organization encrypts its secrets (meter keys, passwords); the master key, a file only the owner
can read, encrypts the data keys. Subject, name and version are bound in as associated data, so a sealed value moved to
another row does not open. A stolen database without the master key is worthless; rotating the master key rewraps the
data keys only.
"""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from demeter.kernel import Invalid, NotFound, Unavailable
from demeter.runtime.database import Database, Role, UnitOfWork
from demeter.runtime.files import sync_folder

NONCE_BYTES = 12
KEY_BYTES = 32
SEALED = (
    "runtime.secret s JOIN runtime.data_key k ON k.organization_id = s.organization_id AND k.version = data_key_version"
)
NEWEST_KEY = "SELECT version, wrapped FROM runtime.data_key WHERE organization_id = %s ORDER BY version DESC LIMIT 1"


class MasterKey:
    """The 256-bit key that wraps data keys."""

    def __init__(self, key: bytes) -> None:
        """Take the raw key.

        Raises:
            Invalid: it is not 32 bytes long.
        """
        if len(key) != KEY_BYTES:
            raise Invalid("the master key must be 32 bytes", hint="Restore the key file from your backup.")
        self._cipher = AESGCM(key)

    @classmethod
    def from_file(cls, path: Path, *, create: bool) -> MasterKey:
        """Read the key file (base64); with ``create`` make it on first use, readable by the owner only.

        Raises:
            Unavailable: the file is missing and ``create`` is off.
            Invalid: it does not hold a key.
        """
        if not path.exists():
            if not create:
                raise Unavailable(
                    f"no master key at {path}", code="no_master_key", hint="Restore it from your backup of the key."
                )
            _make_key_file(path)
        try:
            return cls(base64.b64decode(path.read_text().strip(), validate=True))
        except ValueError as error:
            raise Invalid(f"{path} does not hold a master key", hint="Restore it from your backup.") from error

    def wrap(self, data_key: bytes, bound_to: bytes) -> bytes:
        """Encrypt a data key."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data_key, bound_to)

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> bytes:
        """Decrypt a data key.

        Raises:
            Unavailable: the master key is not the one it was wrapped with.
        """
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], bound_to)
        except InvalidTag as error:
            raise Unavailable(
                "the master key does not fit this database",
                code="wrong_master_key",
                hint="Put back the master key file this database was set up with.",
            ) from error


def _make_key_file(path: Path) -> None:
    """Make a key file whole or not at all; where another process is quicker, its key stays."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # mode 0600
        file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)
    sync_folder(path.parent)


def in_use(database: Database) -> bool:
    """Tell whether the database holds data keys: then only the master key that wrapped them is of use, no new one."""
    with database.connect(Role.OWNER) as connection:  # unscoped: asks for any organization's
        there = connection.execute("SELECT to_regclass('runtime.data_key')").fetchone()
        if there is None or there[0] is None:  # not set up yet
            return False
        return connection.execute("SELECT FROM runtime.data_key LIMIT 1").fetchone() is not None


class SecretBox:
    """Seals and opens the secrets of the unit of work's organization."""

    def __init__(self, master: MasterKey) -> None:
        self._master = master
        # By their wrapped bytes, never by number: a transaction that made a key may be rolled back.
        self._data_keys: dict[tuple[int, bytes], AESGCM] = {}

    def seal(self, work: UnitOfWork, subject: str, name: str, value: bytes) -> int:
        """Store a new version of the secret ``name`` of ``subject`` (``meter:12``) and return its version.

        Older versions stay, so that frames received under an old key can be decoded again.
        """
        organization = work.scope.organization_id
        key_version, wrapped = self._newest_data_key(work)
        while True:
            found = work.raw.execute(
                "SELECT coalesce(max(version), 0) FROM runtime.secret"
                " WHERE organization_id = %s AND subject = %s AND name = %s",
                (organization, subject, name),
            ).fetchone()
            version = int(found[0] if found else 0) + 1
            nonce = secrets.token_bytes(NONCE_BYTES)
            sealed = nonce + self._cipher(organization, wrapped).encrypt(nonce, value, _bound(subject, name, version))
            made = work.raw.execute(
                "INSERT INTO runtime.secret (organization_id, subject, name, version, data_key_version, sealed)"
                " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (organization, subject, name, version, key_version, sealed),
            )
            if made.rowcount:  # else somebody sealed the same one at this moment: the next version is ours
                return version

    def open(self, work: UnitOfWork, subject: str, name: str, version: int | None = None) -> bytes:
        """Return a secret, its newest version unless one is named.

        Raises:
            NotFound: there is no such secret.
            Unavailable: the master key does not fit, or the value was changed or moved in the database.
        """
        row = work.raw.execute(
            f"SELECT s.version, wrapped, sealed FROM {SEALED}"
            " WHERE s.organization_id = %s AND subject = %s AND name = %s AND s.version = coalesce(%s, s.version)"
            " ORDER BY s.version DESC LIMIT 1",
            (work.scope.organization_id, subject, name, version),
        ).fetchone()
        if row is None:
            raise NotFound(f"no secret {name} for {subject}", hint="Enter the meter's keys first.")
        return self._unseal(work, subject, name, (row[0], row[1], row[2]))

    def open_all(self, work: UnitOfWork, subject_prefix: str) -> dict[str, dict[str, bytes]]:
        """Return the newest version of every secret whose subject starts with the prefix, in one round trip.

        Raises:
            Unavailable: as :meth:`open`.
        """
        rows = work.raw.execute(
            f"SELECT DISTINCT ON (subject, name) subject, name, s.version, wrapped, sealed FROM {SEALED}"
            " WHERE s.organization_id = %s AND starts_with(subject, %s) ORDER BY subject, name, s.version DESC",
            (work.scope.organization_id, subject_prefix),
        ).fetchall()
        opened: dict[str, dict[str, bytes]] = defaultdict(dict)
        for subject, name, *row in rows:
            opened[subject][name] = self._unseal(work, subject, name, row)
        return dict(opened)

    def open_each(self, work: UnitOfWork, subject_prefix: str) -> tuple[dict[str, dict[str, bytes]], dict[str, str]]:
        """Return what :meth:`open_all` does, and by subject the name of a secret that does not open (it is left out).

        Raises:
            Unavailable: none opens, so it is the master key that does not fit.
        """
        try:
            return self.open_all(work, subject_prefix), {}
        except (InvalidTag, Unavailable):
            opened, closed = self._opened_one_by_one(work, subject_prefix)
            if not opened:
                raise
            return opened, closed

    def _opened_one_by_one(
        self, work: UnitOfWork, subject_prefix: str
    ) -> tuple[dict[str, dict[str, bytes]], dict[str, str]]:
        rows = work.raw.execute(
            "SELECT DISTINCT subject, name FROM runtime.secret WHERE organization_id = %s AND starts_with(subject, %s)",
            (work.scope.organization_id, subject_prefix),
        ).fetchall()
        opened: dict[str, dict[str, bytes]] = defaultdict(dict)
        closed: dict[str, str] = {}
        for subject, name in rows:
            try:
                opened[subject][name] = self.open(work, subject, name)
            except (InvalidTag, Unavailable):
                closed[subject] = name
        return {subject: found for subject, found in opened.items() if found}, closed

    def open_versions(self, work: UnitOfWork, subject: str) -> dict[str, list[bytes]]:
        """Return every version of every secret of one subject by name, the newest first.

        Raises:
            Unavailable: as :meth:`open`.
        """
        rows = work.raw.execute(
            f"SELECT name, s.version, wrapped, sealed FROM {SEALED}"
            " WHERE s.organization_id = %s AND subject = %s ORDER BY name, s.version DESC",
            (work.scope.organization_id, subject),
        ).fetchall()
        opened: dict[str, list[bytes]] = defaultdict(list)
        for name, *row in rows:
            opened[name].append(self._unseal(work, subject, name, row))
        return dict(opened)

    def newest_versions(self, work: UnitOfWork, subject_prefix: str, name: str) -> dict[str, int]:
        """Return the newest version of the secret ``name`` of every subject that starts with the prefix."""
        rows = work.raw.execute(
            "SELECT subject, max(version) FROM runtime.secret"
            " WHERE organization_id = %s AND starts_with(subject, %s) AND name = %s GROUP BY subject",
            (work.scope.organization_id, subject_prefix, name),
        ).fetchall()
        return {str(subject): int(version) for subject, version in rows}

    def _unseal(self, work: UnitOfWork, subject: str, name: str, row: Sequence[Any]) -> bytes:
        version, wrapped, sealed = row
        cipher = self._cipher(work.scope.organization_id, wrapped)
        try:
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(subject, name, version))
        except InvalidTag as error:
            raise Unavailable(
                f"the {name} of {subject} does not open: it was changed or moved in the database",
                code="secret_damaged",
                hint="Enter it again, or restore the database from your backup.",
            ) from error

    def _newest_data_key(self, work: UnitOfWork) -> tuple[int, bytes]:
        """Return the version of the organization's newest data key and the wrapped key, made if there is none."""
        organization = work.scope.organization_id
        row = work.raw.execute(NEWEST_KEY, (organization,)).fetchone()
        if row is None:
            wrapped = self._master.wrap(secrets.token_bytes(KEY_BYTES), str(organization).encode())
            work.raw.execute(
                "INSERT INTO runtime.data_key (organization_id, version, wrapped) VALUES (%s, 1, %s)"
                " ON CONFLICT DO NOTHING",  # another transaction may have made the first key meanwhile: theirs counts
                (organization, wrapped),
            )
            row = work.raw.execute(NEWEST_KEY, (organization,)).fetchone()
        assert row is not None
        return int(row[0]), bytes(row[1])

    def _cipher(self, organization_id: int, wrapped: bytes) -> AESGCM:
        place = organization_id, wrapped
        if place not in self._data_keys:
            self._data_keys[place] = AESGCM(self._master.unwrap(wrapped, str(organization_id).encode()))
        return self._data_keys[place]


def _bound(subject: str, name: str, version: int) -> bytes:
    return f"{subject}\x1f{name}\x1f{version}".encode()
