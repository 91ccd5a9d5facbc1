"""The private PostgreSQL: who may reach it, and what it makes of every way a start can go wrong."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from demeter.kernel import Unavailable
from demeter.runtime.database import EmbeddedPostgres, launcher
from demeter.runtime.secrets import MasterKey

PREFER = os.environ.get("DEMETER_TEST_POSTGRES", "")
START = (
    "import sys; from pathlib import Path; from demeter.runtime.database import EmbeddedPostgres;"
    " server = EmbeddedPostgres(Path(sys.argv[1]), sys.argv[2]); server.start();"
    " print(server.process.pid if server.process else 0, flush=True); sys.stdin.read()"
)


class Servers:
    """Makes descriptions of clusters and at the end stops whatever they started."""

    def __init__(self) -> None:
        self.made: list[EmbeddedPostgres] = []

    def at(self, data_dir: Path) -> EmbeddedPostgres:
        self.made.append(EmbeddedPostgres(data_dir, PREFER))
        return self.made[-1]

    def stop(self) -> None:
        for server in self.made:
            server.stop(adopted=True)
            if server.process is not None:
                server.process.wait(20)


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A data directory whose cluster the tests of this module share, one after the other."""
    made = Path(tempfile.mkdtemp(prefix="demeter-launch-"))
    made.chmod(0o711)
    server = EmbeddedPostgres(made, PREFER)
    server.start()
    server.stop()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def empty() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="demeter-launch-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def starter(data_dir: Path) -> subprocess.Popen[str]:
    """A process that starts the cluster and then waits."""
    command = [sys.executable, "-c", START, str(data_dir), PREFER]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)


def postmaster(server: EmbeddedPostgres) -> int:
    return int((server.cluster / "postmaster.pid").read_text().split("\n")[0])


def test_only_a_password_opens_it_and_only_a_socket_leads_to_it(home: Path, servers: Servers) -> None:
    postgres = servers.at(home)
    postgres.start()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        methods = connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()[0]
            for name in ("listen_addresses", "unix_socket_permissions", "fsync", "data_checksums", "synchronous_commit")
        }
    assert methods == [("scram-sha-256",)]
    assert shown == {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "fsync": "on",
        "data_checksums": "on",
        "synchronous_commit": "on",
    }
    for folder in (postgres.home, postgres.socket_dir, postgres.cluster):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    password_file = postgres.home.parent / "database-password"
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
    assert not (postgres.home / "initial-password").exists()
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(postgres.url.replace(f":{password_file.read_text()}@", "@"), passfile="/dev/null")


def test_its_password_stands_in_no_command_line(postgres: EmbeddedPostgres) -> None:
    password = (postgres.home.parent / "database-password").read_bytes()
    seen = 0
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert password not in line.read_bytes()
            seen += 1
        except OSError:
            continue
    assert seen > 3


def test_a_start_killed_while_the_cluster_is_made_is_made_good_by_the_next(empty: Path, servers: Servers) -> None:
    server = servers.at(empty)
    for kill in (os.kill, os.killpg):  # alone, so that initdb goes on without it, or together with initdb
        killed = starter(empty)
        until = time.monotonic() + 20
        while not list(server.home.glob("cluster*/PG_VERSION")):
            assert time.monotonic() < until
            time.sleep(0.005)
        kill(killed.pid, signal.SIGKILL)
        killed.wait()
        killed.stdin.close()
        killed.stdout.close()
    assert not server.cluster.exists()
    (empty / "database-password").write_text("")  # killed before it was written
    server.start()
    assert server.answers()  # what an orphaned initdb may still write lies beside the cluster and never becomes it
    assert (server.cluster / "PG_VERSION").exists()


def test_two_first_starts_at_once_make_one_cluster_with_one_server(empty: Path, servers: Servers) -> None:
    both = [starter(empty), starter(empty)]
    told = [int(process.stdout.readline()) for process in both]
    server = servers.at(empty)
    assert sorted(told) == [0, postmaster(server)]
    assert server.answers()
    for process in both:
        process.communicate("")


def test_a_server_whose_starter_was_killed_is_adopted_and_can_be_stopped(home: Path, servers: Servers) -> None:
    killed = starter(home)
    pid = int(killed.stdout.readline())
    killed.kill()
    killed.communicate()
    server = servers.at(home)
    server.start()
    assert server.process is None
    assert postmaster(server) == pid
    server.stop()
    assert server.answers(), "only who supervises stops an adopted server"
    server.stop(adopted=True)
    assert not server.answers()


def test_a_dead_servers_process_id_that_is_somebody_elses_by_now_does_not_keep_it_from_starting(
    home: Path, servers: Servers
) -> None:
    server = servers.at(home)
    server.start()
    kept = (server.cluster / "postmaster.pid").read_text()
    server.stop()
    # alive, of the server's own user, and no server
    with subprocess.Popen(["sleep", "60"], user=server._uid) as stranger:
        lines = kept.split("\n")
        (server.cluster / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lines[1:]]))
        (server.socket_dir / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n")
        again = servers.at(home)
        again.start(deadline_s=20)
        assert again.answers()
        again.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_a_live_servers_lock_is_left_alone(home: Path, servers: Servers) -> None:
    server = servers.at(home)
    server.start()
    pid = postmaster(server)
    another = servers.at(home)
    another._forget_dead_postmaster()
    another._launch()
    assert another.process.wait(20) != 0
    assert "postmaster.pid" in another._log_tail()
    assert postmaster(server) == pid
    assert server.answers()


@pytest.mark.parametrize("lost", ["removed", "another"])
def test_a_lost_password_is_told_at_once(home: Path, lost: str, servers: Servers) -> None:
    server = servers.at(home)
    server.start()
    file = home / "database-password"
    kept = file.read_text()
    try:
        file.unlink() if lost == "removed" else file.write_text("another")
        with pytest.raises(Unavailable) as refused:
            servers.at(home).start()
        assert refused.value.code == "database_password"
        assert "backup" in refused.value.hint
        assert kept not in str(refused.value)
    finally:
        file.write_text(kept)


def test_something_else_in_the_clusters_place_is_never_removed(tmp_path: Path, servers: Servers) -> None:
    server = servers.at(tmp_path)
    server.cluster.mkdir(parents=True)
    (server.cluster / "precious").write_text("readings")
    with pytest.raises(Unavailable, match="is no PostgreSQL cluster"):
        server.start()
    assert (server.cluster / "precious").read_text() == "readings"


@pytest.mark.parametrize("place", ["/proc/demeter", "/dev/null/demeter"])
def test_a_place_nothing_can_be_written_to_is_told_plainly(place: str, servers: Servers) -> None:
    with pytest.raises(Unavailable) as refused:
        servers.at(Path(place)).start()
    assert refused.value.code == "data_dir"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another user")
def test_below_a_private_home_it_moves_to_where_its_user_can_reach_it(tmp_path: Path, servers: Servers) -> None:
    tmp_path.chmod(0o700)
    server = servers.at(tmp_path / "data")
    (tmp_path / "data").mkdir()
    try:
        server.start()
        assert server.answers()
        assert not server.home.is_relative_to(tmp_path)
        assert stat.S_IMODE(server.home.stat().st_mode) == 0o700
    finally:
        server.stop()
        shutil.rmtree(server.home, ignore_errors=True)


def test_a_socket_folder_somebody_else_prepared_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: Servers
) -> None:
    monkeypatch.setattr(launcher, "SOCKET_PATH_LIMIT", 0)
    server = servers.at(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    before = elsewhere.stat()
    server.socket_dir.symlink_to(elsewhere)
    try:
        with pytest.raises(Unavailable, match="belongs to somebody else"):
            server.start()
    finally:
        server.socket_dir.unlink()
    assert (elsewhere.stat().st_uid, elsewhere.stat().st_mode) == (before.st_uid, before.st_mode)


def test_two_who_make_the_master_key_at_once_end_with_the_same_key(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    together = threading.Barrier(8)
    read: list[str] = []

    def make() -> None:
        together.wait()
        MasterKey.from_file(file, create=True)
        read.append(file.read_text())

    makers = [threading.Thread(target=make) for _ in range(8)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(10)
    assert (len(read), len(set(read))) == (8, 1)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
