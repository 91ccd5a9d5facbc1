"""What a fleet file may say about a meter, alone or as one of a group: the fields of ``MeterConfig``, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from demeter.kernel import Invalid
from demeter.protocols.dlms.security import Suite
from demeter.simulator.faults import DEAD, Fault, FaultKind, parse_fault
from demeter.simulator.fleet import LoadConfig, MeterKind, Role, RowFormat, Transport
from demeter.simulator.fleet_file.checks import (
    Check,
    Fields,
    Findings,
    Unfit,
    duration,
    flag,
    hexadecimal,
    moment,
    one_of,
    whole,
    words,
    zone_name,
)
from demeter.simulator.fleet_file.documents import Place
from demeter.simulator.load_shapes import SHAPES
from demeter.simulator.push_config import PushConfig, PushForm, PushTransport
from demeter.simulator.security import MECHANISMS, PROTECTIONS, SecurityConfig

_SHARE: Final = re.compile(r"(\d{1,3})(?:\.(\d))?\s*%")
_DAY_S, _YEAR_S = 86_400, 366 * 86_400
_MOST = 2**53
DEFAULT_LOAD: Final = {
    MeterKind.SINGLE_PHASE: "household-electricity",
    MeterKind.THREE_PHASE: "household-electricity",
    MeterKind.WATER: "household-water",
}
_PLAIN: Final[dict[str, Check]] = {
    "kind": one_of(MeterKind),
    "role": one_of(Role),
    "building": words,
    "unit": words,
    "purpose": words,
    "zone": zone_name,
    "smart": flag,
    "row_format": one_of(RowFormat),
    "transport": one_of(Transport),
    "interval_s": duration(60, _DAY_S),
    "entries": whole(1, 1_000_000),
    "opening": whole(0, _MOST),
    "dial_digits": whole(3, 15),
    "relay": flag,
    "control_mode": whole(0, 6),
    "limit_w": whole(0, 2**32 - 1),
    "limit_over_s": duration(0, _DAY_S),
    "image_block_size": whole(16, 60_000),
    "image_seconds": duration(0, _DAY_S),
    "max_pdu": whole(64, 65_535),
    "hdlc_window": whole(1, 7),
    "hdlc_frame": whole(32, 2030),
}
"""Fields that are one value and are the same for every meter of a group."""


@dataclass(frozen=True, slots=True)
class Context:
    """What checking needs to know: the present, the fleet's zone, and where recordings are."""

    now_s: int
    zone: str
    folder: Path


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A fault, and which meters of a group have it: a share in permille, a number, or their numbers; all by default."""

    fault: Fault
    permille: int = 1000
    count: int | None = None
    members: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class MeterPlan:
    """What a meter or every meter of a group is like. ``parts`` of its load are names of meters or groups."""

    values: dict[str, Any]
    load: LoadConfig
    security: SecurityConfig
    push: PushConfig
    faults: tuple[FaultPlan, ...]


def meter_plan(fields: Fields, context: Context, base: MeterPlan | None = None) -> MeterPlan:
    """Check what stands there about a meter. ``base``: what is not said is taken from there."""
    values = dict(base.values) if base is not None else {}
    for name, check in _PLAIN.items():
        given = fields.take(name, check)
        if given is not None:
            values[name] = given
    kind = MeterKind(values.get("kind", MeterKind.SINGLE_PHASE))
    known = base.load if base is not None and base.load.shape else LoadConfig(DEFAULT_LOAD[kind])
    load = _load(fields, context, known) if "load" in fields else known
    security = _security(fields.within("security"), base.security if base is not None else SecurityConfig())
    push = _push(fields.within("push"), base.push if base is not None else PushConfig())
    zone = str(values.get("zone", context.zone))
    faults = tuple(base.faults) if base is not None else ()
    for value, place in fields.each("faults"):
        found = _fault(value, place, fields.findings, moment(context.now_s, zone))
        faults += (found,) if found is not None else ()
    return MeterPlan(values, load, security, push, faults)


def _load(fields: Fields, context: Context, base: LoadConfig) -> LoadConfig:
    shapes = one_of((*SHAPES, "steady", "bulk", "replay"))
    word: list[str] = []

    def shape_or_mapping(value: object) -> None:
        if isinstance(value, str):
            word.append(shapes(value))

    probe = fields.peek("load")
    if isinstance(probe, str):
        fields.take("load", shape_or_mapping)
        return LoadConfig(word[0]) if word else base
    inside = fields.within("load")
    file = inside.take("csv", _recording(context)) or inside.take("file", _recording(context)) or ""
    shape = inside.take("shape", shapes, "replay" if file else base.shape)
    parts = tuple(_text_of(value, place, inside) for value, place in inside.each("parts"))
    load = LoadConfig(
        shape,
        seed=inside.take("seed", whole(0, 2**63), 0),
        month=inside.take("month", _month, ""),
        month_total=inside.take("month_total", whole(0, _MOST), 0),
        per_hour=inside.take("per_hour", whole(0, _MOST), 0),
        parts=parts,
        loss_permille=inside.take("loss_permille", whole(0, 1000), 0),
        file=file,
        unit_scaler=inside.take("unit_scaler", whole(-6, 6), 3),
        shift_s=inside.take("shift_s", duration(-50 * _YEAR_S, 50 * _YEAR_S), 0),
    )
    inside.finish()
    if shape == "replay" and not file:
        fields.findings.add(inside.place, "a replayed load needs csv: the file of its rows")
    if shape == "bulk" and not parts:
        fields.findings.add(inside.place, "a bulk load needs parts: the meters or groups it sums up")
    return load


def _text_of(value: object, place: Place, fields: Fields) -> str:
    try:
        return words(value)
    except Unfit as reason:
        fields.findings.add(place, str(reason))
        return ""


def _recording(context: Context) -> Check:
    def check(value: object) -> str:
        name = words(value)
        if not (context.folder / name).is_file():
            raise Unfit(f"there is no file {context.folder / name}")
        return name

    return check


def _month(value: object) -> str:
    text = str(value)
    year, _, month = text.partition("-")
    if not (len(year) == 4 and year.isdecimal() and len(month) == 2 and month.isdecimal() and 1 <= int(month) <= 12):
        raise Unfit(f"{value!r} is no month such as 2026-10")
    return text


def _security(fields: Fields, base: SecurityConfig) -> SecurityConfig:
    suite = Suite(fields.take("suite", whole(0, 2), base.suite))
    size, point = suite.key_size, suite.coordinate_size
    found = SecurityConfig(
        suite=int(suite),
        mechanism=fields.take("mechanism", one_of(MECHANISMS), base.mechanism),
        protection=fields.take("protection", one_of(PROTECTIONS), base.protection),
        plain=fields.take("plain", flag, base.plain),
        signed=fields.take("signed", flag, base.signed),
        hls_secret=fields.take("hls_secret", words, base.hls_secret),
        master_key=fields.take("master_key", hexadecimal(size), base.master_key),
        signing_key=fields.take("signing_key", hexadecimal(point), base.signing_key),
        agreement_key=fields.take("agreement_key", hexadecimal(point), base.agreement_key),
        client_signing_key=fields.take("client_signing_key", hexadecimal(2 * point), base.client_signing_key),
        client_agreement_key=fields.take("client_agreement_key", hexadecimal(2 * point), base.client_agreement_key),
    )
    if suite is Suite.ZERO and (found.signed or found.mechanism == "hls-ecdsa"):
        fields.findings.add(fields.place, "signatures need suite 1 or 2")
    fields.finish()
    return found


def _push(fields: Fields, base: PushConfig) -> PushConfig:
    found = PushConfig(
        destination=fields.take("destination", _destination, base.destination),
        transport=PushTransport(fields.take("transport", one_of(PushTransport), base.transport)),
        form=PushForm(fields.take("form", one_of(PushForm), base.form)),
        every_s=fields.take("every_s", duration(0, _DAY_S), base.every_s),
        random_s=fields.take("random_s", duration(0, 0xFFFF), base.random_s),
        alerts=fields.take("alerts", flag, base.alerts),
        confirmed=fields.take("confirmed", flag, base.confirmed),
        retries=fields.take("retries", whole(0, 255), base.retries),
        retry_s=fields.take("retry_s", duration(0, 0xFFFF), base.retry_s),
        load_rows=fields.take("load_rows", whole(0, 0xFFFF), base.load_rows),
        client_title=fields.take("client_title", hexadecimal(8), base.client_title),
    )
    fields.finish()
    return found


def _destination(value: object) -> str:
    text = words(value)
    host, _, port = text.rpartition(":")
    if text and not (host and port.isdecimal() and 0 < int(port) < 65_536 and text.isascii()):
        raise Unfit(f"{text!r} is no host:port")
    return text


def _fault(value: object, place: Place, findings: Findings, instant: Check) -> FaultPlan | None:
    before = len(findings.problems)
    fields = Fields(value, place, findings)
    record: dict[str, object] = {"fault": fields.need("fault", one_of((*FaultKind, DEAD)), "")}
    for name in ("since", "since_s"):
        at = fields.take(name, instant)
        record |= {} if at is None else {"since": at}
    until = fields.take("until", instant)
    until = fields.take("until_s", instant, until)
    lasting = fields.take("for", duration(0, 50 * _YEAR_S))
    until = record.get("since", 0) + lasting if lasting is not None and until is None else until
    record |= {} if until is None else {"until": until}
    for name in ("litres_per_hour", "seconds", "delay_ms", "one_in", "seed", "bytes", "code"):
        number = fields.take(name, duration(-_YEAR_S, _MOST) if name == "seconds" else whole(0, _MOST))
        record |= {} if number is None else {name: number}
    record |= {"mode": mode} if (mode := fields.take("mode", one_of(("silent", "closed")))) else {}
    permille, count, members = fields.take("meters", _chosen, (1000, None, frozenset()))
    fields.finish()
    if len(findings.problems) > before:
        return None
    try:
        return FaultPlan(parse_fault(record), permille, count, members)
    except Invalid as wrong:
        findings.add(place, wrong.message)
        return None


def _chosen(value: object) -> tuple[int, int | None, frozenset[int]]:
    """Check which meters of a group are meant: ``10%``, a number of them, or a list of their numbers."""
    if isinstance(value, list) and all(isinstance(each, int) and not isinstance(each, bool) for each in value):
        return 0, None, frozenset(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return 0, value, frozenset()
    share = _SHARE.fullmatch(str(value).strip())
    permille = int(share[1]) * 10 + int(share[2] or 0) if share else 1001
    if permille <= 1000:
        return permille, None, frozenset()
    raise Unfit(f"{value!r} is neither a share such as 10%, nor a number of meters, nor a list of their numbers")
