"""A foreign meter in a process of its own: GXDLMSSecureNotify makes data-notifications and sends them."""

from __future__ import annotations

import json
import socket
import sys
from datetime import datetime
from typing import Any

from gurux_dlms import GXByteBuffer
from gurux_dlms.enums import InterfaceType, Security
from gurux_dlms.objects.enums import SecuritySuite
from gurux_dlms.secure import GXDLMSSecureNotify


def notify_of(job: dict[str, Any]) -> Any:
    """Return the sender as the job describes it."""
    notify = GXDLMSSecureNotify(True, job["client_sap"], job["server_sap"], InterfaceType.WRAPPER)
    notify.maxReceivePDUSize = 0xFFFF
    cipher = notify.ciphering
    cipher.systemTitle = bytearray.fromhex(job["title"])
    cipher.blockCipherKey = bytearray.fromhex(job["encryption_key"])
    cipher.authenticationKey = bytearray.fromhex(job["authentication_key"])
    cipher.securitySuite = SecuritySuite(job["suite"])
    cipher.security = Security.AUTHENTICATION_ENCRYPTION if job["ciphered"] else Security.NONE
    cipher.invocationCounter = job["counter"]
    return notify


def main() -> None:
    """Send every body of the job as a data-notification of its own."""
    job = json.load(sys.stdin)
    notify = notify_of(job)
    frames = []
    for body in job["bodies"]:
        at = datetime.fromisoformat(job["at"]) if job.get("at") else None
        frames += notify.generateDataNotificationMessages(at, GXByteBuffer(bytearray.fromhex(body)))
    kind = socket.SOCK_DGRAM if job["transport"] == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as line:
        line.connect((job["host"], job["port"]))
        for frame in frames:
            line.sendall(bytes(frame))
    print(json.dumps({"sent": [bytes(frame).hex() for frame in frames]}))


main()
