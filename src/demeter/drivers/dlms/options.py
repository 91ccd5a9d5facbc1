"""What a meter's record may say about how it wants to be spoken to (``Endpoint.options`` of the driver ``dlms``).

============== =================== ============================================================================
option         default             meaning
============== =================== ============================================================================
mechanism      hls-gmac            ``hls-gmac`` (48, utility), ``lls`` (32, reader) or ``none`` (16, public); also
                                   ``hls`` (2, AES-ECB), ``hls-md5``, ``hls-sha1``, ``hls-sha256``, ``hls-ecdsa`` (48)
client_sap     by mechanism        wrapper port of the client
server_sap     1                   wrapper port of the logical device (management)
cipher         glo                 ``glo``, ``general-glo``, ``ded``, ``general-ded``, ``general-ciphering`` (with the
                                   global key) or ``none``; only the ``hls`` mechanisms cipher
suite          0                   security suite 0, 1 or 2
protection     authenticated-      ``authenticated-encrypted``, ``authenticated`` or ``encrypted``: how requests are
               encrypted           protected and the least accepted in answers
signed         false               general-signing, both ways (suites 1 and 2)
client_title   the installation's  the head-end's system title, eight characters or 16 hexadecimal digits
counter_at_least 0                 the meter's counter a person vouches for: sending begins above it
counter_epoch  0                   raised by a person when the meter was repaired and counts its answers anew
counter_obis   0.0.43.1.3.255      the invocation counter the public client may read
max_pdu        65535               longest APDU this side receives, octets
zone           UTC                 IANA zone of stamps that carry no deviation (the site's)
commodity      electricity         ``electricity`` or ``water``: decides the OBIS medium of the profiles
meter_profile  is15959-2-single-   data file of the kind of meter: event logs and codes, names of objects
               phase
overlays       none                comma-separated overlays of the meter profile (makers' own codes)
connect_s      3                   seconds until the TCP connection stands
answer_s       15                  seconds until one whole answer is there (HDLC: its next segment)
============== =================== ============================================================================

``meter_signing_key``: the meter's public signing key, hexadecimal; needed for ``hls-ecdsa`` and ``signed``. How the
bytes travel (``transport`` and what belongs to it) stands in :mod:`demeter.drivers.dlms.line_options`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from demeter.drivers.dlms.checks import choice, flag, number, wrong
from demeter.drivers.dlms.line_options import LineOptions, Transport, parse_line
from demeter.drivers.dlms.profiles import MeterProfile, ProfileError, builtin
from demeter.kernel import Commodity, NotFound
from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.client import CipherMode
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import Protection, Suite
from demeter.sdk import Endpoint

PUBLIC_SAP = 16
MECHANISMS = {
    "none": (Mechanism.NONE, PUBLIC_SAP),
    "lls": (Mechanism.LLS, 32),
    "hls": (Mechanism.HLS_MAKER, 48),
    "hls-md5": (Mechanism.HLS_MD5, 48),
    "hls-sha1": (Mechanism.HLS_SHA1, 48),
    "hls-gmac": (Mechanism.HLS_GMAC, 48),
    "hls-sha256": (Mechanism.HLS_SHA256, 48),
    "hls-ecdsa": (Mechanism.HLS_ECDSA, 48),
}
CIPHERS = {str(mode): mode for mode in CipherMode}
SUITES = {str(int(suite)): suite for suite in Suite}
PROTECTIONS = {
    "authenticated-encrypted": Protection.AUTHENTICATED_ENCRYPTED,
    "authenticated": Protection.AUTHENTICATED,
    "encrypted": Protection.ENCRYPTED,
}
PROTECTION_WORDS = {protection: word for word, protection in PROTECTIONS.items()}
TITLE_OCTETS = 8
USUAL_PROFILE = "is15959-2-single-phase"

UDP_PDU = 1200
"""Default APDU size over UDP: fits every path unfragmented, longer values come in blocks."""


@dataclass(frozen=True, slots=True)
class DlmsOptions:
    """The options above, checked. ``line`` says where the meter is and how the bytes travel there.

    ``client_title`` None: the installation's own.
    """

    line: LineOptions
    mechanism: Mechanism
    client_sap: int
    server_sap: int
    cipher: CipherMode
    client_title: bytes | None
    counter_obis: Obis
    max_pdu: int
    zone: str
    commodity: Commodity
    connect_s: float
    answer_s: float
    suite: Suite = Suite.ZERO
    protection: Protection = Protection.AUTHENTICATED_ENCRYPTED
    signed: bool = False
    meter_signing_key: bytes = b""
    meter_profile: str = USUAL_PROFILE
    overlays: tuple[str, ...] = ()
    counter_at_least: int = 0
    counter_epoch: int = 0

    @property
    def profile(self) -> MeterProfile:
        """Return what is known of this kind of meter."""
        return known_profile(self.meter_profile, self.overlays)


def parse_options(endpoint: Endpoint) -> DlmsOptions:
    """Check an endpoint's address and options.

    Raises:
        ReadFailure: NOT_CONFIGURED, with the option that is wrong.
    """
    given = endpoint.options
    line = parse_line(endpoint)
    udp = line.transport is Transport.WRAPPER_UDP
    highest = 0x7F if line.transport.is_hdlc else 0xFFFF
    mechanism, sap = choice(given, "mechanism", MECHANISMS, "hls-gmac")
    cipher = choice(given, "cipher", CIPHERS, "glo" if mechanism.high else "none")
    options = DlmsOptions(
        line=line,
        mechanism=mechanism,
        client_sap=int(number(given, "client_sap", sap, 1, highest)),
        server_sap=int(number(given, "server_sap", 1, 1, 0x3FFF if line.transport.is_hdlc else 0xFFFF)),
        cipher=cipher,
        client_title=title_of(given, "client_title") if "client_title" in given else None,
        counter_obis=_obis(str(given.get("counter_obis", "0.0.43.1.3.255"))),
        max_pdu=int(number(given, "max_pdu", UDP_PDU if udp else 0xFFFF, 64, 0xFFFF)),
        zone=zone_of(str(given.get("zone", "UTC"))),
        commodity=choice(given, "commodity", {str(known): known for known in Commodity}, Commodity.ELECTRICITY),
        connect_s=number(given, "connect_s", 3, 0.01, 300),
        answer_s=number(given, "answer_s", 15, 0.01, 300),
        suite=choice(given, "suite", SUITES, "0"),
        protection=choice(given, "protection", PROTECTIONS, "authenticated-encrypted"),
        signed=flag(given, "signed"),
        meter_signing_key=hexadecimal(given, "meter_signing_key"),
        meter_profile=str(given.get("meter_profile", USUAL_PROFILE)),
        overlays=tuple(each.strip() for each in str(given.get("overlays", "")).split(",") if each.strip()),
        counter_at_least=int(number(given, "counter_at_least", 0, 0, 0xFFFF_FFFF)),
        counter_epoch=int(number(given, "counter_epoch", 0, 0, 0xFFFF_FFFF)),
    )
    if line.transport.is_hdlc:
        line.server(options.server_sap)
    _check_profile(options)
    return options


def title_of(given: Mapping[str, object], name: str) -> bytes:
    """Return a system title: eight characters or 16 hexadecimal digits.

    Raises:
        ReadFailure: NOT_CONFIGURED.
    """
    text = str(given[name])
    try:
        title = text.encode("ascii") if len(text) == TITLE_OCTETS else bytes.fromhex(text)
    except ValueError:
        title = b""
    if len(title) != TITLE_OCTETS:
        raise wrong(f"the option {name} is {text!r}, not eight characters or 16 hexadecimal digits")
    return title


@lru_cache(maxsize=64)
def known_profile(name: str, overlays: tuple[str, ...] = ()) -> MeterProfile:
    """Return a meter profile, made once for all meters of the kind.

    Raises:
        NotFound: there is no such profile or overlay.
    """
    return builtin().profile(name, overlays)


def _check_profile(options: DlmsOptions) -> None:
    try:
        known_profile(options.meter_profile, options.overlays)
    except (NotFound, ProfileError) as error:
        raise wrong(f"the option meter_profile: {error.message}; {error.hint}") from error


def hexadecimal(given: Mapping[str, object], name: str) -> bytes:
    """Return the octets of an option in hexadecimal; empty where it is not given.

    Raises:
        ReadFailure: NOT_CONFIGURED.
    """
    text = str(given.get(name, ""))
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise wrong(f"the option {name} is {text!r}, which is not hexadecimal") from error


def _obis(text: str) -> Obis:
    try:
        return Obis.parse(text)
    except DlmsError as error:
        raise wrong(f"the option counter_obis is {text!r}, which is no OBIS code") from error


def zone_of(name: str) -> str:
    """Return the name of an IANA zone.

    Raises:
        ReadFailure: NOT_CONFIGURED.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise wrong(f"the option zone is {name!r}, which is no IANA zone") from error
    return name
