"""What the numbers in service APDUs mean, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final

from demeter.protocols.dlms import apdu
from demeter.protocols.dlms.acse import Conformance
from demeter.protocols.dlms.apdu import ConfirmedServiceError
from demeter.protocols.dlms.classes import class_of, known_classes
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError
from demeter.protocols.dlms.profile import EntrySelection, decode_selection
from demeter.protocols.dlms.translate.engine import Walk
from demeter.protocols.dlms.translate.node import Node


def _words(kind: type[IntEnum]) -> Mapping[int, str]:
    return {int(member): member.name.lower().replace("_", "-") for member in kind}


ACCESS_RESULTS: Final = _words(DataAccessResult)
ACTION_RESULTS: Final = _words(apdu.ActionResult)
STATE_ERRORS: Final = _words(apdu.StateError)
SERVICE_FAULTS: Final = _words(apdu.ServiceFault)
RELEASE_REASONS: Final = {0: "normal", 1: "urgent or not finished", 30: "user-defined"}
CONTEXTS: Final = {1: "logical names", 2: "short names", 3: "logical names, ciphered", 4: "short names, ciphered"}
MECHANISMS: Final = {
    0: "none (lowest level)",
    1: "LLS (password)",
    2: "HLS, maker's own",
    3: "HLS, MD5",
    4: "HLS, SHA-1",
    5: "HLS, GMAC",
    6: "HLS, SHA-256",
    7: "HLS, ECDSA",
}
RESULTS: Final = {0: "accepted", 1: "rejected-permanent", 2: "rejected-transient"}
USER_DIAGNOSTICS: Final = {
    0: "null",
    1: "no-reason-given",
    2: "application-context-name-not-supported",
    3: "calling-AP-title-not-recognized",
    4: "calling-AP-invocation-identifier-not-recognized",
    5: "calling-AE-qualifier-not-recognized",
    6: "calling-AE-invocation-identifier-not-recognized",
    7: "called-AP-title-not-recognized",
    8: "called-AP-invocation-identifier-not-recognized",
    9: "called-AE-qualifier-not-recognized",
    10: "called-AE-invocation-identifier-not-recognized",
    11: "authentication-mechanism-name-not-recognised",
    12: "authentication-mechanism-name-required",
    13: "authentication-failure",
    14: "authentication-required",
}
PROVIDER_DIAGNOSTICS: Final = {0: "null", 1: "no-reason-given", 2: "no-common-acse-version"}


def among(known: Mapping[int, str]) -> Callable[[int], str]:
    """Return the words of known numbers; others have none."""
    return lambda number: known.get(number, "")


def invoke(octet: int) -> str:
    """Invoke-id-and-priority."""
    return ", ".join(
        (
            f"invoke {octet & 0x0F}",
            "confirmed" if octet & 0x40 else "unconfirmed",
            "high priority" if octet & 0x80 else "normal priority",
        )
    )


def long_invoke(number: int) -> str:
    """Long-invoke-id-and-priority."""
    words = [
        f"invoke {number & apdu.LONG_INVOKE_ID}",
        "confirmed" if number & apdu.CONFIRMED else "unconfirmed",
        "high priority" if number & apdu.HIGH_PRIORITY else "normal priority",
    ]
    words += ["self-descriptive"] if number & apdu.SELF_DESCRIPTIVE else []
    words += ["break on error"] if number & apdu.BREAK_ON_ERROR else []
    return ", ".join(words)


def class_title(class_id: int) -> str:
    """The name of an interface class."""
    titles = [kind.interface.title for (number, _), kind in known_classes().items() if number == class_id]
    return titles[0] if titles else ""


def block_control(octet: int) -> str:
    """Block-control of a general block."""
    words = ["last block"] if octet & 0x80 else []
    words += ["streaming"] if octet & 0x40 else []
    return ", ".join([*words, f"window {octet & 0x3F}"])


def conformance(octets: bytes) -> str:
    """The services of a conformance block."""
    number = int.from_bytes(octets, "big")
    return ", ".join(flag.name.lower().replace("_", "-") for flag in Conformance if number & int(flag) and flag.name)


def security_control(octet: int) -> str:
    """The security control octet."""
    words = [f"suite {octet & 0x0F}"]
    words += ["authenticated"] if octet & 0x10 else []
    words += ["encrypted"] if octet & 0x20 else []
    words += ["broadcast key"] if octet & 0x40 else []
    words += ["compressed"] if octet & 0x80 else []
    return ", ".join(words)


def explain_attribute(node: Node, _walk: Walk) -> None:
    """Say which attribute of its class a number is."""
    _explain_member(node, "AttributeId")


def explain_method(node: Node, _walk: Walk) -> None:
    """Say which method of its class a number is."""
    _explain_member(node, "MethodId")


def _explain_member(node: Node, name: str) -> None:
    class_id, member = node.find("ClassId"), node.find(name)
    if class_id is None or member is None or not isinstance(class_id.value, int) or not isinstance(member.value, int):
        return
    if name == "AttributeId" and member.value < 2:
        member.meaning = {0: "all attributes", 1: "logical_name"}.get(member.value, "")
        return
    for version in (1, 0, 2, 3):
        kind = class_of(class_id.value, version)
        if kind is not None:
            interface = kind.interface
            members = interface.attributes if name == "AttributeId" else interface.methods
            found = members.get(member.value)
            member.meaning = found.name if found else ""
            return


def explain_selection(octets: bytes) -> str:
    """Say what an access selection asks for, where it is one of profiles."""
    try:
        found = decode_selection(octets)
        if isinstance(found, EntrySelection):
            return f"entries {found.first} to {found.last or 'the end'}"
        since, until = found.since.to_utc(), found.until.to_utc()
    except DlmsError:
        return ""
    return f"from {since:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S} UTC"


def explain_service_error(node: Node, _walk: Walk) -> None:
    """Put a confirmed-service-error into words."""
    numbers = [item.value for item in node.parts if isinstance(item.value, int)]
    if len(numbers) == 3:
        words = str(ConfirmedServiceError(*numbers)).split(": ")
        for item, word in zip(node.parts, words, strict=False):
            item.meaning = word


def title(octets: bytes) -> str:
    """A system title: its maker's letters and the rest."""
    if len(octets) != 8:
        return ""
    maker = octets[:3].decode("latin-1")
    if not (maker.isascii() and maker.isprintable()):
        return ""
    text = octets.decode("latin-1")
    return f'"{text}"' if text.isascii() and text.isprintable() else f"maker {maker}"


def oid_words(octets: bytes) -> str:
    """An object identifier of DLMS UA in words."""
    number = octets[-1] if octets else 0
    if octets[:-1] == bytes.fromhex("608574050801"):
        return CONTEXTS.get(number, "")
    if octets[:-1] == bytes.fromhex("608574050802"):
        return MECHANISMS.get(number, "")
    return ""
