"""What a meter's record may say about its pushes (options besides those of :mod:`demeter.drivers.dlms.options`).

============== =================== ============================================================================
option         default             meaning
============== =================== ============================================================================
system_title   as the meter told   the meter's system title, eight characters or 16 hexadecimal digits
device_id      none                what an unprotected body calls the meter, where that is not its serial
push_plain     false, unless the   unprotected pushes are taken
               record ciphers not
push_from      none                IP address: an unprotected push from there that names no meter is this one's
push_layout    by the body         the layout or the profile whose layouts are taken, such as ``han-kaifa``
push_objects   as read             what is pushed: push setup (``body``: whatever is pushed; a profile: its rows) →
                                   list of ``class name attribute [scaler unit]``
push_period_s  as read             integration period of pushed load profile rows, seconds
============== =================== ============================================================================

``mechanism``, ``cipher``, ``suite``, ``protection``, ``signed``, ``meter_signing_key``, ``client_title``, ``zone`` and
the options of counters hold for pushes as for reading; ``meter_agreement_key`` is the meter's public key of key
agreement, hexadecimal.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from demeter.drivers.dlms.checks import choice, flag, number, wrong
from demeter.drivers.dlms.options import CIPHERS, MECHANISMS, PROTECTIONS, SUITES, hexadecimal, title_of, zone_of
from demeter.drivers.dlms.profiles import builtin
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.push import Column, Columns, Layout, Objects
from demeter.protocols.dlms.security import CipherMode, Protection, Suite
from demeter.sdk import PushFault, PushMeter, PushRefusal, ReadFailure

ANY_BODY = "body"
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class PushOptions:
    """The options above, checked.

    ``plain``: unprotected pushes are taken. ``period_s`` None: not known. ``client_title`` None: the installation's.
    """

    title: bytes | None
    device_id: str
    plain: bool
    source: str
    layouts: tuple[Layout, ...]
    objects: Objects
    client_title: bytes | None
    period_s: int | None
    zone: str
    suite: Suite
    protection: Protection
    signed: bool
    meter_signing_key: bytes
    meter_agreement_key: bytes
    counter_at_least: int


def parse_push_options(meter: PushMeter) -> PushOptions:
    """Check the options of a meter.

    Raises:
        PushRefusal: NOT_CONFIGURED, with the option that is wrong.
    """
    try:
        return _parsed(meter)
    except (ReadFailure, DlmsError) as error:
        raise PushRefusal(PushFault.NOT_CONFIGURED, error.message) from error


def _parsed(meter: PushMeter) -> PushOptions:
    given = meter.options
    mechanism, _ = choice(given, "mechanism", MECHANISMS, "hls-gmac")
    cipher = choice(given, "cipher", CIPHERS, "glo" if mechanism.high else "none")
    title = title_of(given, "system_title") if given.get("system_title") else bytes.fromhex(meter.title)
    period = given.get("push_period_s", meter.period_s)
    return PushOptions(
        title=title or None,
        device_id=str(given.get("device_id", "")),
        plain=flag(given, "push_plain") if "push_plain" in given else cipher is CipherMode.NONE,
        source=_address(str(given.get("push_from", ""))),
        layouts=layouts_of(str(given.get("push_layout", ""))),
        objects=parse_objects(given.get("push_objects", meter.objects)),
        client_title=title_of(given, "client_title") if "client_title" in given else None,
        period_s=None if not period else int(number({"push_period_s": period}, "push_period_s", 0, 1, DAY_S)),
        zone=zone_of(str(given.get("zone", "UTC"))),
        suite=choice(given, "suite", SUITES, "0"),
        protection=choice(given, "protection", PROTECTIONS, "authenticated-encrypted"),
        signed=flag(given, "signed"),
        meter_signing_key=hexadecimal(given, "meter_signing_key"),
        meter_agreement_key=hexadecimal(given, "meter_agreement_key"),
        counter_at_least=int(number(given, "counter_at_least", 0, 0, 0xFFFF_FFFF)),
    )


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError as error:
        raise wrong(f"the option push_from is {text!r}, which is no IP address") from error


@lru_cache(maxsize=256)
def layouts_of(asked: str) -> tuple[Layout, ...]:
    """Return the layouts to try: those of a name or of a profile, and without one all that are known by themselves.

    Raises:
        ReadFailure: there is no such layout.
    """
    known = builtin().push_layouts
    if not asked:
        return tuple(layout for layout in known if layout.automatic)
    found = tuple(layout for layout in known if asked in (layout.name, layout.name.partition("/")[0]))
    if not found:
        raise wrong(f"the option push_layout is {asked!r}, not one of {', '.join(each.name for each in known)}")
    return found


def parse_objects(told: Any) -> Objects:
    """Read what pushes carry: ``{"0.0.25.9.0.255": ["8 0.0.1.0.0.255 2", …]}``.

    Raises:
        ReadFailure, DlmsError: it is nothing of the kind.
    """
    if not isinstance(told, Mapping):
        raise wrong("the option push_objects is no table of push setups")
    return {None if name == ANY_BODY else Obis.parse(str(name)): _columns(listed) for name, listed in told.items()}


def _columns(listed: Any) -> Columns:
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise wrong("the option push_objects holds lists of columns")
    return tuple(Column.parse(str(text)) for text in listed)
