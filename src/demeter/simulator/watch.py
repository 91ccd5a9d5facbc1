"""What meters do by themselves while nobody asks: once a second, for those that have anything to do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from demeter.simulator.line import MeterHost

TICK_S: Final = 1.0
MOST_S: Final = 0.02
"""How long meters may be busy with themselves before those that are asked are answered, in seconds."""


class Watch:
    """The meters with pushes to send or a limit to keep."""

    def __init__(self) -> None:
        self._watched: dict[str, MeterHost] = {}
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Return how many meters are watched."""
        return len(self._watched)

    def review(self, host: MeterHost) -> None:
        """Look again whether a meter has anything to do by itself."""
        name = host.meter.config.name
        if host.restless():
            self._watched[name] = host
        else:
            self._watched.pop(name, None)

    def begin(self) -> None:
        """Begin to tick."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def end(self) -> None:
        """Tick no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def tick(self) -> None:
        """Let every watched meter do what is due."""
        for host in list(self._watched.values()):
            host.tick()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = rested = loop.time()
            for host in list(self._watched.values()):
                host.tick()
                if loop.time() - rested > MOST_S:  # thousands push at the same full hour: others are served meanwhile
                    await asyncio.sleep(0)
                    rested = loop.time()
            await asyncio.sleep(max(TICK_S - (loop.time() - began), TICK_S / 10))
