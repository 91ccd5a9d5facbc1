"""The control socket: JSON lines on loopback to switch faults at run time and to ask for the truth.

One request per line, one answer per line. Requests:

* ``{"meter": M, "fault": "leak", "litres_per_hour": 60}``: enter a fault from now on (or ``since``/``until``);
* ``{"meter": M, "clear": "leak"}`` (or ``"all"``): end faults now;
* ``{"meter": M, "truth": {"since": …, "until": …}}``: the true amounts of the intervals ending in ``(since, until]``;
* ``{"meter": M, "dial": AT}``: what the register shows at an instant (of a legacy meter too: somebody reads the dial);
* ``{"meter": M, "press": true}``: somebody presses the button of the load switch;
* ``{"meter": M, "state": true}``: what the meter is like now and how often it was told what: the truth about commands;
* ``{"meters": true}``: every meter with its address-independent description and faults.

``M`` is a name, or ``"*"`` for all smart meters where a fault is entered or cleared. Instants are ISO 8601 with an
offset, or UTC epoch seconds. Answers are ``{"ok": true, …}`` or ``{"ok": false, "error": …}``.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from demeter.kernel import DemeterError, Invalid, NotFound, Unavailable
from demeter.simulator.event_log import ENTRIES
from demeter.simulator.faults import FaultKind, fault_record, parse_fault, parse_instant
from demeter.simulator.limiter import NO_LIMIT
from demeter.simulator.line import MeterHost
from demeter.simulator.loads import amounts
from demeter.simulator.meter import Meter

MAX_REQUEST = 65_536
_MAX_ROWS = 400_000
_ENDING = (FaultKind.REBOOT, FaultKind.WRONG_KEY)
"""Faults that end what is connected when they begin."""


class ControlDesk:
    """Carries out control requests on the meters of one simulation."""

    def __init__(self, meters: Mapping[str, Meter], hosts: Mapping[str, MeterHost]) -> None:
        self._meters = meters
        self._hosts = hosts
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def listen(self, host: str, port: int) -> None:
        """Open the control socket.

        Raises:
            Unavailable: the port is taken.
        """
        try:
            self._server = await asyncio.start_server(self._converse, host, port, limit=MAX_REQUEST)
        except OSError as taken:
            raise Unavailable(f"cannot listen on control port {port}: {taken.strerror}") from taken
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Close the socket and its connections."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.close()
            await self._server.wait_closed()
            self._server = None

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # gone, or a line without end: either way there is nobody to answer
        finally:
            self._writers.discard(writer)
            writer.close()

    def answer(self, line: bytes) -> dict[str, Any]:
        """Carry out one request line; never raises."""
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise Invalid("a request is a JSON object")
            return {"ok": True, **self.carry_out(request)}
        except DemeterError as refused:
            return {"ok": False, "error": refused.message, "hint": refused.hint}
        except ValueError as wrong:
            return {"ok": False, "error": f"not JSON: {wrong}", "hint": ""}

    def carry_out(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a request.

        Raises:
            Invalid: it cannot be understood.
            NotFound: there is no such meter.
        """
        known: dict[str, Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {
            "meters": lambda _name, _request: {"meters": [_described(meter) for meter in self._meters.values()]},
            "fault": self._enter,
            "clear": lambda name, request: self._clear(name, str(request["clear"])),
            "truth": lambda name, request: _truth(self._meter(name), request["truth"]),
            "dial": lambda name, request: _dial(self._meter(name), request["dial"]),
            "state": lambda name, _request: self._state(self._meter(name)),
            "press": lambda name, _request: _press(self._meter(name)),
        }
        for word, carry_out in known.items():
            if word in request:
                return carry_out(str(request.get("meter", "")), request)
        raise Invalid(f"a request holds {', '.join(known)}")

    def _state(self, meter: Meter) -> dict[str, Any]:
        """Return a meter's state. ``switched``: how often the contact moved; ``resets``: periods ended by command."""
        meter.advance()
        limits, host = meter.limiter.limits, self._hosts.get(meter.config.name)
        return {
            "meter": meter.config.name,
            "closed": meter.relay.closed,
            "control_state": meter.relay.state.name.lower(),
            "control_mode": int(meter.relay.mode),
            "switched": meter.relay.version(),
            "limit_w": None if limits.normal == NO_LIMIT else limits.normal,
            "drift_s": meter.now_s() - meter.true_now_s(),
            "firmware": meter.image.version,
            "image": meter.image.status.name.lower(),
            "calendar": meter.tariff.active.name.decode("latin-1"),
            "periods": len(meter.billing_ends()),
            "resets": meter.billing.resets,
            "events": {group: meter.log.count(group) for group in ENTRIES},
            "pushes": None if host is None else asdict(host.count),
            "key_changes": None if host is None else host.keys.changes,
        }

    def _meter(self, name: str) -> Meter:
        found = self._meters.get(name)
        if found is None:
            raise NotFound(f"there is no meter {name!r}", hint='ask {"meters": true} for the names')
        return found

    def _chosen(self, name: str) -> list[Meter]:
        return [host.meter for host in self._hosts.values()] if name == "*" else [self._meter(name)]

    def _enter(self, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
        chosen = self._chosen(name)
        values = {key: value for key, value in request.items() if key != "meter"}
        for meter in chosen:
            fault = parse_fault(values, meter.true_now_s())
            meter.book.add(fault)
            host = self._hosts.get(meter.config.name)
            if host is not None and fault.fault in _ENDING and fault.active(meter.true_now_s()):
                host.drop_connections()
            meter.advance()
            if host is not None:
                host.changed(host)
        return {"meters": len(chosen)}

    def _clear(self, name: str, word: str) -> dict[str, Any]:
        try:
            kind = None if word == "all" else FaultKind(word)
        except ValueError as unknown:
            raise Invalid(str(unknown)) from unknown
        return {"ended": sum(meter.book.clear(kind, meter.true_now_s()) for meter in self._chosen(name))}


def _described(meter: Meter) -> dict[str, Any]:
    config = meter.config
    return {
        "meter": config.name,
        "serial": config.serial,
        "kind": config.kind,
        "role": config.role,
        "building": config.building,
        "unit": config.unit,
        "purpose": config.purpose,
        "smart": config.smart,
        "period_s": meter.period_s,
        "faults": [fault_record(fault) for fault in meter.book.all()],
    }


def _dial(meter: Meter, at: object) -> dict[str, Any]:
    at_s = parse_instant(at)
    return {
        "meter": meter.config.name,
        "at_s": at_s,
        "index": meter.register.index_at(at_s),
        "scaler": meter.scaler,
    }


def _press(meter: Meter) -> dict[str, Any]:
    meter.advance()
    pressed = meter.relay.press_button(meter.true_now_s())
    return {"did": pressed, "closed": meter.relay.closed, "state": meter.relay.state.name.lower()}


def _truth(meter: Meter, window: object) -> dict[str, Any]:
    """Return what really flowed: stamps (interval ends), amounts, and the dial at both ends of the window."""
    if not isinstance(window, dict) or not {"since", "until"} <= set(window):
        raise Invalid("truth needs since and until")
    since_s, until_s = parse_instant(window["since"]), parse_instant(window["until"])
    period_s = meter.period_s
    if meter.recording is not None:
        within = (meter.recording.end_s > since_s) & (meter.recording.end_s <= until_s)
        end_s, values = meter.recording.end_s[within], meter.recording.values[within]
    else:
        first = (since_s // period_s + 1) * period_s
        if (until_s - first) // period_s > _MAX_ROWS:
            raise Invalid(f"more than {_MAX_ROWS} intervals: ask for a shorter window")
        bounds = np.arange(first - period_s, until_s + 1, period_s, dtype=np.int64)
        end_s, values = bounds[1:], amounts(meter.load, bounds) if len(bounds) else bounds
    return {
        "meter": meter.config.name,
        "period_s": period_s,
        "scaler": meter.scaler,
        "unit": meter.config.commodity.base_unit,
        "end_s": end_s.tolist(),
        "amounts": values.tolist(),
        "opening": meter.register.index_at(since_s),
        "closing": meter.register.index_at(until_s),
    }


def ask(port: int, request: Mapping[str, Any], host: str = "127.0.0.1", timeout_s: float = 10.0) -> dict[str, Any]:
    """Send one control request and return the answer, blocking.

    Raises:
        Unavailable: no simulator listens there.
        Invalid: it refused the request.
    """
    try:
        with socket.create_connection((host, port), timeout_s) as line, line.makefile("rwb") as stream:
            stream.write(json.dumps(dict(request)).encode() + b"\n")
            stream.flush()
            answer: dict[str, Any] = json.loads(stream.readline())
    except (OSError, ValueError) as gone:
        raise Unavailable(f"no simulator answers on control port {port}: {gone}") from gone
    if not answer["ok"]:
        raise Invalid(str(answer["error"]), hint=str(answer["hint"]))
    return answer
