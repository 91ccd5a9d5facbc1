"""What is exercised with foreign peers: the cases the tests run, and the table docs/drivers/dlms.md shows of them.

``python -m tests.interop.matrix`` writes the table anew; a test compares it, so it shows what passed and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs/drivers/dlms.md"
BEGIN = "<!-- interop: begin, written by python -m tests.interop.matrix -->"
END = "<!-- interop: end -->"

MECHANISMS = {
    "none": "none",
    "lls": "LLS (1)",
    "hls": "HLS 2",
    "hls-md5": "HLS 3, MD5",
    "hls-sha1": "HLS 4, SHA-1",
    "hls-gmac": "HLS 5, GMAC",
    "hls-sha256": "HLS 6, SHA-256",
    "hls-ecdsa": "HLS 7, ECDSA",
}
TRANSPORTS = {"wrapper": "wrapper, TCP", "wrapper-udp": "wrapper, UDP", "hdlc": "HDLC, TCP"}
PROTECTIONS = {
    "none": "not ciphered",
    "authenticated": "authenticated",
    "encrypted": "encrypted",
    "authenticated-encrypted": "authenticated and encrypted",
}


@dataclass(frozen=True)
class Case:
    """One association: how it travels, who it is, how it is protected. ``dedicated``: with a key of its own."""

    transport: str
    mechanism: str
    suite: int = 0
    protection: str = "none"
    dedicated: bool = False
    max_pdu: int = 0

    @property
    def name(self) -> str:
        """A name for test reports."""
        extra = ("-dedicated" if self.dedicated else "") + (f"-pdu{self.max_pdu}" if self.max_pdu else "")
        return f"{self.transport}-{self.mechanism}-suite{self.suite}-{self.protection}{extra}"

    @property
    def meter(self) -> str:
        """The meter of the fleet that has this suite, mechanism and policy."""
        mechanism = self.mechanism if self.mechanism.startswith("hls") else "hls-gmac"
        return f"{self.transport}/{mechanism}/{self.suite}/{self.policy}"

    @property
    def policy(self) -> str:
        """What the meter demands of ciphered associations."""
        return "authenticated-encrypted" if self.protection == "none" else self.protection


def gurux_cases() -> list[Case]:
    """Return the associations gurux-dlms reads our simulator in."""
    signed = [Case(transport, "hls-ecdsa", 1) for transport in ("wrapper", "hdlc")]
    signed += [Case(transport, "hls-ecdsa", 1, "authenticated-encrypted") for transport in ("wrapper", "hdlc")]
    shared = [mechanism for mechanism in MECHANISMS if mechanism != "hls-ecdsa"]
    plain = [Case(transport, mechanism) for transport in TRANSPORTS for mechanism in shared]
    ciphered = [
        Case(transport, mechanism, suite, "authenticated-encrypted")
        for transport in ("wrapper", "hdlc")
        for suite in (0, 1, 2)
        for mechanism in shared
        if mechanism.startswith("hls")
    ]
    partly = [Case("wrapper", "hls-gmac", suite, how) for suite in (0, 1, 2) for how in ("authenticated", "encrypted")]
    special = [Case("wrapper", "hls-gmac", suite, "authenticated-encrypted", dedicated=True) for suite in (0, 1, 2)]
    special += [Case("wrapper-udp", "hls-gmac", 0, "authenticated-encrypted", max_pdu=512)]
    special += [Case("wrapper", "hls-gmac", 0, "authenticated-encrypted", max_pdu=128)]
    return plain + signed + ciphered + partly + special


def dlms_cosem_cases() -> list[Case]:
    """Return the associations dlms-cosem 21.3.2 reads our simulator in: what it can do of all of them."""
    known = [("none", "none"), ("lls", "none"), ("hls-gmac", "authenticated-encrypted")]
    return [Case(transport, how, 0, protection) for transport in ("wrapper", "hdlc") for how, protection in known]


def table() -> str:
    """Return the table in Markdown."""
    lines = ["| peer | how it travels | mechanism | suite | APDUs |", "|---|---|---|---|---|"]
    for peer, cases in (("gurux-dlms 1.0.203", gurux_cases()), ("dlms-cosem 21.3.2", dlms_cosem_cases())):
        rows: dict[tuple[str, int, str], list[Case]] = {}
        for case in cases:
            rows.setdefault((case.transport, case.suite, _protection(case)), []).append(case)
        for (transport, suite, protection), same in rows.items():
            mechanisms = ", ".join(dict.fromkeys(MECHANISMS[case.mechanism] for case in same))
            lines.append(f"| {peer} | {TRANSPORTS[transport]} | {mechanisms} | {suite} | {protection} |")
    lines += [
        "",
        "In each of these the peer reads the serial number, an object that is refused (and goes on), the load profile by range",
        "and by entry, the object list and several attributes in one request, and opens and closes the relay (HLS only;",
        "dlms-cosem: without entry, list and several; the public client: the serial number and the refusal).",
        "",
        "`GXDLMSTranslator` 1.0.203 sees in every PDU of `tests/interop/pdus.py` what we mean, and encodes it to the same octets",
        "wherever it can read its own XML. `GXDLMSSecureNotify` pushes to the listener over TCP and UDP, ciphered (general-glo).",
        "gurux-dlms 1.0.203 cannot sign with P-384, so ECDSA in suite 2 is shown between our own ends only.",
    ]
    return "\n".join(lines)


def _protection(case: Case) -> str:
    blocks = f", blocks of {case.max_pdu} octets" if case.max_pdu else ""
    return PROTECTIONS[case.protection] + (", dedicated key" if case.dedicated else "") + blocks


def written() -> str:
    """Return the document with the table as it should be."""
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    DOCS.write_text(written(), encoding="utf-8")
