"""From a fleet file to its meters: sites and groups become single meters with names, serials, keys and addresses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np

from demeter.kernel import day_start, local_day
from demeter.protocols.dlms.security import Suite
from demeter.simulator.faults import Fault
from demeter.simulator.fleet import FleetConfig, MeterConfig, MeterKind, Role, RowFormat, Transport, epoch_s
from demeter.simulator.fleet_file.checks import (
    Fields,
    Findings,
    flag,
    hexadecimal,
    moment,
    whole,
    words,
    zone_name,
)
from demeter.simulator.fleet_file.documents import Document, Place
from demeter.simulator.fleet_file.keys import PASSWORD_OCTETS, completed, derived
from demeter.simulator.fleet_file.meters import Context, FaultPlan, MeterPlan, meter_plan
from demeter.simulator.load_shapes import SHAPES
from demeter.simulator.noise import draws, secret

MOST_METERS: Final = 100_000
_PORTS: Final = 65_535
_MAKER: Final = "DMT"
_DAY_S: Final = 86_400
_ENTRIES: Final = 2208
_WEEK_S: Final = 7 * _DAY_S
_ENUMS: Final[dict[str, Callable[[str], object]]] = {
    "kind": MeterKind,
    "role": Role,
    "row_format": RowFormat,
    "transport": Transport,
}


@dataclass(slots=True)
class _Group:
    """Meters alike. ``names``: of its meters; ``key_words``: keys given for all of them."""

    name: str
    place: Place
    plan: MeterPlan
    count: int
    port: int | None
    one_port: bool
    zone: str
    building: str
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of its meters."""
        if self.count == 1:
            return [self.name]
        width = max(4, len(str(self.count)))
        return [f"{self.name}-{number:0{width}}" for number in range(1, self.count + 1)]


@dataclass(slots=True)
class _Fleet:
    """What stands at the top of the file."""

    zone: str
    seed: int
    host: str
    history_start_s: int
    base_port: int
    shared_port: int | None
    control_port: int
    named_month: str
    labels: dict[str, str]
    now_s: int


def expand(document: Document, folder: Path, now: datetime) -> FleetConfig:
    """Return the fleet a document describes; ``folder``: where its recordings are.

    Raises:
        FleetFileError: with everything that does not fit.
    """
    findings = Findings(document)
    top = Fields(document.value, (), findings)
    fleet = _top(top, epoch_s(now))
    context = Context(epoch_s(now), fleet.zone, folder)
    defaults = top.within("defaults")
    base = meter_plan(defaults, context)
    defaults.finish()
    groups = [_group(value, place, findings, context, base, "") for value, place in top.each("groups")]
    for value, place in top.each("sites"):
        groups += _site(Fields(value, place, findings), context, base)
    groups += [_single(value, place, findings, context, base) for value, place in top.each("meters")]
    top.finish()
    findings.stop()
    if not groups:
        findings.add((), "there are no meters: write groups, sites or meters")
    _check_numbers(groups, fleet, findings)
    findings.stop()
    return _fleet(fleet, groups, findings)


def _top(top: Fields, now_s: int) -> _Fleet:
    zone = top.take("zone", zone_name, "UTC")
    start = top.take("history_start", moment(now_s, zone))
    start = top.take("history_start_s", whole(0, 2**40), start)
    days = top.take("history_days", whole(0, 36_500), 30)
    if start is None:
        first = local_day(zone, datetime.fromtimestamp(now_s - days * _DAY_S, UTC))
        start = epoch_s(day_start(zone, first))
    labels = top.within("labels")
    return _Fleet(
        zone,
        top.take("seed", whole(0, 2**63), 1),
        top.take("host", words, "127.0.0.1"),
        start,
        top.take("base_port", whole(0, _PORTS), 0),
        top.take("shared_port", whole(0, _PORTS)),
        top.take("control_port", whole(0, _PORTS), 0),
        top.take("named_month", words, ""),
        {name: str(labels.take(name, words, "")) for name in labels.names()},
        now_s,
    )


def _site(fields: Fields, context: Context, base: MeterPlan) -> list[_Group]:
    name = fields.need("name", words, "site")
    zone = fields.take("zone", zone_name, context.zone)
    here = replace(context, zone=zone)
    own = replace(base, values={**base.values, "zone": zone, "building": name})
    found = [_group(value, place, fields.findings, here, own, f"{name}/") for value, place in fields.each("groups")]
    if not found:
        fields.findings.add(fields.place, "a site needs groups")
    fields.finish()
    return found


def _group(value: object, place: Place, findings: Findings, context: Context, base: MeterPlan, prefix: str) -> _Group:
    fields = Fields(value, place, findings)
    name = fields.need("name", words, "group")
    count = fields.take("count", whole(1, MOST_METERS), 1)
    return _described(fields, context, base, f"{prefix}{name}", count)


def _single(value: object, place: Place, findings: Findings, context: Context, base: MeterPlan) -> _Group:
    fields = Fields(value, place, findings)
    name = fields.need("name", words, "meter")
    return _described(fields, context, base, name, 1)


def _described(fields: Fields, context: Context, base: MeterPlan, name: str, count: int) -> _Group:
    port = fields.take("port", whole(0, _PORTS))
    one_port = fields.take("one_port", flag, False)
    plan = meter_plan(fields, context, base)
    suite = Suite(plan.security.suite)
    given = {
        "serial": fields.take("serial", words),
        "system_title": fields.take("system_title", hexadecimal(8)),
        "server_sap": fields.take("server_sap", whole(1, _PORTS)),
        "physical_address": fields.take("physical_address", whole(0, 0x3FFF)),
        "encryption_key": fields.take("encryption_key", hexadecimal(suite.key_size)),
        "authentication_key": fields.take("authentication_key", hexadecimal(suite.key_size)),
        "password": fields.take("password", words),
    }
    fields.finish()
    if count > 1:
        for single in ("serial", "system_title"):
            if given[single] is not None:
                fields.findings.add((*fields.place, single), f"{count} meters cannot have the same {single}")
    zone, building = str(plan.values.get("zone", context.zone)), str(plan.values.get("building", ""))
    kept = {key: value for key, value in given.items() if value is not None}
    return _Group(name, fields.place, plan, count, port, one_port, zone, building, kept)


def _check_numbers(groups: list[_Group], fleet: _Fleet, findings: Findings) -> None:
    """Report too many meters, ports beyond the last, and names given twice."""
    total = sum(group.count for group in groups)
    if total > MOST_METERS:
        findings.add((), f"{total} meters; one process simulates at most {MOST_METERS}")
    if fleet.shared_port is None and fleet.base_port and fleet.base_port + total - 1 > _PORTS:
        findings.add(("base_port",), f"{total} meters from port {fleet.base_port} on pass the last port, {_PORTS}")
    seen: dict[str, Place] = {}
    for group in groups:
        if group.port and not group.one_port and group.port + group.count - 1 > _PORTS:
            findings.add((*group.place, "port"), f"{group.count} meters from there on pass the last port, {_PORTS}")
        if group.name in seen:
            findings.add((*group.place, "name"), f"{group.name!r} is the name of another group or meter")
        seen[group.name] = group.place


def _fleet(fleet: _Fleet, groups: list[_Group], findings: Findings) -> FleetConfig:
    members = {group.name: group.names for group in groups}
    numbers = _Numbers(fleet)
    meters = [meter for group in groups for meter in _meters(fleet, group, members, numbers, findings)]
    findings.stop()
    return FleetConfig(
        fleet.zone,
        fleet.history_start_s,
        tuple(meters),
        host=fleet.host,
        shared_port=fleet.shared_port,
        control_port=fleet.control_port,
        seed=fleet.seed,
        named_month=fleet.named_month,
        labels=fleet.labels,
    )


class _Numbers:
    """The running numbers of a fleet: meters, ports, and addresses behind each port."""

    def __init__(self, fleet: _Fleet) -> None:
        self._fleet = fleet
        self._meters = 0
        self._behind: defaultdict[int, int] = defaultdict(int)

    def next(self) -> int:
        """Return the number of the next meter, from 0."""
        self._meters += 1
        return self._meters - 1

    def address(self, group: _Group, place: int, number: int) -> tuple[int, int]:
        """Return port and server address of a meter."""
        given = group.given.get("server_sap")
        if self._fleet.shared_port is not None:
            return 0, self._counted(-1, given)
        if group.one_port and group.port:
            return group.port, self._counted(group.port, given)
        port = group.port + place if group.port else (self._fleet.base_port + number if self._fleet.base_port else 0)
        return port, given or 1

    def _counted(self, port: int, given: int | None) -> int:
        self._behind[port] += 1
        return given if given is not None else self._behind[port]


def _meters(
    fleet: _Fleet, group: _Group, members: dict[str, list[str]], numbers: _Numbers, findings: Findings
) -> Iterator[MeterConfig]:
    plan, suite = group.plan, Suite(group.plan.security.suite)
    load = replace(plan.load, parts=_parts(group, members, findings))
    having = [_having(fleet.seed, group, number, found) for number, found in enumerate(plan.faults)]
    common: dict[str, Any] = {
        name: _ENUMS[name](value) if name in _ENUMS else value for name, value in plan.values.items()
    }
    kind: MeterKind = common.pop("kind", MeterKind.SINGLE_PHASE)
    common.setdefault("entries", _entries(fleet, int(common.get("interval_s", 900))))
    own_zone = {} if group.zone == fleet.zone else {"zone": group.zone}
    common |= {"zone": ""} | own_zone
    for place, name in enumerate(group.names):
        number = numbers.next()
        port, server_sap = numbers.address(group, place, number)
        seed = int.from_bytes(secret(fleet.seed, name, 4), "big")
        given = dict(group.given)
        physical = given.pop("physical_address", 0)
        unit = common.get("unit") or (name.rpartition("/")[2] if group.count > 1 else "")
        yield MeterConfig(
            **{**common, "unit": unit},
            name=name,
            kind=kind,
            serial=given.pop("serial", f"DM{fleet.seed % 1000:03}{number:07}"),
            load=replace(load, seed=load.seed or seed) if load.shape in SHAPES else load,
            port=port,
            server_sap=server_sap,
            physical_address=physical + place if physical else 0,
            system_title=given.pop("system_title", _title(fleet.seed, number)),
            encryption_key=given.pop("encryption_key", derived(fleet.seed, name, "encryption", suite.key_size)),
            authentication_key=given.pop(
                "authentication_key", derived(fleet.seed, name, "authentication", suite.key_size)
            ),
            password=given.pop("password", derived(fleet.seed, name, "password", PASSWORD_OCTETS)),
            faults=tuple(chain.from_iterable(faults for members_with, faults in having if place in members_with)),
            security=completed(plan.security, fleet.seed, name),
            push=plan.push,
        )


def _entries(fleet: _Fleet, interval_s: int) -> int:
    """Return how many rows a load profile holds: what the standard asks for, or the whole history and some weeks."""
    history_s = max(fleet.now_s - fleet.history_start_s, 0)
    return max(_ENTRIES, (history_s + 4 * _WEEK_S) // interval_s)


def _title(seed: int, number: int) -> str:
    return (_MAKER.encode() + (seed % 1000 * 10_000_000 + number).to_bytes(5, "big")).hex()


def _parts(group: _Group, members: dict[str, list[str]], findings: Findings) -> tuple[str, ...]:
    """Return the meters a bulk load sums up; groups of the same site may be named without it."""
    found: list[str] = []
    site = group.name.rpartition("/")[0]
    single = {name for names in members.values() for name in names} if group.plan.load.parts else set()
    for part in group.plan.load.parts:
        inside = members.get(f"{site}/{part}", members.get(part))
        if inside is None and part not in single:
            findings.add((*group.place, "load", "parts"), f"there is no group or meter {part!r}")
        found += inside or [part]
    return tuple(found)


def _having(seed: int, group: _Group, number: int, plan: FaultPlan) -> tuple[frozenset[int], tuple[Fault, ...]]:
    """Return which meters of a group (counted from 0) have a fault: repeatable by the seed."""
    if plan.members:
        return frozenset(member - 1 for member in plan.members), (plan.fault,)
    count = group.count * plan.permille // 1000 if plan.count is None else min(plan.count, group.count)
    if plan.count is None and plan.permille and not count:
        count = 1
    own = int.from_bytes(secret(seed, f"{group.name}/fault/{number}", 4), "big")
    order = np.argsort(draws(own, 500, np.arange(group.count, dtype=np.int64), 1 << 31), kind="stable")
    return frozenset(order[:count].tolist()), (plan.fault,)
