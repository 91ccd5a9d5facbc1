"""One session with one meter, for one command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from demeter.drivers.dlms.cli.keys import keyring_of
from demeter.drivers.dlms.cli.options import Meter
from demeter.drivers.dlms.cli.tracing import Trace, TracedLoop
from demeter.drivers.dlms.connection import Connection
from demeter.drivers.dlms.counters import FileCounters
from demeter.drivers.dlms.dialing import dial
from demeter.drivers.dlms.driver import DlmsDriver
from demeter.drivers.dlms.options import DlmsOptions
from demeter.drivers.dlms.session import DlmsSession
from demeter.sdk import CounterStore, Credentials

T = TypeVar("T")


class ToolDriver(DlmsDriver):
    """The driver, with an invocation counter that may be given: some meters do not tell theirs to everybody."""

    def __init__(self, counter: int | None, counters: CounterStore | None) -> None:
        super().__init__(counters=counters)
        self._given = counter

    async def _line(self, options: DlmsOptions, credentials: Credentials) -> tuple[Connection, int]:
        if self._given is None:
            return await super()._line(options, credentials)
        return await dial(options.line, options.connect_s), self._given - 1


def with_session(meter: Meter, act: Callable[[DlmsSession], Awaitable[T]]) -> T:
    """Open a session with a meter, act, close it.

    Raises:
        ReadFailure: with the reason a person understands.
    """

    async def story() -> T:
        counters = None if meter.counter_file is None else FileCounters(meter.counter_file)
        session = await ToolDriver(meter.counter, counters).open(meter.endpoint, meter.credentials)
        try:
            return await act(session)
        finally:
            await session.close()

    if not meter.trace:
        return asyncio.run(story())
    trace = Trace(keyring_of(meter.keys, meter.credentials.secrets))
    with asyncio.Runner(loop_factory=lambda: TracedLoop(trace)) as runner:
        return runner.run(story())
