"""A foreign client in a process of its own: dlms-cosem 21.3.2 reads what a job on standard input says.

Runs in an environment of its own (requirements/interop-dlms-cosem.txt). Its HDLC knows serial ports only; pyserial
opens a TCP line for it.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

import serial
from dlms_cosem import cosem, enumerations, utils
from dlms_cosem.clients.dlms_client import ActionError, DataResultError, DlmsClient
from dlms_cosem.cosem.capture_object import CaptureObject
from dlms_cosem.cosem.selective_access import RangeDescriptor
from dlms_cosem.dlms_data import IntegerData

MECHANISMS = {
    "none": enumerations.AuthenticationMechanism.NONE,
    "lls": enumerations.AuthenticationMechanism.LLS,
    "hls-gmac": enumerations.AuthenticationMechanism.HLS_GMAC,
}


def client_of(job: dict[str, Any]) -> DlmsClient:
    """Return the client as the job describes it."""
    ciphered = job["security"] != "none"
    settings = {
        "client_logical_address": job["client_sap"],
        "server_logical_address": job["server_sap"],
        "authentication_method": MECHANISMS[job["mechanism"]],
        "password": job["password"].encode() if job["mechanism"] == "lls" else None,
        "encryption_key": bytes.fromhex(job["encryption_key"]) if ciphered else None,
        "authentication_key": bytes.fromhex(job["authentication_key"]) if ciphered else None,
        "client_system_title": bytes.fromhex(job["client_title"]),
        "client_initial_invocation_counter": job["counter"],
        "security_suite": job["suite"],
        "block_transfer": True,
        "max_pdu_size": job["max_pdu"] or 65535,
    }
    if job["transport"] == "hdlc":
        serial.Serial = opened
        url = f"socket://{job['host']}:{job['port']}"
        return DlmsClient.with_serial_hdlc_transport(serial_port=url, server_physical_address=None, **settings)
    return DlmsClient.with_tcp_transport(job["host"], job["port"], **settings)


def opened(port: str, **options: Any) -> Any:
    """Open a serial port that is a URL."""
    return serial.serial_for_url(port, **options)


def attribute(step: dict[str, Any]) -> cosem.CosemAttribute:
    """Return the attribute a step names."""
    kind = enumerations.CosemInterface(step["class_id"])
    return cosem.CosemAttribute(kind, cosem.Obis.from_string(step["obis"]), step["attribute"])


def do_read(client: DlmsClient, step: dict[str, Any]) -> Any:
    """Read one attribute."""
    return plain(utils.parse_as_dlms_data(client.get(attribute(step))))


def do_profile(client: DlmsClient, step: dict[str, Any]) -> Any:
    """Read a profile's columns, then its rows by range."""
    name = {"class_id": 7, "obis": step["obis"]}
    captures = utils.parse_as_dlms_data(client.get(attribute(name | {"attribute": 3})))
    clock = attribute({"class_id": 8, "obis": "0.0.1.0.0.255", "attribute": 2})
    since, until = (datetime.fromisoformat(step[end]) for end in ("from", "until"))
    selection = RangeDescriptor(CaptureObject(clock), since, until)
    rows = utils.parse_as_dlms_data(client.get(attribute(name | {"attribute": 2}), selection))
    return {"captures": [[c[0], ".".join(map(str, c[1])), c[2]] for c in captures], "rows": plain(rows)}


def do_method(client: DlmsClient, step: dict[str, Any]) -> Any:
    """Invoke a method."""
    kind = enumerations.CosemInterface(step["class_id"])
    method = cosem.CosemMethod(kind, cosem.Obis.from_string(step["obis"]), step["method"])
    return client.action(method, IntegerData(step["value"]).to_bytes())


def plain(value: Any) -> Any:
    """Return a value as JSON knows it."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


STEPS = {"read": do_read, "profile": do_profile, "method": do_method}


def attempt(client: DlmsClient, step: dict[str, Any]) -> dict[str, Any]:
    """Do one step; a refusal is an answer too."""
    try:
        return {"value": STEPS[step["do"]](client, step)}
    except (DataResultError, ActionError) as refused:
        return {"refused": str(refused)}


def main() -> None:
    """Do the job."""
    job = json.load(sys.stdin)
    client = client_of(job)
    client.connect()
    client.associate()
    answers = [attempt(client, step) for step in job["steps"]]
    client.release_association()
    if job["transport"] != "hdlc":  # it waits for ever for an information field, which the answer to DISC need not have
        client.disconnect()
    print(json.dumps({"answers": answers}))


main()
