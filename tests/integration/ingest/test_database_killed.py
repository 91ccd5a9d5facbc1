"""PostgreSQL is killed while readings stream in: nothing acknowledged is lost, nothing is doubled."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep

import numpy as np
import psycopg
import pytest

from demeter import readings
from demeter.ingest import IngestWriter, Limits
from demeter.kernel import Span
from demeter.runtime.database import Database, EmbeddedPostgres, upgrade
from tests.plain_frames import INDEX, WH, decoded, delivery, series
from tests.provision import meter, place

START = datetime(2026, 3, 27, 23, 15, tzinfo=UTC)
KILLS = 6


@pytest.fixture
def server():
    # not in pytest's own folder: any pytest that starts meanwhile closes that to the server's user
    home = Path(tempfile.mkdtemp(prefix="demeter-kill-"))
    home.chmod(0o711)
    own = EmbeddedPostgres(home, os.environ.get("DEMETER_TEST_POSTGRES", ""))
    own.start()
    yield own
    own.stop()
    shutil.rmtree(home, ignore_errors=True)


def kill(server: EmbeddedPostgres) -> None:
    """Kill the postmaster and every process it started, as a crash would."""
    postmaster = int((server.cluster / "postmaster.pid").read_text().split()[0])
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(postmaster)], capture_output=True, text=True, check=False
    )
    for pid in [postmaster, *map(int, listed.stdout.split())]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_nothing_acknowledged_is_lost_and_nothing_doubled(server: EmbeddedPostgres) -> None:
    database = Database(server.url)
    upgrade(database)
    at = place(database)
    number = meter(database, at)
    acknowledged: list[int] = []
    stop = threading.Event()
    limits = Limits(queued_deliveries=8, batch_deliveries=3)

    def stream(writer: IngestWriter) -> None:
        k = 0
        while not stop.is_set():
            moment = START + timedelta(hours=3 * k)
            writer.submit(delivery(number, series(WH, moment, [k] * 12), series(INDEX, moment, [k]))).result(60)
            acknowledged.append(k)
            k += 1

    with IngestWriter(database, limits=limits) as writer:
        sender = threading.Thread(target=stream, args=(writer,))
        sender.start()
        rng = np.random.default_rng(9)
        for _ in range(KILLS):
            sleep(float(rng.uniform(0.05, 0.4)))
            kill(server)
            if server.process is not None:
                server.process.wait(20)
            before = len(acknowledged)
            server.start()
            for _ in range(200):
                if len(acknowledged) > before + 1:
                    break
                sleep(0.05)
            assert len(acknowledged) > before + 1, "ingest goes on within ten seconds"
        stop.set()
        sender.join(30)
    database.close()
    with database.unit_of_work(at.scope) as work:
        frames = list(readings.journal_frames(work, number))
        channels = {c.reading_type: c for c in readings.channels(work, at.site_id)}
        found = readings.read(work, channels.values(), Span(START - timedelta(days=1), START + timedelta(days=5000)))
        assert readings.verify_blocks(work, at.site_id, lambda frame: decoded(frame.frame())) == []
        assert readings.verify_chain(work, number).whole
    assert found[channels[INDEX].id].values.tolist()[: len(acknowledged)] == acknowledged
    assert len(frames) == len({frame.payload for frame in frames}) == len(found[channels[INDEX].id].values)
    database.close()


def test_what_could_not_be_written_before_closing_was_not_acknowledged(server: EmbeddedPostgres) -> None:
    database = Database(server.url)
    upgrade(database)
    number = meter(database, place(database))
    server.stop()
    writer = IngestWriter(database)
    future = writer.submit(delivery(number, series(WH, START, [1])))
    writer.close(timeout_s=1)
    assert future.exception(5) is not None
    assert not isinstance(future.exception(), psycopg.Error)
    database.close()
