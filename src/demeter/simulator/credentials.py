"""What a head-end must know to read simulated meters: addresses, options and keys, in the words of the DLMS driver."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from demeter.protocols.dlms.security import Suite
from demeter.simulator.fleet import FleetConfig, MeterConfig, Transport
from demeter.simulator.fleet_file.keys import HEAD_END, private_key, public_of
from demeter.simulator.simulation import Address

FIELDS: Final = (
    "name",
    "serial",
    "kind",
    "address",
    "server_sap",
    "system_title",
    "mechanism",
    "suite",
    "encryption_key",
    "authentication_key",
    "master_key",
    "password",
)
"""The columns of a credentials file in CSV."""


def credentials(fleet: FleetConfig, addresses: Mapping[str, Address]) -> list[dict[str, Any]]:
    """Return one record for each meter that listens: who, where, options and secrets (keys in hexadecimal digits)."""
    return [_record(fleet, meter, addresses[meter.name]) for meter in fleet.meters if meter.name in addresses]


def _record(fleet: FleetConfig, meter: MeterConfig, place: Address) -> dict[str, Any]:
    return {
        "name": meter.name,
        "serial": meter.serial,
        "kind": meter.kind.value,
        "commodity": meter.commodity.value,
        "building": meter.building,
        "unit": meter.unit,
        "address": f"{place.host}:{place.port}",
        "system_title": meter.system_title,
        "options": _options(fleet, meter),
        "secrets": _secrets(fleet, meter),
    }


def _options(fleet: FleetConfig, meter: MeterConfig) -> dict[str, Any]:
    """Return the options that differ from the driver's defaults."""
    security, suite = meter.security, Suite(meter.security.suite)
    usual = {
        "commodity": "electricity",
        "server_sap": 1,
        "mechanism": "hls-gmac",
        "suite": 0,
        "protection": "authenticated-encrypted",
        "signed": False,
        "transport": Transport.WRAPPER.value,
        "physical_address": 0,
        "meter_signing_key": "",
    }
    here = {
        "commodity": meter.commodity.value,
        "server_sap": meter.server_sap,
        "mechanism": security.mechanism,
        "suite": security.suite,
        "protection": security.protection,
        "signed": security.signed,
        "transport": meter.transport.value,
        "physical_address": meter.physical_address,
        "meter_signing_key": public_of(suite, security.signing_key) if suite and security.signing_key else "",
    }
    return {"zone": meter.zone or fleet.zone} | {name: here[name] for name in here if here[name] != usual[name]}


def _secrets(fleet: FleetConfig, meter: MeterConfig) -> dict[str, str]:
    """Return the secrets under the names a meter's record has; the password as text, keys in hexadecimal digits."""
    security, suite = meter.security, Suite(meter.security.suite)
    found = {
        "encryption_key": meter.encryption_key,
        "authentication_key": meter.authentication_key,
        "master_key": security.master_key,
        "password": security.hls_secret or meter.password,
    }
    if suite:
        for name, public in (("signing", security.client_signing_key), ("agreement", security.client_agreement_key)):
            own = private_key(fleet.seed, HEAD_END, name, suite)
            if public == public_of(suite, own):
                found[f"{name}_key"] = own
    return {name: value for name, value in found.items() if value}


def write_credentials(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write credentials as ``.csv`` (the plain columns) or JSON (everything), readable by their owner only."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(_csv(records) if path.suffix == ".csv" else json.dumps(list(records), indent=1), encoding="utf-8")


def flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with :data:`FIELDS` only, side by side."""
    everything = {"server_sap": 1, "mechanism": "hls-gmac", "suite": 0, **record, **record["options"]}
    everything |= record["secrets"]
    return {name: everything.get(name, "") for name in FIELDS}


def _csv(records: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat(record) for record in records)
    return text.getvalue()
