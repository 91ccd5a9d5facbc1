"""A serial meter of the tests: a pseudo-terminal whose far end leads to a simulated meter, after mode E if wanted."""

from __future__ import annotations

import asyncio
import os
import pty
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from demeter.protocols.iec62056_21 import ModeEMeter


class SerialMeter:
    """The far end of the line. ``speeds``: what the near end had set whenever octets came."""

    def __init__(self, far: int, near: int, meter: tuple[str, int], mode_e: ModeEMeter | None, octets_s: int) -> None:
        self.path = os.ttyname(near)
        self.mode_e = mode_e
        self.speeds: list[int] = []
        self.conversation: list[bytes] = []
        self._far = far
        self._near = near
        self._meter = meter
        self._octets_s = octets_s
        self.carried = 0
        self._writer: asyncio.StreamWriter | None = None
        self._pump: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        reader, self._writer = await asyncio.open_connection(*self._meter)
        self._pump = asyncio.create_task(self._carry(reader))
        asyncio.get_running_loop().add_reader(self._far, self._heard)

    async def _carry(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(4096):
            for start in range(0, len(data), 100):  # as a serial line delivers: in pieces
                piece = data[start : start + 100]
                await asyncio.sleep(len(piece) / self._octets_s if self._octets_s else 0)
                os.write(self._far, piece)
                self.carried += len(piece)

    def _heard(self) -> None:
        data = os.read(self._far, 4096)
        speed = termios.tcgetattr(self._near)[5]
        if self.speeds[-1:] != [speed]:
            self.speeds.append(speed)
        if self.mode_e is not None and not self.mode_e.done:
            self.conversation.append(data)
            for step in self.mode_e.receive(data):
                os.write(self._far, step.send)
        elif self._writer is not None:
            self._writer.write(data)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._far)
        if self._writer is not None:
            self._writer.close()
            with suppress(ConnectionError):
                await self._writer.wait_closed()
        if self._pump is not None:
            await self._pump


@asynccontextmanager
async def serial_line(
    meter: tuple[str, int], mode_e: ModeEMeter | None = None, octets_s: int = 0
) -> AsyncIterator[SerialMeter]:
    """A pseudo-terminal that leads to the meter at a TCP address, at that many octets a second (0: as they come)."""
    far, near = pty.openpty()
    tty.setraw(near)
    line = SerialMeter(far, near, meter, mode_e, octets_s)
    try:
        await line.connect()
        try:
            yield line
        finally:
            await line.close()
    finally:
        os.close(near)
        os.close(far)
