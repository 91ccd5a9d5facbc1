"""What goes over the line, as octets and as trees, on stderr; secrets that travel in clear are not shown.

The event loop is tapped, below the driver and whatever framing it uses: every TCP connection and UDP socket it opens.
Serial lines are no part of that.
"""

from __future__ import annotations

import asyncio
import shutil
from typing import Any, Final, cast

from demeter.drivers.dlms.profiles import obis_name
from demeter.protocols.dlms.translate import Keyring, Node, Translation, Translator, to_text
from demeter.sdk.commands import say

WIDEST: Final = 100
HIDDEN: Final = "(not shown)"
_WRAPPER_HEADER: Final = 8
_FLAG: Final = 0x7E
_WRAPPER_VERSION: Final = b"\x00\x01"
_LLS: Final = bytes.fromhex("60857405080201")


def cut(octets: bytes) -> tuple[list[bytes], bytes]:
    """Cut a stream into whole frames and what is not yet one; what has no frames is one piece."""
    frames = []
    while octets:
        size = _size(octets)
        if size == 0 or size > len(octets):
            break
        frames.append(octets[:size])
        octets = octets[size:]
    return frames, octets


def _size(octets: bytes) -> int:
    """Octets of the frame at the start (0: cannot be told yet)."""
    if octets[0] == _FLAG:
        start = next((at for at, octet in enumerate(octets) if octet != _FLAG), 0)
        if not start or len(octets) < start + 2:
            return 0
        return start + ((octets[start] & 7) << 8 | octets[start + 1]) + 1
    if _WRAPPER_VERSION.startswith(octets[:2]):  # torn within the version, even one octet may begin a frame
        return _WRAPPER_HEADER + int.from_bytes(octets[6:8], "big") if len(octets) >= _WRAPPER_HEADER else 0
    return len(octets)


class Trace:
    """Prints frames as they pass; opens them with ``keyring`` and what the frames themselves tell."""

    def __init__(self, keyring: Keyring) -> None:
        self._translator = Translator(keyring, obis_name)
        self._pending = {True: b"", False: b""}

    def passed(self, octets: bytes, *, sent: bool, whole: bool = False) -> None:
        """Take what was sent or received; ``whole``: it is a datagram."""
        frames, rest = ([octets], b"") if whole else cut(self._pending[sent] + octets)
        self._pending[sent] = rest
        for frame in frames:
            found = self._translator.translate(frame)
            shown = masked(found, frame)
            say(f"{'→ sent' if sent else '← received'}, {len(frame)} octets")
            say(_wrapped(shown))
            say(to_text(found, min(shutil.get_terminal_size().columns, WIDEST)))


def masked(found: Translation, frame: bytes) -> str:
    """Return a frame's octets as text and hide, there and in its tree, a password and a dedicated key."""
    shown = [f"{octet:02x}" for octet in frame]
    for tree in found.frames:
        for node, clear in _secrets(tree, clear=True):
            if clear:
                size = len(node.value) if isinstance(node.value, bytes) else 0
                end = node.offset + node.length
                shown[end - size : end] = ["··"] * size
            node.value, node.meaning = HIDDEN, ""
    return " ".join(shown)


def _secrets(node: Node, *, clear: bool) -> list[tuple[Node, bool]]:
    """The nodes of secrets, and whether they stand in the octets as they are."""
    found = []
    clear = clear and not node.derived
    mechanism = next((item.value for item in node.items or () if item.name == "MechanismName"), b"")
    for item in node.items or ():
        if item.name == "DedicatedKey":
            found.append((item, clear))
        elif item.name == "CallingAuthenticationValue" and mechanism == _LLS:
            found += [(part, clear) for part in item.items or ()]
        else:
            found += _secrets(item, clear=clear)
    return found


def _wrapped(shown: str) -> str:
    width = max(min(shutil.get_terminal_size().columns, WIDEST) // 3 * 3, 24)
    return "\n".join(shown[at : at + width].rstrip() for at in range(0, len(shown), width))


class _Tapped:
    """A transport whose octets are shown before they go out."""

    def __init__(self, transport: Any, trace: Trace) -> None:
        self._transport = transport
        self._trace = trace

    def write(self, octets: bytes) -> None:
        self._trace.passed(bytes(octets), sent=True)
        self._transport.write(octets)

    def sendto(self, octets: bytes, *address: Any) -> None:
        self._trace.passed(bytes(octets), sent=True, whole=True)
        self._transport.sendto(octets, *address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Tap(asyncio.Protocol, asyncio.DatagramProtocol):
    """Stands between a transport and its protocol, and shows what passes."""

    def __init__(self, inner: Any, trace: Trace) -> None:
        self.inner = inner
        self._trace = trace

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.inner.connection_made(cast("asyncio.Transport", _Tapped(transport, self._trace)))

    def data_received(self, data: bytes) -> None:
        self._trace.passed(data, sent=False)
        self.inner.data_received(data)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._trace.passed(data, sent=False, whole=True)
        self.inner.datagram_received(data, addr)

    def error_received(self, exc: Exception) -> None:
        self.inner.error_received(exc)

    def eof_received(self) -> bool | None:
        return cast("bool | None", self.inner.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        self.inner.connection_lost(exc)


class TracedLoop(asyncio.SelectorEventLoop):
    """An event loop that shows what passes over the connections it makes."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self._trace = trace

    async def create_connection(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        """Connect with the tap between."""
        tap = _Tap(protocol_factory(), self._trace)
        transport, _ = await super().create_connection(lambda: tap, *args, **options)
        return transport, tap.inner

    async def create_datagram_endpoint(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        """Open a socket with the tap between."""
        tap = _Tap(protocol_factory(), self._trace)
        transport, _ = await super().create_datagram_endpoint(lambda: tap, *args, **options)
        return transport, tap.inner
