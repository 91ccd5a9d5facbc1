"""A foreign client in a process of its own: gurux-dlms reads what a job on standard input says, and prints what it got.

Runs in an environment of its own (requirements/interop-gurux.txt); nothing of Demeter is imported here, and nothing of
gurux-dlms in Demeter. One JSON document comes in, one JSON document is the last line that goes out.
"""

from __future__ import annotations

import json
import secrets
import socket
import sys
from datetime import datetime
from typing import Any

from gurux_dlms import GXByteBuffer, GXDateTime, GXReplyData
from gurux_dlms.enums import (
    Authentication,
    DataType,
    InterfaceType,
    ObjectType,
    RequestTypes,
    Security,
)
from gurux_dlms.GXDLMSException import GXDLMSException
from gurux_dlms.objects import GXDLMSObject, GXDLMSProfileGeneric
from gurux_dlms.objects.enums import SecuritySuite
from gurux_dlms.secure import GXDLMSSecureClient

AUTHENTICATIONS = {
    "none": Authentication.NONE,
    "lls": Authentication.LOW,
    "hls": Authentication.HIGH,
    "hls-md5": Authentication.HIGH_MD5,
    "hls-sha1": Authentication.HIGH_SHA1,
    "hls-gmac": Authentication.HIGH_GMAC,
    "hls-sha256": Authentication.HIGH_SHA256,
    "hls-ecdsa": Authentication.HIGH_ECDSA,
}
SECURITIES = {
    "none": Security.NONE,
    "authenticated": Security.AUTHENTICATION,
    "encrypted": Security.ENCRYPTION,
    "authenticated-encrypted": Security.AUTHENTICATION_ENCRYPTION,
}
QUIET_S = 10


class Line:
    """Sends frames and collects answers until gurux-dlms calls them whole."""

    def __init__(self, client: Any, job: dict[str, Any]) -> None:
        self.client = client
        self.udp = job["transport"] == "wrapper-udp"
        kind = socket.SOCK_DGRAM if self.udp else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.settimeout(QUIET_S)
        self.socket.connect((job["host"], job["port"]))

    def ask(self, frames: Any, reply: Any) -> None:
        """Send frames, each answered, then ask for what is still to come."""
        if frames is None:
            return
        for frame in frames if isinstance(frames, list) else [frames]:
            reply.clear()
            self.exchange(frame, reply)
            while reply.isMoreData():
                more = None if reply.isStreaming() else self.client.receiverReady(reply)
                self.exchange(more, reply)

    def exchange(self, frame: Any, reply: Any) -> None:
        """Send one frame (or none) and read until the answer is whole."""
        notify = GXReplyData()
        if frame is not None:
            self.socket.sendall(bytes(frame))
        buffer = GXByteBuffer()
        while True:
            octets = self.socket.recv(65536)
            if not octets:
                raise ConnectionError("the meter closed the line")
            buffer.set(octets)
            if self.client.getData(buffer, reply, notify):
                break
        if reply.error != 0 and not (reply.moreData & RequestTypes.FRAME):
            raise GXDLMSException(reply.error)


def client_of(job: dict[str, Any]) -> Any:
    """Return the client as the job describes it."""
    hdlc = job["transport"] == "hdlc"
    client = GXDLMSSecureClient(
        True,
        job["client_sap"],
        job["server_sap"],
        AUTHENTICATIONS[job["mechanism"]],
        job.get("password") or None,
        InterfaceType.HDLC if hdlc else InterfaceType.WRAPPER,
    )
    if job.get("max_pdu"):
        client.maxReceivePDUSize = job["max_pdu"]
    cipher = client.ciphering
    cipher.systemTitle = bytearray.fromhex(job["client_title"])
    if job.get("security", "none") != "none":
        cipher.security = SECURITIES[job["security"]]
    cipher.securitySuite = SecuritySuite(job.get("suite", 0))
    if job.get("encryption_key"):
        cipher.blockCipherKey = bytearray.fromhex(job["encryption_key"])
        cipher.authenticationKey = bytearray.fromhex(job["authentication_key"])
    if job.get("dedicated_key"):
        cipher.dedicatedKey = bytearray.fromhex(job["dedicated_key"])
    if job.get("signing_key"):
        cipher.signingKeyPair = signing_pair(job)
    if job["mechanism"] == "hls-ecdsa":  # its own challenges are too short for mechanism 7
        client.settings.useCustomChallenge = True
        client.ctoSChallenge = secrets.token_bytes(32)
    cipher.invocationCounter = job.get("counter", 1)
    return client


def signing_pair(job: dict[str, Any]) -> Any:
    """Return the meter's public and the client's private signing key."""
    from gurux_dlms.ecdsa import GXPrivateKey, GXPublicKey

    return (
        GXPublicKey.fromRawBytes(b"\x04" + bytes.fromhex(job["meter_signing_key"])),
        GXPrivateKey.fromRawBytes(bytes.fromhex(job["signing_key"])),
    )


def associate(line: Line) -> None:
    """Open the line and the association."""
    client, reply = line.client, GXReplyData()
    snrm = client.snrmRequest()
    if snrm is not None:
        line.ask(snrm, reply)
        client.parseUAResponse(reply.data)
    reply.clear()
    line.ask(client.aarqRequest(), reply)
    client.parseAareResponse(reply.data)
    if client.isAuthenticationRequired:
        reply.clear()
        line.ask(client.getApplicationAssociationRequest(), reply)
        client.parseApplicationAssociationResponse(reply.data)


def read(line: Line, target: Any, attribute: int) -> Any:
    """Read an attribute into an object; return its value as JSON."""
    reply = GXReplyData()
    line.ask(line.client.read(target, attribute), reply)
    return plain(line.client.updateValue(target, attribute, reply.value))


def plain(value: Any) -> Any:
    """Return a value as JSON knows it."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, GXDateTime):
        return value.value.isoformat() if value.value else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, GXByteBuffer):
        return bytes(value.array()).hex()
    if isinstance(value, GXDLMSObject):
        return [int(value.objectType), value.logicalName]
    return value if isinstance(value, (int, str, bool, type(None))) else str(value)


def do_read(line: Line, step: dict[str, Any]) -> Any:
    """Read one attribute of any object."""
    target = line.client.createObject(ObjectType(step["class_id"]))
    target.logicalName = step["obis"]
    return read(line, target, step["attribute"])


def do_read_list(line: Line, step: dict[str, Any]) -> Any:
    """Read attributes of several objects in one request."""
    targets = []
    for class_id, obis, attribute in step["items"]:
        target = line.client.createObject(ObjectType(class_id))
        target.logicalName = obis
        targets.append((target, attribute))
    reply, values = GXReplyData(), []
    for frame in line.client.readList(targets):
        line.ask(frame, reply)
        if reply.value:
            values.extend(reply.value)
        reply.clear()
    return plain(values)


def do_profile(line: Line, step: dict[str, Any]) -> Any:
    """Read a profile's columns, then its rows by range or by entry."""
    profile = GXDLMSProfileGeneric(step["obis"])
    read(line, profile, 3)
    reply = GXReplyData()
    columns = [profile.captureObjects[place] for place in step["columns"]] if "columns" in step else None
    if "from" in step:
        since, until = (GXDateTime(datetime.fromisoformat(step[end])) for end in ("from", "until"))
        request = line.client.readRowsByRange(profile, since, until, columns)
    else:
        request = line.client.readRowsByEntry(profile, step["entry"], step["count"])
    line.ask(request, reply)
    line.client.updateValue(profile, 2, reply.value, columns)
    captures = [[int(each.objectType), each.logicalName, what.attributeIndex] for each, what in profile.captureObjects]
    return {"captures": captures, "rows": [plain(row) for row in profile.buffer]}


def do_objects(line: Line, _step: dict[str, Any]) -> Any:
    """Read the association's object list."""
    reply = GXReplyData()
    line.ask(line.client.getObjectsRequest(), reply)
    objects = line.client.parseObjects(reply.data, False, False)
    return [[int(each.objectType), each.version, each.logicalName] for each in objects]


def do_method(line: Line, step: dict[str, Any]) -> Any:
    """Invoke a method; return what it gives back."""
    target = line.client.createObject(ObjectType(step["class_id"]))
    target.logicalName = step["obis"]
    reply = GXReplyData()
    line.ask(line.client.method(target, step["method"], step.get("value", 0), DataType(step.get("type", 15))), reply)
    return plain(reply.value)


def do_write(line: Line, step: dict[str, Any]) -> Any:
    """Write one attribute."""
    target = line.client.createObject(ObjectType(step["class_id"]))
    target.logicalName = step["obis"]
    line.client.updateValue(target, step["attribute"], step["value"])
    target.setDataType(step["attribute"], DataType(step["type"]))
    line.ask(line.client.write(target, step["attribute"]), GXReplyData())
    return None


STEPS = {
    "read": do_read,
    "read-list": do_read_list,
    "profile": do_profile,
    "objects": do_objects,
    "method": do_method,
    "write": do_write,
}


def attempt(line: Line, step: dict[str, Any]) -> dict[str, Any]:
    """Do one step; a refusal is an answer too, what comes after it shows whether the session lives."""
    try:
        return {"value": STEPS[step["do"]](line, step)}
    except GXDLMSException as refused:
        return {"refused": str(refused)}


def main() -> None:
    """Do the job."""
    job = json.load(sys.stdin)
    client = client_of(job)
    line = Line(client, job)
    associate(line)
    answers = [attempt(line, step) for step in job["steps"]]
    if job.get("release", True):
        line.ask(client.releaseRequest(), GXReplyData())
        line.ask(client.disconnectRequest(), GXReplyData())
    print(json.dumps({"answers": answers, "counter": client.ciphering.invocationCounter}))


main()
