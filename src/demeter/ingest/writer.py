"""The batching writer: acknowledged means committed.

One thread takes what is waiting, commits it as one transaction and only then answers. While it commits, the next
batch gathers, so the busier the system, the larger the groups. The queue is bounded by readings, deliveries and octets:
whoever is faster than the disk waits. When the database goes away (it may be killed at any moment) the batch is
written again as a whole until it is committed; frames that had been committed are recognised and not doubled.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Any, Self

import psycopg

from demeter.ingest.model import Reason, Receipt, Refusal
from demeter.ingest.steps import Batch, CredentialsOf, Item, run
from demeter.ingest.store import KeptRefusals, keep_refusals, meter_places
from demeter.kernel import Unavailable
from demeter.runtime.database import Database, Role
from demeter.sdk import Decoder, Delivery

GONE = (psycopg.OperationalError, psycopg.InterfaceError)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait, how much goes into one transaction, and how long a retry pauses at most."""

    queued_points: int = 4_000_000
    queued_deliveries: int = 10_000
    queued_octets: int = 256 << 20
    batch_points: int = 1_000_000
    batch_deliveries: int = 2_000
    batch_octets: int = 64 << 20
    first_pause_ms: int = 50
    longest_pause_ms: int = 2_000
    submit_timeout_s: int = 60
    poll_ms: int = 10


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery in the queue; ``organization_id`` None: the sender is Demeter's own head-end.

    ``octets`` are its frame's; those of its series are counted as readings.
    """

    delivery: Delivery
    organization_id: int | None
    future: Future[Receipt]
    points: int
    octets: int


class IngestWriter:
    """Takes deliveries from any thread; writes them from one. A context manager; closing waits for what is queued."""

    def __init__(
        self,
        database: Database,
        decoders: Mapping[str, Decoder] | None = None,
        credentials: CredentialsOf | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Prepare a writer; the first delivery (or :meth:`start`) starts its thread.

        ``decoders`` (by codec) and ``credentials`` are for frames that come without series.
        """
        self._database = database
        self._decoders = dict(decoders or {})
        self._credentials = credentials
        self._limits = limits or Limits()
        self._queue: deque[Waiting] = deque()
        self._points = 0
        self._octets = 0
        self._changed = threading.Condition()
        self._closing = False
        self._abandon = threading.Event()
        self._connection: psycopg.Connection[Any] | None = None
        self._rooms: set[tuple[str, date]] = set()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, if it does not run yet."""
        with self._changed:
            self._start()

    def _start(self) -> None:
        if self._thread is None and not self._closing:
            self._thread = threading.Thread(target=self._work, name="ingest writer", daemon=True)
            self._thread.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, delivery: Delivery, organization_id: int | None = None) -> Future[Receipt]:
        """Queue a delivery; the future resolves after the commit. Waits while the queue is full (back-pressure).

        ``organization_id`` is the sender's, checked against the meter's; None for Demeter's own head-end.

        Raises:
            Unavailable: the queue stayed full for the time limit, or the writer is closed.
        """
        with self._changed:
            if not self._changed.wait_for(self._has_room, self._limits.submit_timeout_s):
                raise Unavailable("ingest is behind and its queue is full", code="ingest_full", hint="Try again later.")
            return self._enqueue(delivery, organization_id)

    async def accept(self, delivery: Delivery, organization_id: int | None = None) -> Receipt:
        """Queue a delivery from an event loop and wait for its commit; other tasks go on meanwhile.

        Raises:
            Unavailable: the writer is closed.
        """
        while True:
            future = self._offer(delivery, organization_id)
            if future is not None:
                return await asyncio.wrap_future(future)
            await asyncio.sleep(self._limits.poll_ms / 1000)

    def write_now(self, deliveries: Sequence[Delivery], organization_id: int | None = None) -> list[Receipt]:
        """Write deliveries as one batch on a connection of its own and return their receipts: for imports and tests.

        Raises:
            psycopg.Error: the database did not take it; nothing was stored.
        """
        with self._connect() as connection:
            return self._write(connection, [Item(d, organization_id) for d in deliveries])

    def waiting(self) -> tuple[int, int]:
        """Return how many deliveries and readings are queued."""
        with self._changed:
            return len(self._queue), self._points

    def close(self, timeout_s: int = 30) -> None:
        """Write what is queued, then stop. What could not be written in time fails: it was never acknowledged."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)
            self._abandon.set()
            self._thread.join(timeout_s)

    def _has_room(self) -> bool:
        if self._closing or not self._queue:
            return True
        return (
            len(self._queue) < self._limits.queued_deliveries
            and self._points < self._limits.queued_points
            and self._octets < self._limits.queued_octets
        )

    def _offer(self, delivery: Delivery, organization_id: int | None) -> Future[Receipt] | None:
        with self._changed:
            return self._enqueue(delivery, organization_id) if self._has_room() else None

    def _enqueue(self, delivery: Delivery, organization_id: int | None) -> Future[Receipt]:
        if self._closing:
            raise Unavailable("ingest is closed", code="ingest_closed")
        self._start()
        points = sum(len(series.at_s) for series in delivery.series or ())
        waiting = Waiting(delivery, organization_id, Future(), points, len(delivery.frame.payload))
        self._queue.append(waiting)
        self._points += points
        self._octets += waiting.octets
        self._changed.notify_all()
        return waiting.future

    def _take(self) -> list[Waiting]:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._queue) or self._closing)
            taken: list[Waiting] = []
            points = octets = 0
            while self._queue and len(taken) < self._limits.batch_deliveries:
                points += self._queue[0].points
                octets += self._queue[0].octets
                if taken and (points > self._limits.batch_points or octets > self._limits.batch_octets):
                    break
                taken.append(self._queue.popleft())
                self._points -= taken[-1].points
                self._octets -= taken[-1].octets
            self._changed.notify_all()
            return taken

    def _work(self) -> None:
        while taken := self._take():
            batch = [waiting for waiting in taken if waiting.future.set_running_or_notify_cancel()]
            if batch:
                self._commit(batch)
        self._disconnect()

    def _commit(self, batch: list[Waiting]) -> None:
        pause_ms = self._limits.first_pause_ms
        while True:
            try:
                receipts = self._write(self._connected(), [Item(w.delivery, w.organization_id) for w in batch])
            except GONE as error:
                self._disconnect()
                if self._abandon.wait(pause_ms / 1000):
                    _fail(batch, Unavailable(f"ingest was stopped before the database took it: {error}"))
                    return
                pause_ms = min(2 * pause_ms, self._limits.longest_pause_ms)
            except Exception as error:  # noqa: BLE001 - whatever one delivery breaks must not stop the others
                self._isolate(batch, error)
                return
            else:
                for waiting, receipt in zip(batch, receipts, strict=True):
                    waiting.future.set_result(receipt)
                return

    def _isolate(self, batch: list[Waiting], error: Exception) -> None:
        """Write the deliveries of a broken batch one by one; only the one that breaks it is refused."""
        self._disconnect()
        if len(batch) > 1:
            for waiting in batch:
                self._commit([waiting])
            return
        waiting = batch[0]
        refusal = Refusal(Reason.FAILED, f"{type(error).__name__}: {error}")
        with suppress(psycopg.Error):
            self._keep(waiting, refusal)
        waiting.future.set_result(Receipt(waiting.delivery.meter_id, None, 0, 0, duplicate=False, refusals=(refusal,)))

    def _keep(self, waiting: Waiting, refusal: Refusal) -> None:
        connection, meter_id = self._connected(), waiting.delivery.meter_id
        with connection.transaction():
            place = meter_places(connection, [meter_id]).get(meter_id)
            organization_id = place.organization_id if place else waiting.organization_id
            kept = KeptRefusals(organization_id, meter_id, None, (refusal,))
            keep_refusals(connection, [kept], self._database.clock.now())

    def _write(self, connection: psycopg.Connection[Any], items: list[Item]) -> list[Receipt]:
        return run(Batch(connection, self._database.clock, items, self._decoders, self._credentials, self._rooms))

    def _connect(self) -> psycopg.Connection[Any]:
        return self._database.connect(Role.INGEST, autocommit=True)  # unscoped: the ingest role does nothing else

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
        self._rooms.clear()


def _fail(batch: Sequence[Waiting], error: Exception) -> None:
    for waiting in batch:
        waiting.future.set_exception(error)
