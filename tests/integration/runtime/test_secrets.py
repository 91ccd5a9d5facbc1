"""Secrets at rest: only the right master key, organization, subject and name open a sealed value."""

import contextlib
from pathlib import Path

import pytest

from demeter.kernel import NotFound, Unavailable
from demeter.runtime.database import Database, Role, Scope
from demeter.runtime.secrets import MasterKey, SecretBox

SCOPE = Scope.system(1, "test")


def test_a_sealed_secret_opens_again_and_is_not_in_the_table(database: Database, tmp_path: Path) -> None:
    box = SecretBox(MasterKey.from_file(tmp_path / "key", create=True))
    with database.unit_of_work(SCOPE) as work:
        assert box.seal(work, "meter:1", "encryption_key", b"0123456789abcdef") == 1
        assert box.seal(work, "meter:1", "encryption_key", b"fedcba9876543210") == 2
    with database.unit_of_work(SCOPE) as work:
        assert box.open(work, "meter:1", "encryption_key") == b"fedcba9876543210"
        assert box.open(work, "meter:1", "encryption_key", 1) == b"0123456789abcdef"
        assert box.open_all(work, "meter:") == {"meter:1": {"encryption_key": b"fedcba9876543210"}}
    with database.connect(Role.OWNER) as connection:
        stored = connection.execute("SELECT string_agg(encode(sealed, 'escape'), '') FROM runtime.secret").fetchone()
    assert stored is not None
    assert "0123456789abcdef" not in stored[0]


def test_another_master_key_is_named_as_the_reason(database: Database) -> None:
    with database.unit_of_work(SCOPE) as work:
        SecretBox(MasterKey(b"a" * 32)).seal(work, "meter:1", "password", b"x")
    with pytest.raises(Unavailable, match="master key does not fit"), database.unit_of_work(SCOPE) as work:
        SecretBox(MasterKey(b"b" * 32)).open(work, "meter:1", "password")


def test_a_value_moved_to_another_meter_does_not_open(database: Database) -> None:
    box = SecretBox(MasterKey(b"a" * 32))
    with database.unit_of_work(SCOPE) as work:
        box.seal(work, "meter:1", "password", b"x")
        work.raw.execute("UPDATE runtime.secret SET subject = 'meter:2'")
    with pytest.raises(Unavailable, match="password of meter:2"), database.unit_of_work(SCOPE) as work:
        box.open(work, "meter:2", "password")


def test_a_first_seal_that_is_rolled_back_leaves_no_key_behind(database: Database) -> None:
    master = MasterKey(b"a" * 32)
    box = SecretBox(master)
    with contextlib.suppress(RuntimeError), database.unit_of_work(SCOPE) as work:
        box.seal(work, "meter:1", "password", b"never kept")
        box.seal(work, "meter:1", "other", b"never kept")
        raise RuntimeError
    with database.unit_of_work(SCOPE) as work:
        SecretBox(master).seal(work, "meter:1", "password", b"another process's")
    with database.unit_of_work(SCOPE) as work:
        assert box.open(work, "meter:1", "password") == b"another process's"
        assert box.seal(work, "meter:2", "password", b"mine") == 1
    with database.unit_of_work(SCOPE) as work:
        opened = SecretBox(master).open_all(work, "meter:")
        assert opened == {"meter:1": {"password": b"another process's"}, "meter:2": {"password": b"mine"}}


def test_a_data_key_wrapped_anew_opens_in_a_process_that_knew_the_old_wrapping(database: Database) -> None:
    box = SecretBox(MasterKey(b"a" * 32))
    with database.unit_of_work(SCOPE) as work:
        box.seal(work, "meter:1", "password", b"x")
        assert box.open(work, "meter:1", "password") == b"x"
        (wrapped,) = work.raw.execute("SELECT wrapped FROM runtime.data_key").fetchone()
        again = MasterKey(b"a" * 32).wrap(MasterKey(b"a" * 32).unwrap(wrapped, b"1"), b"1")
        work.raw.execute("UPDATE runtime.data_key SET wrapped = %s", (again,))
        assert box.open(work, "meter:1", "password") == b"x"


def test_other_organizations_secrets_are_not_found(database: Database) -> None:
    box = SecretBox(MasterKey(b"a" * 32))
    with database.unit_of_work(SCOPE) as work:
        box.seal(work, "meter:1", "password", b"x")
    with pytest.raises(NotFound), database.unit_of_work(Scope.system(2, "test")) as work:
        box.open(work, "meter:1", "password")


def test_the_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    MasterKey.from_file(tmp_path / "key", create=True)
    content = (tmp_path / "key").read_text()
    MasterKey.from_file(tmp_path / "key", create=True)
    assert (tmp_path / "key").read_text() == content
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Unavailable, match="no master key"):
        MasterKey.from_file(tmp_path / "other", create=False)
