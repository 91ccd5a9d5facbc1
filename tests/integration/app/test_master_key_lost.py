"""A lost master key is said to be lost; no new one is made that opens nothing, and that the next backup would keep."""

import os
import stat
from pathlib import Path

import pytest

from demeter import identity
from demeter.app import processes
from demeter.app.wiring import opened
from demeter.kernel import Unavailable
from demeter.runtime import config
from demeter.runtime.config import Settings
from demeter.runtime.database import Database, Scope, launcher
from demeter.runtime.secrets import MasterKey, SecretBox


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    return config.load({}, {"DATABASE_URL": database.url, "DEMETER_DATA_DIR": str(tmp_path)})


def test_a_database_with_secrets_gets_no_new_master_key(database: Database, settings: Settings) -> None:
    processes.prepare(settings)
    processes.prepare(settings)
    organization = identity.create_organization(database, "One")
    with database.unit_of_work(Scope.system(organization, "test")) as work:
        SecretBox(MasterKey.from_file(settings.key_file, create=False)).seal(work, "meter:1", "password", b"x")
    kept = settings.key_file.rename(settings.key_file.with_suffix(".away"))
    with pytest.raises(Unavailable, match="no master key"):
        processes.prepare(settings)
    with pytest.raises(Unavailable, match="no master key"), opened(settings, setting_up=True):
        pass
    assert not settings.key_file.exists()
    kept.rename(settings.key_file)
    processes.prepare(settings)


@pytest.mark.parametrize(
    "write",
    [lambda path: MasterKey.from_file(path, create=True), lambda path: launcher._write_whole(path, "password")],
    ids=["master key", "database password"],
)
def test_the_names_of_key_files_reach_the_disk_as_their_content_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write
) -> None:
    synced, real = [], os.fsync

    def fsync(handle: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(handle).st_mode) and (tmp_path / "file").exists())
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write(tmp_path / "file")
    assert synced == [False, True]
