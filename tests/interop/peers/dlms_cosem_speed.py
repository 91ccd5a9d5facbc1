"""How long dlms-cosem takes for ciphered load profiles: CPU seconds per meter-day, and what it read, to be compared."""

from __future__ import annotations

import json
import logging
import sys
from time import process_time
from typing import Any

from dlms_cosem import cosem, enumerations
from dlms_cosem.connection import XDlmsApduFactory
from dlms_cosem.parsers import ProfileGenericBufferParser
from dlms_cosem.security import decrypt


def columns_of(job: dict[str, Any]) -> list[cosem.CosemAttribute]:
    """Return the profile's columns."""
    clock = cosem.CosemAttribute(enumerations.CosemInterface.CLOCK, cosem.Obis.from_string("0.0.1.0.0.255"), 2)
    register = enumerations.CosemInterface.REGISTER
    return [clock] + [cosem.CosemAttribute(register, cosem.Obis.from_string(o), 2) for o in job["registers"]]


def decode(parser: ProfileGenericBufferParser, meter: dict[str, Any]) -> int:
    """Open and decode one meter-day; return the sum of its first register's column."""
    sealed = XDlmsApduFactory.apdu_from_bytes(bytes.fromhex(meter["frame"])[8:])
    opened = decrypt(
        security_control=sealed.security_control,
        system_title=bytes(sealed.system_title),
        invocation_counter=sealed.invocation_counter,
        key=bytes.fromhex(meter["encryption_key"]),
        cipher_text=bytes(sealed.ciphered_text),
        auth_key=bytes.fromhex(meter["authentication_key"]),
    )
    answer = XDlmsApduFactory.apdu_from_bytes(bytes(opened))
    return sum(row[1].value for row in parser.parse_bytes(bytes(answer.data)))


def main() -> None:
    """Do the job."""
    logging.disable(logging.CRITICAL)
    job = json.load(sys.stdin)
    parser = ProfileGenericBufferParser(columns_of(job), 15)
    started = process_time()
    sums = [decode(parser, meter) for meter in job["meters"]]
    print(json.dumps({"decoding_s": (process_time() - started) / len(sums), "sums": sums}))


main()
