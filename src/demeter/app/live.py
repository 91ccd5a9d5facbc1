"""Live readings: one database listener per process, fanned out to the browsers that may see them.

::

    ingest commits ────NOTIFY demeter_readings──▶ Hub (one thread) ──▶ Subscriber per client ──▶ server-sent events
    metering commits ──NOTIFY demeter_usage─────▶

A reading is told when it is stored, and what follows from it (consumption, flags, statements) when that is stored.

A client that falls behind loses nothing it cares about: what waits for it is kept per meter, newest only, and per
service point; beyond ``MOST_WAITING`` it becomes one ``resync`` event ("ask again"). The same is sent after the
listener lost its connection, since notifications of that time are gone.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError

from demeter import estate
from demeter.identity import scope_of
from demeter.identity.api import REFUSALS, AppDatabase, authorize, token_of
from demeter.kernel import DemeterError, Unavailable
from demeter.runtime import logging
from demeter.runtime.database import Database, Role, Scope

PERMISSION = "metering.read"
READINGS, USAGE = "demeter_readings", "demeter_usage"
HEARTBEAT_S = 15.0
STOP_CHECK_S = 0.25
MOST_WAITING = 2_000
MOST_CLIENTS = 500
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)

log = logging.get("live")


@dataclass(frozen=True, slots=True)
class ReadingNotice:
    """A meter's readings were committed; ``at`` is the newest one's instant (ISO 8601)."""

    organization_id: int
    site_id: int
    meter_id: int
    at: str

    @classmethod
    def parse(cls, payload: str) -> ReadingNotice | None:
        """Return the notice in a NOTIFY payload; None if it is not one."""
        try:
            found = json.loads(payload)
            return cls(int(found["organization"]), int(found["site"]), int(found["meter"]), str(found["at"]))
        except (ValueError, TypeError, KeyError):
            return None


@dataclass(frozen=True, slots=True)
class UsageNotice:
    """A service point's consumption, flags or statement was computed anew and committed."""

    organization_id: int
    site_id: int
    service_point_id: int

    @classmethod
    def parse(cls, payload: str) -> list[UsageNotice]:
        """Return the notices in a NOTIFY payload; none if it is not one."""
        try:
            found = json.loads(payload)
            where = int(found["organization"]), int(found["site"])
            return [cls(*where, int(point)) for point in found["service_points"]]
        except (ValueError, TypeError, KeyError):
            return []


Notice = ReadingNotice | UsageNotice


def notices_in(channel: str, payload: str) -> list[Notice]:
    """Return what a notification tells; nothing if it is not one of ours."""
    if channel == USAGE:
        return list(UsageNotice.parse(payload))
    notice = ReadingNotice.parse(payload)
    return [] if notice is None else [notice]


def _subject(notice: Notice) -> tuple[str, int]:
    """Return what a notice is about: a newer one about the same takes its place."""
    if isinstance(notice, ReadingNotice):
        return READINGS, notice.meter_id
    return USAGE, notice.service_point_id


class Subscriber:
    """What waits for one client. Used from the event loop only."""

    def __init__(self, organization_id: int, site_id: int) -> None:
        """Wait for notices of one site of one organization."""
        self.organization_id = organization_id
        self.site_id = site_id
        self._waiting: dict[tuple[str, int], Notice] = {}
        self._resync = False
        self._closed = False
        self._something = asyncio.Event()

    def offer(self, notice: Notice) -> None:
        """Keep a notice for the client, if it is one this client may see."""
        if (notice.organization_id, notice.site_id) != (self.organization_id, self.site_id):
            return
        self._waiting.pop(_subject(notice), None)
        self._waiting[_subject(notice)] = notice
        if len(self._waiting) > MOST_WAITING:
            self.resync()
        self._something.set()

    def resync(self) -> None:
        """Tell the client to ask again for what it shows: something may have been missed."""
        self._waiting.clear()
        self._resync = True
        self._something.set()

    def close(self) -> None:
        """End the client's stream."""
        self._closed = True
        self._something.set()

    async def take(self, timeout_s: float) -> tuple[list[Notice], bool] | None:
        """Return what waits and whether to resync, ``([], False)`` after ``timeout_s`` of silence, None when closed."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._something.wait()
        except TimeoutError:
            return [], False
        if self._closed:
            return None
        self._something.clear()
        taken, self._waiting = list(self._waiting.values()), {}
        resync, self._resync = self._resync, False
        return taken, resync


class Hub:
    """Listens to the database in a thread of its own and hands notices to subscribers on the event loop."""

    def __init__(self, database: Database) -> None:
        """Listen to ``database`` once started."""
        self._database = database
        self._subscribers: set[Subscriber] = set()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.listening = threading.Event()

    def start(self) -> None:
        """Start listening; call on the event loop that serves the clients."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="live-readings", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End all streams and the listener."""
        self._stopping.set()
        self._close_all()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 5.0)

    def close_streams(self) -> None:
        """End all streams and accept no more; callable from a signal handler's thread."""
        self._stopping.set()
        self._on_loop(self._close_all)

    def require_room(self) -> None:
        """Refuse a further client when there are as many as the process serves, or when it is stopping.

        Raises:
            Unavailable: with a hint when to come back.
        """
        if len(self._subscribers) >= MOST_CLIENTS or self._stopping.is_set():
            raise Unavailable("Too many live pages are open.", code="too_many_streams", hint="Reload in a minute.")

    @contextmanager
    def subscribe(self, organization_id: int, site_id: int) -> Iterator[Subscriber]:
        """Receive a site's notices for as long as the context is open.

        Raises:
            Unavailable: as :meth:`require_room`.
        """
        self.require_room()
        subscriber = Subscriber(organization_id, site_id)
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                with self._database.connect(Role.APP, autocommit=True) as connection:  # unscoped: LISTEN reads no table
                    for channel in (READINGS, USAGE):
                        connection.execute(f"LISTEN {channel}")
                    if failures:
                        self._on_loop(self._resync_all)
                    failures = 0
                    self.listening.set()
                    self._listen(connection)
            except psycopg.Error as error:
                log.warning("live_listener_lost", error=str(error).splitlines()[0] if str(error) else "")
                self.listening.clear()
                self._stopping.wait(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        while not self._stopping.is_set():
            for notification in connection.notifies(timeout=STOP_CHECK_S):
                notices = notices_in(notification.channel, notification.payload)
                if notices:
                    self._on_loop(partial(self._offer_all, notices))
                if self._stopping.is_set():
                    return

    def _offer_all(self, notices: Sequence[Notice]) -> None:
        for subscriber in self._subscribers:
            for notice in notices:
                subscriber.offer(notice)

    def _close_all(self) -> None:
        for subscriber in self._subscribers:
            subscriber.close()

    def _resync_all(self) -> None:
        for subscriber in self._subscribers:
            subscriber.resync()

    def _on_loop(self, call: Callable[[], object]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)


router = APIRouter(prefix="/api", tags=["live"], responses=REFUSALS)


@router.get(
    "/stream",
    operation_id="stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream(
    request: Request,
    scope: Annotated[Scope, Depends(authorize(PERMISSION))],
    database: AppDatabase,
    site: Annotated[int, Query(ge=1, le=2**31 - 1)],
) -> StreamingResponse:
    """Send ``event: reading`` with ``{meter_id, service_point_id, at}`` for every reading committed at a site.

    ``event: usage`` with ``{service_point_ids}`` follows when what they used, their flags or their statements were
    computed anew: ask for those then. ``event: resync`` asks the client to load again what it shows; a comment line
    keeps the connection open.
    """
    hub: Hub = request.app.state.live
    hub.require_room()
    places = await asyncio.to_thread(_service_points_of_meters, database, scope, site)
    token = token_of(request) or ""
    return StreamingResponse(
        _events(hub, database, token, scope, site, places),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(
    hub: Hub, database: Database, token: str, scope: Scope, site_id: int, places: Mapping[int, int]
) -> AsyncIterator[str]:
    clock = asyncio.get_running_loop().time
    with hub.subscribe(scope.organization_id, site_id) as subscriber:
        yield "retry: 2000\n: connected\n\n"
        checked = clock()
        while (taken := await subscriber.take(HEARTBEAT_S)) is not None:
            notices, resync = taken
            if clock() - checked >= HEARTBEAT_S:
                if not await asyncio.to_thread(_may_still_see, database, token, scope):
                    return
                checked = clock()
            if not notices and not resync:
                yield ": still here\n\n"
                continue
            if any(isinstance(notice, ReadingNotice) and notice.meter_id not in places for notice in notices):
                places = await asyncio.to_thread(_service_points_of_meters, database, scope, site_id)
            yield "".join(_lines(notices, places, resync=resync))


def _lines(notices: list[Notice], places: Mapping[int, int], *, resync: bool) -> Iterator[str]:
    if resync:
        yield "event: resync\ndata: {}\n\n"
    for notice in notices:
        if not isinstance(notice, ReadingNotice):
            continue
        place = places.get(notice.meter_id)
        data = {
            "meter_id": str(notice.meter_id),
            "service_point_id": None if place is None else str(place),
            "at": notice.at,
        }
        yield f"event: reading\ndata: {json.dumps(data)}\n\n"
    points = [str(notice.service_point_id) for notice in notices if isinstance(notice, UsageNotice)]
    if points:
        yield f"event: usage\ndata: {json.dumps({'service_point_ids': points})}\n\n"


def _service_points_of_meters(database: Database, scope: Scope, site_id: int) -> dict[int, int]:
    with database.unit_of_work(scope) as uow:
        estate.site(uow, site_id)
        return {
            installed.meter_id: installed.service_point_id
            for installed in estate.installations(uow, site_id)
            if installed.ends_at is None
        }


def _may_still_see(database: Database, token: str, opened: Scope) -> bool:
    """Tell whether the session goes on, in the same organization and with the permission the stream asks for."""
    try:
        now = scope_of(database, token)
        return now is not None and now.organization_id == opened.organization_id and now.allows(PERMISSION)
    except (DemeterError, SQLAlchemyError):
        return True  # the database is away, not the session; the next quiet moment asks again
