"""Jobs that work on several sites in one transaction take them in the same order, so that none waits in a circle."""

import threading
import time

import pytest

from demeter import metering
from demeter.metering.store.use import SITE_LOCK
from demeter.runtime.database import Database, Role
from tests.provision import place

LOCKS = "SELECT objid::int, granted FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND pid <> %s ORDER BY 1"


@pytest.mark.parametrize("job", [metering.refresh, metering.watch_offline])
def test_sites_are_locked_by_their_number_whatever_their_names(database: Database, job) -> None:
    first, second = (place(database).site_id for _ in range(2))
    with database.connect(Role.OWNER) as connection:
        connection.execute("UPDATE estate.site SET name = 'Z' WHERE id = %s", (first,))
        connection.execute("UPDATE estate.site SET name = 'A' WHERE id = %s", (second,))
    with database.connect(Role.OWNER) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s, %s)", (SITE_LOCK, first))
        working = threading.Thread(target=job, args=(database,))
        working.start()
        seen, until = [], time.monotonic() + 20
        while not any(not granted for _, granted in seen):
            assert time.monotonic() < until, "the job did not wait for the site"
            time.sleep(0.05)
            seen = holder.execute(LOCKS, (SITE_LOCK, holder.info.backend_pid)).fetchall()
    working.join(20)
    assert seen == [(first, False)], "another site is held while waiting for the first"
