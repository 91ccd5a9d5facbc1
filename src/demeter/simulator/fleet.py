"""What a fleet consists of: plain records that a JSON or TOML file holds and a provisioning step can read.

Nothing here knows Demeter's estate; ``unit``, ``building``, ``role`` and ``purpose`` are labels for whoever provisions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from demeter.kernel import Commodity, Invalid
from demeter.simulator.faults import Fault, fault_record, parse_fault
from demeter.simulator.push_config import SILENT, PushConfig, PushForm, PushTransport
from demeter.simulator.security import ORDINARY, SecurityConfig


class MeterKind(StrEnum):
    """Which object model a meter shows."""

    SINGLE_PHASE = "single-phase"
    THREE_PHASE = "three-phase"
    WATER = "water"


class Role(StrEnum):
    """What a meter stands for."""

    UNIT = "unit"
    BULK = "bulk"
    COMMON = "common"


class RowFormat(StrEnum):
    """How a meter writes the rows of its tables.

    ``delta``: stamps that follow by the period and values equal to the row before are sent as null-data;
    ``compact``: as a compact array, tags once.
    """

    PLAIN = "plain"
    DELTA = "delta"
    COMPACT = "compact"


class Transport(StrEnum):
    """What carries a meter's APDUs: wrapper frames over TCP or UDP, or HDLC over TCP (as behind a serial server)."""

    WRAPPER = "wrapper"
    WRAPPER_UDP = "wrapper-udp"
    HDLC = "hdlc"


@dataclass(frozen=True, slots=True)
class LoadConfig:
    """Where a meter's amounts come from.

    ``shape``: a name of ``load_shapes.SHAPES``, or ``steady`` (``per_hour`` units an hour), ``bulk`` (the sum of the
    meters named in ``parts`` plus ``loss_permille``) or ``replay`` (the CSV ``file``). ``month`` (``YYYY-MM``, in the
    fleet's zone) comes to exactly ``month_total`` Wh or litres.
    """

    shape: str
    seed: int = 0
    month: str = ""
    month_total: int = 0
    per_hour: int = 0
    parts: tuple[str, ...] = ()
    loss_permille: int = 0
    file: str = ""
    unit_scaler: int = 3
    shift_s: int = 0


@dataclass(frozen=True, slots=True)
class MeterConfig:
    """One meter. ``name`` is unique in the fleet; ``port`` 0 takes any free port; keys and titles are hex.

    ``smart`` False: a dial nobody can reach (a legacy flat), whose use still counts in bulk meters.
    ``opening``: the register when the history starts; ``dial_digits``: decimal digits of the register in the base unit.
    ``physical_address``: the meter's own on an HDLC line (0: none).
    ``relay``: whether it has a load switch; None: a directly connected electricity meter has one; ``control_mode``: the
    mode of the switch. ``limit_w`` and ``limit_over_s``: the load limit it begins with (0: none).
    ``max_pdu``: the longest APDU it receives, in octets.
    ``hdlc_window`` and ``hdlc_frame``: the most frames and octets it takes over HDLC. ``zone``: its own, if not the
    fleet's. ``image_block_size``: octets of a firmware block; ``image_seconds``: how long verification and activation
    take each.
    """

    name: str
    serial: str
    kind: MeterKind
    load: LoadConfig
    role: Role = Role.UNIT
    building: str = ""
    unit: str = ""
    purpose: str = ""
    smart: bool = True
    port: int = 0
    server_sap: int = 1
    system_title: str = ""
    encryption_key: str = field(default="", repr=False)
    authentication_key: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    interval_s: int = 900
    entries: int = 2208
    opening: int = 0
    dial_digits: int = 9
    row_format: RowFormat = RowFormat.PLAIN
    transport: Transport = Transport.WRAPPER
    physical_address: int = 0
    relay: bool | None = None
    control_mode: int = 4
    limit_w: int = 0
    limit_over_s: int = 60
    image_block_size: int = 512
    image_seconds: int = 0
    max_pdu: int = 1024
    hdlc_window: int = 7
    hdlc_frame: int = 2030
    zone: str = ""
    faults: tuple[Fault, ...] = ()
    security: SecurityConfig = ORDINARY
    push: PushConfig = SILENT

    @property
    def commodity(self) -> Commodity:
        """Return what flows through the meter."""
        return Commodity.WATER if self.kind is MeterKind.WATER else Commodity.ELECTRICITY

    @property
    def switched(self) -> bool:
        """Whether the meter has a load switch: bulk meters are operated by transformers and have none."""
        if self.relay is not None:
            return self.relay
        return self.commodity is Commodity.ELECTRICITY and self.role is not Role.BULK


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """All meters of a site. ``history_start_s``: UTC epoch seconds from which on the meters remember.

    ``shared_port``: when not None, every meter listens behind this one port (0: any), by the one transport they all
    have, and is told apart by ``server_sap``, or by its serial in a gateway prefix; otherwise each has its own port.
    ``control_port`` 0 takes any free port.
    """

    zone: str
    history_start_s: int
    meters: tuple[MeterConfig, ...]
    host: str = "127.0.0.1"
    shared_port: int | None = None
    control_port: int = 0
    seed: int = 0
    named_month: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def meter(self, name: str) -> MeterConfig:
        """Return the meter of that name.

        Raises:
            Invalid: there is none.
        """
        for meter in self.meters:
            if meter.name == name:
                return meter
        raise Invalid(f"the fleet has no meter {name!r}")


def fleet_record(fleet: FleetConfig) -> dict[str, Any]:
    """Return the fleet as JSON-ready values; defaults are left out, but for what a file has another default for."""
    record = _plain(fleet)
    record["meters"] = [_meter_record(meter) for meter in fleet.meters]
    return record


def fleet_from_record(record: Mapping[str, Any]) -> FleetConfig:
    """Build a fleet from a record; ``history_start`` may be ISO 8601 instead of ``history_start_s``.

    Raises:
        Invalid: an unknown field or a value of the wrong kind.
    """
    values = dict(record)
    try:
        if "history_start" in values:
            values["history_start_s"] = int(datetime.fromisoformat(values.pop("history_start")).timestamp())
        meters = tuple(_meter(meter) for meter in values.pop("meters", ()))
        fleet = FleetConfig(meters=meters, **values)
    except (TypeError, ValueError, KeyError) as wrong:
        raise Invalid(f"not a fleet: {wrong}") from wrong
    names = [meter.name for meter in meters]
    if len(set(names)) != len(names):
        raise Invalid("two meters have the same name")
    return fleet


def save_fleet(fleet: FleetConfig, path: Path) -> None:
    """Write a fleet as JSON, readable by its owner only: it holds the meters' keys."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(fleet_record(fleet), indent=1), encoding="utf-8")


def epoch_s(at: datetime) -> int:
    """Return an aware instant as UTC epoch seconds."""
    return int(at.astimezone(UTC).timestamp())


def _plain(record: Any) -> dict[str, Any]:
    """Return the fields of a flat dataclass that differ from their defaults."""
    kept: dict[str, Any] = {}
    for known in fields(record):
        value = getattr(record, known.name)
        if value != known.default and value not in ((), {}):
            kept[known.name] = list(value) if isinstance(value, tuple) else value
    return kept


def _meter_record(meter: MeterConfig) -> dict[str, Any]:
    record = _plain(meter) | {"entries": meter.entries}
    record["load"] = _plain(meter.load)
    if "security" in record:
        record["security"] = _plain(meter.security)
    if "push" in record:
        record["push"] = _plain(meter.push)
    if meter.faults:
        record["faults"] = [fault_record(fault) for fault in meter.faults]
    return record


def _push(record: Mapping[str, Any]) -> PushConfig:
    values = dict(record)
    transport = PushTransport(values.pop("transport", PushTransport.TCP))
    return PushConfig(transport=transport, form=PushForm(values.pop("form", PushForm.GENERAL_GLO)), **values)


def _meter(record: Mapping[str, Any]) -> MeterConfig:
    values = dict(record)
    load = dict(values.pop("load"))
    load["parts"] = tuple(load.get("parts", ()))
    faults = tuple(parse_fault(fault) for fault in values.pop("faults", ()))
    values["security"] = SecurityConfig(**values.get("security", {}))
    values["push"] = _push(values.get("push", {}))
    kind = MeterKind(values.pop("kind"))
    role = Role(values.pop("role", Role.UNIT))
    form = RowFormat(values.pop("row_format", RowFormat.PLAIN))
    transport = Transport(values.pop("transport", Transport.WRAPPER))
    return MeterConfig(
        kind=kind,
        role=role,
        row_format=form,
        transport=transport,
        load=LoadConfig(**load),
        faults=faults,
        **values,
    )
