"""How long gurux-dlms takes for ciphered load profiles: CPU seconds per meter-day, and what it read, to be compared.

One JSON document comes in: frames (wrapper, general-glo GET responses), each with its keys; how many to encode.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from time import process_time
from typing import Any

from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, DataType, InterfaceType, Security
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.objects import GXDLMSCaptureObject, GXDLMSClock, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient


def client_of(meter: dict[str, Any]) -> Any:
    """Return a client with a meter's keys."""
    client = GXDLMSSecureClient(True, 48, 1, Authentication.HIGH_GMAC, None, InterfaceType.WRAPPER)
    client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    client.ciphering.blockCipherKey = bytearray.fromhex(meter["encryption_key"])
    client.ciphering.authenticationKey = bytearray.fromhex(meter["authentication_key"])
    client.settings.sourceSystemTitle = bytearray.fromhex(meter["title"])
    return client


def profile_of(job: dict[str, Any]) -> Any:
    """Return the profile with its columns, as its capture objects told them."""
    profile = GXDLMSProfileGeneric("1.0.99.1.0.255")
    profile.captureObjects.append((GXDLMSClock("0.0.1.0.0.255"), GXDLMSCaptureObject(2, 0)))
    for register in job["registers"]:
        profile.captureObjects.append((GXDLMSRegister(register), GXDLMSCaptureObject(2, 0)))
    return profile


def decode(job: dict[str, Any], meter: dict[str, Any]) -> int:
    """Open and decode one meter-day; return the sum of its first register's column."""
    client, profile, reply = client_of(meter), profile_of(job), GXReplyData()
    client.getData(GXByteBuffer(bytearray.fromhex(meter["frame"])), reply)
    client.updateValue(profile, 2, reply.value)
    return sum(row[1] for row in profile.buffer)


def encode(stamps: list[bytes], rows: list[list[int]]) -> bytes:
    """Encode one meter-day."""
    buffer = GXByteBuffer()
    table = [[bytearray(stamp), *row] for stamp, row in zip(stamps, rows, strict=True)]
    kinds = [DataType.OCTET_STRING] + [DataType.UINT32] * len(rows[0])
    buffer.setUInt8(DataType.ARRAY)
    _GXCommon.setObjectCount(len(table), buffer)
    for row in table:
        buffer.setUInt8(DataType.STRUCTURE)
        _GXCommon.setObjectCount(len(row), buffer)
        for kind, value in zip(kinds, row, strict=True):
            _GXCommon.setData(None, buffer, kind, value)
    return bytes(buffer.array())


def main() -> None:
    """Do the job."""
    job = json.load(sys.stdin)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints for every frame
        started = process_time()
        sums = [decode(job, meter) for meter in job["meters"]]
        decoding = (process_time() - started) / len(sums)
        stamps = [bytes.fromhex(stamp) for stamp in job["stamps"]]
        started = process_time()
        written = [encode(stamps, job["rows"]) for _ in range(job["encode"])]
        encoding = (process_time() - started) / len(written)
    print(json.dumps({"decoding_s": decoding, "encoding_s": encoding, "sums": sums, "written": written[0].hex()}))


main()
