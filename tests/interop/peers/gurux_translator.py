"""A foreign translator in a process of its own: GXDLMSTranslator renders PDUs as XML, and XML as PDUs."""

from __future__ import annotations

import json
import sys
from typing import Any

from gurux_dlms import GXByteBuffer, GXDLMSTranslator
from gurux_dlms.enums import Security, TranslatorOutputType


def translator_of(job: dict[str, Any]) -> Any:
    """Return the translator, with keys where the job has them."""
    made = GXDLMSTranslator(TranslatorOutputType.STANDARD_XML)
    made.comments = False
    made.hex = False
    made.completePdu = True
    if "encryption_key" in job:
        made.security = Security.AUTHENTICATION_ENCRYPTION
        made.systemTitle = bytearray.fromhex(job["title"])
        made.serverSystemTitle = bytearray.fromhex(job["title"])
        made.blockCipherKey = bytearray.fromhex(job["encryption_key"])
        made.authenticationKey = bytearray.fromhex(job["authentication_key"])
        made.comments = True
    return made


def rendered(made: Any, octets: str) -> dict[str, Any]:
    """Translate one PDU there and back."""
    try:
        xml = made.pduToXml(GXByteBuffer(bytearray.fromhex(octets)))
    except Exception as error:  # noqa: BLE001 - whatever the foreign program raises is the finding
        return {"failed": f"{type(error).__name__}: {error}"}
    try:
        back = bytes(made.xmlToPdu(xml).array()).hex()
    except Exception as error:  # noqa: BLE001
        return {"xml": xml, "failed back": f"{type(error).__name__}: {error}"}
    return {"xml": xml, "back": back}


def main() -> None:
    """Do the job."""
    job = json.load(sys.stdin)
    made = translator_of(job)
    answers = [rendered(made, octets) for octets in job["pdus"]]
    print()
    print(json.dumps({"answers": answers}))


main()
