"""Runs the demo: sets it up or resumes it, starts everything, shows how the history comes in, prints where to look."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from demeter import estate, headend, identity, readings
from demeter.app import processes
from demeter.app.cli import output
from demeter.app.demo import check
from demeter.app.demo.provision import provision
from demeter.app.demo.self_reads import hand_in_self_reads
from demeter.app.demo.state import ADMINISTRATOR, READER, DemoFiles, DemoState
from demeter.app.supervisor import Child, Supervisor
from demeter.app.wiring import Wiring
from demeter.kernel import Conflict
from demeter.runtime.config import Settings
from demeter.runtime.database import Database, Scope
from demeter.runtime.secrets import MasterKey, SecretBox
from demeter.simulator import FleetConfig

GIVE_UP_S = 600
WATCHED_WITHIN_S = 45
ORGANIZATION = "Palm Court"


class Demo:
    """One run of the demo in the settings' data directory."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.files = DemoFiles(settings.data_dir)
        self.started = time.monotonic()
        self.passwords: dict[str, str] = {}

    def prepare(self) -> Supervisor:
        """Start the database, set up or resume the society, and return the supervisor of all processes."""
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        clock = Database("").clock
        self.fleet = self.files.fleet(clock.now())
        server = processes.prepare(self.settings)
        url = server.url if server else self.settings.database_url
        box = SecretBox(MasterKey.from_file(self.settings.key_file, create=False))
        self.wiring = Wiring(self.settings, Database(url), box)
        self.state = self.files.load() or self._set_up(self.fleet)
        self.scope = Scope.system(self.state.organization_id, "cli:demo")
        self._new_passwords()
        simulator = Child("simulator", ("-m", "demeter.simulator", "--fleet", str(self.files.fleet_file)))
        everything = [simulator, *processes.children(self.settings)]
        for child in everything:
            child.log_file = self.log_file
        return Supervisor(server, everything)

    def _set_up(self, fleet: FleetConfig) -> DemoState:
        organization = identity.organization_named(self.wiring.database, ORGANIZATION)
        if organization is not None:
            raise Conflict(
                "an earlier first start was interrupted", hint=f"Delete {self.settings.data_dir} and start again."
            )
        organization = identity.create_organization(self.wiring.database, ORGANIZATION)
        society = provision(self.wiring, Scope.system(organization, "cli:demo"), fleet)
        state = DemoState(organization, society.site_id, society.legacy)
        self.files.save(state)
        return state

    def _new_passwords(self) -> None:
        """Give both accounts a fresh one-time password: none is ever stored in the clear."""
        people = ((ADMINISTRATOR, "Treasurer", "organization_administrator"), (READER, "Auditor", "auditor"))
        with self.wiring.database.unit_of_work(self.scope) as work:
            known = {user.email: user.id for user in identity.users(work)}
            for email, name, role in people:
                self.passwords[email] = identity.new_password()
                if email in known:
                    identity.set_password(work, known[email], self.passwords[email])
                else:
                    identity.create_user(work, email, name, role, self.passwords[email])

    @property
    def log_file(self) -> Path:
        """Return where the processes write what they have to say."""
        return self.settings.data_dir / "demo.log"

    @property
    def address(self) -> str:
        """Return where the web pages are."""
        return f"http://{self.settings.http_host}:{self.settings.http_port}"

    def progress(self) -> headend.CollectionProgress:
        """Return how much of the meters' history is committed."""
        with self.wiring.database.unit_of_work(self.scope) as work:
            return headend.progress(work, self.state.site_id)

    def collected(self) -> bool:
        """Tell whether every meter that answers is read up to now and metering has worked it all in."""
        state = self.progress()
        reachable = state.meters - state.failing
        # rows come in order of time, so a meter that is current has no history left; gaps are never received
        done = state.contacted == state.meters and state.complete >= reachable
        with self.wiring.database.unit_of_work(self.scope) as work:
            return done and readings.count_dirty(work) == 0

    def counts(self) -> dict[str, int]:
        """Return how many sessions were held and how many readings they brought."""
        with self.wiring.database.unit_of_work(self.scope) as work:
            site = self.state.site_id
            sessions = sum(len(headend.sessions(work, m.id, limit=10_000)) for m in estate.meters(work, site))
            first = datetime.fromtimestamp(self.fleet.history_start_s, UTC).date()
            days = readings.day_counts(work, site, first, work.now().date() + timedelta(days=1))
            count = sum(day.present for day in days)
        return {"sessions": sessions, "readings": count}

    def finish_setup(self) -> None:
        """Hand in the self-reads of the legacy flats, once."""
        if not self.state.self_reads_done:
            hand_in_self_reads(self.address, self.passwords[ADMINISTRATOR], self.fleet, self.state.site_id)
            self.state = replace(self.state, self_reads_done=True)
            self.files.save(self.state)


def demo(settings: Settings) -> int:
    """Run the demo for a person until Ctrl-C; return the exit code."""
    run = Demo(settings)
    output.say("Setting up a housing society of simulated meters…")
    with processes.sole(settings):
        supervisor = run.prepare()
        supervisor.stop_on_signals()
        watcher = threading.Thread(target=_show, args=(run, supervisor), name="demo progress", daemon=True)
        supervisor.run(on_ready=watcher.start)
    output.say("The demo has stopped. `make demo` resumes it where it was.")
    return 0


def _show(run: Demo, supervisor: Supervisor) -> None:
    try:
        _wait(run, _progress_bar)
        run.finish_setup()
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the person must see it and the processes must stop
        output.say(f"The demo could not finish collecting: {error}")
        supervisor.stop()
        return
    seconds = time.monotonic() - run.started
    output.say(f"\nHistory collected {seconds:.0f} s after the start, every value over DLMS/COSEM.\n")
    output.say(f"  Open      {run.address}")
    for email, password in run.passwords.items():
        output.say(f"  Sign in   {email}   one-time password: {password}")
    output.say(f"\nCtrl-C stops everything; `make demo` resumes. The processes' log: {run.log_file}")


def _wait(run: Demo, show: Callable[[Demo], None]) -> None:
    until = time.monotonic() + GIVE_UP_S
    while not run.collected():
        if time.monotonic() > until:
            message = f"not everything was collected within {GIVE_UP_S} s"
            raise TimeoutError(message)
        show(run)


def _progress_bar(run: Demo) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(
        *columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as bar:
        task = bar.add_task("Reading the meters' history over DLMS", total=None)
        until = time.monotonic() + 5
        while time.monotonic() < until and not run.collected():
            state = run.progress()
            text = f"Reading over DLMS: {state.complete}/{state.meters} meters, {state.received:,} rows"
            bar.update(task, description=text, total=max(state.expected, 1), completed=state.received)
            time.sleep(0.5)


def _examined(run: Demo) -> dict[str, object]:
    """Examine the cases; what only the passing of time shows (a meter that stays silent) may need a moment more."""
    until = time.monotonic() + WATCHED_WITHIN_S
    while True:
        report = check.examine(run.address, run.passwords[ADMINISTRATOR], run.fleet, run.state.site_id)
        if report["passed"] or time.monotonic() > until:
            return report
        time.sleep(1)


def demo_check(settings: Settings) -> int:
    """Run the demo without a person; print one JSON document; return 0 only if the cases hold."""
    run = Demo(settings)
    result: dict[str, object] = {"passed": False}

    def examine(supervisor: Supervisor) -> None:
        try:
            _wait(run, lambda _: time.sleep(0.5))
            run.finish_setup()
            _wait(run, lambda _: time.sleep(0.5))
            collected_s = round(time.monotonic() - run.started)
            result.update(_examined(run))
            result.update(run.counts())
            result["seconds"] = collected_s
        except Exception as error:  # noqa: BLE001 - a failed check is reported, whatever it failed on
            result["error"] = f"{type(error).__name__}: {error}"
        finally:
            supervisor.stop()

    with processes.sole(settings):
        supervisor = run.prepare()
        supervisor.stop_on_signals()
        watcher = threading.Thread(target=examine, args=(supervisor,), name="demo check", daemon=True)
        supervisor.run(on_ready=watcher.start)
    sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return 0 if result["passed"] else 1
