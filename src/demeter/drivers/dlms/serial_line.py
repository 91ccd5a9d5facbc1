"""Serial lines as asyncio transports, by file descriptor and termios; and the mode E start on them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import termios
from typing import Final, cast

from demeter.drivers.dlms.checks import wrong
from demeter.drivers.dlms.failures import failure_of
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.iec62056_21 import ANSWER_S, ModeEReader, Step
from demeter.sdk import FailureKind, ReadFailure

READ_OCTETS: Final = 4096
TRY_AGAIN_S: Final = 0.1
_SPEED_IN, _SPEED_OUT, _CHARACTERS = 4, 5, 6


class SerialTransport:
    """A serial device with eight bits and no parity, held by this session alone (advisory lock).

    It has of ``asyncio.Transport`` what protocols here use: write, abort, is_closing, set_protocol.
    """

    def __init__(self, descriptor: int, protocol: asyncio.Protocol) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._protocol = protocol
        self._unsent = bytearray()
        self._empty = asyncio.Event()
        self._empty.set()
        self._closing = False
        self._loop.add_reader(descriptor, self._readable)

    @classmethod
    async def open(cls, path: str, baud: int, wait_s: float) -> SerialTransport:
        """Open a device, waiting up to ``wait_s`` seconds while another session holds it.

        Raises:
            ReadFailure: NO_ANSWER, when it is not there or stays in use; NOT_CONFIGURED, when it is no serial device.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise ReadFailure(FailureKind.NO_ANSWER, f"{path}: {error.strerror}") from None
        try:
            _check(descriptor, path)
            await _lock(descriptor, path, wait_s)
            _make_raw(descriptor, baud)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, asyncio.Protocol())

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol have what comes from now on, and tell it of this transport."""
        self._protocol = cast("asyncio.Protocol", protocol)
        protocol.connection_made(cast("asyncio.BaseTransport", self))

    def is_closing(self) -> bool:
        """Tell whether the device is closed."""
        return self._closing

    def write(self, data: bytes) -> None:
        """Send octets as the line takes them."""
        if self._closing:
            return
        waiting = bool(self._unsent)
        self._unsent += data
        if not waiting:
            self._writable()

    async def drained(self) -> None:
        """Wait until the last bit has left, so that the speed may be changed."""
        await self._empty.wait()
        if not self._closing:
            await self._loop.run_in_executor(None, termios.tcdrain, self._descriptor)

    def set_baud(self, baud: int) -> None:
        """Change the speed, in bit/s."""
        if not self._closing:
            _set_speed(self._descriptor, baud)

    def abort(self) -> None:
        """Close at once; may be called again."""
        self._close(None)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, READ_OCTETS)
        except BlockingIOError:
            return
        except OSError as error:  # unplugged, or the other end of a pseudo-terminal is gone
            self._close(error)
            return
        if data:
            self._protocol.data_received(data)
        else:
            self._close(None)

    def _writable(self) -> None:
        try:
            sent = os.write(self._descriptor, self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._close(error)
            return
        del self._unsent[:sent]
        if self._unsent:
            self._empty.clear()
            self._loop.add_writer(self._descriptor, self._writable)
        else:
            self._empty.set()
            self._loop.remove_writer(self._descriptor)

    def _close(self, error: OSError | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        self._unsent.clear()
        self._empty.set()
        with contextlib.suppress(termios.error):
            termios.tcflush(self._descriptor, termios.TCIOFLUSH)  # else closing waits for a line that stands still
        os.close(self._descriptor)
        self._loop.call_soon(self._protocol.connection_lost, error)


def _check(descriptor: int, path: str) -> None:
    if not os.isatty(descriptor):
        raise wrong(f"{path} is no serial device")


async def _lock(descriptor: int, path: str, wait_s: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if loop.time() >= until:
                raise ReadFailure(FailureKind.NO_ANSWER, f"{path} is in use by another session") from None
            await asyncio.sleep(TRY_AGAIN_S)
        else:
            return


def _make_raw(descriptor: int, baud: int) -> None:
    settings = termios.tcgetattr(descriptor)
    settings[0] = settings[1] = settings[3] = 0
    settings[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
    settings[_CHARACTERS][termios.VMIN] = 1
    settings[_CHARACTERS][termios.VTIME] = 0
    settings[_SPEED_IN] = settings[_SPEED_OUT] = _speed(baud)
    termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    termios.tcflush(descriptor, termios.TCIFLUSH)


def _set_speed(descriptor: int, baud: int) -> None:
    settings = termios.tcgetattr(descriptor)
    settings[_SPEED_IN] = settings[_SPEED_OUT] = _speed(baud)
    termios.tcsetattr(descriptor, termios.TCSADRAIN, settings)


def _speed(baud: int) -> int:
    speed: int = getattr(termios, f"B{baud}")
    return speed


class _Inbox(asyncio.Protocol):
    """Octets as they come, for a conversation before the link; None at the end."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def data_received(self, data: bytes) -> None:
        self.queue.put_nowait(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.queue.put_nowait(None)


async def enter_mode_e(line: SerialTransport, reader: ModeEReader) -> None:
    """Hold the opening conversation; afterwards the line carries HDLC at the agreed speed.

    Raises:
        ReadFailure: NO_ANSWER or TRUNCATED, when nobody answers or stops; GARBLED; NOT_SUPPORTED, when the meter does
            not offer HDLC.
    """
    inbox = _Inbox()
    line.set_protocol(inbox)
    steps = [reader.start()]
    try:
        while not await _carry_out(line, steps):
            try:
                async with asyncio.timeout(ANSWER_S):
                    data = await inbox.queue.get()
            except TimeoutError:
                steps = reader.expired()
                continue
            if data is None:
                raise ReadFailure(FailureKind.NO_ANSWER, "the serial line was closed")
            steps = reader.receive(data)
    except DlmsError as error:
        raise failure_of(error, "opening the line in mode E") from error


async def _carry_out(line: SerialTransport, steps: list[Step]) -> bool:
    for step in steps:
        if step.baud is not None:
            line.set_baud(step.baud)
        line.write(step.send)
        if step.then_baud is not None:
            await line.drained()
            line.set_baud(step.then_baud)
        if step.done:
            return True
    return False
