"""The columns of an estate file and how each is read. A reader raises :class:`Wrong` without repeating the value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from zoneinfo import ZoneInfo

from demeter.kernel import day_start

LONGEST_TEXT = 200
MOST_DIALS = 18
MOST_MULTIPLIER = 2**31 - 1
KEY_OCTETS = (16, 32)

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "building": "name of the building; made if it is new; empty for a meter in store",
        "role": "unit (if empty), bulk (feeds the building) or common (lift, pump, lighting)",
        "unit": "label of the flat, shop or office; only where the role is unit",
        "floor": "floor of the unit",
        "area_m2": "floor area of the unit in m², at most two decimals",
        "commodity": "electricity or water",
        "service_point": "name of a bulk or common supply; a unit's is called as the unit",
        "serial": "serial number of the meter; empty: no meter yet",
        "protocol": "a driver such as dlms, or manual; if empty dlms with an address, manual without one",
        "address": "where the meter answers, for example 10.1.2.3:4059",
        "maker": "who made it",
        "dials": "digits of its register in the register's own steps; 0 or empty: never rolls over",
        "installed_at": "day (from its midnight) or time since when it measures there, in the site's zone",
        "opening_read": "its register at that time in kWh or kL; empty: the first read counts",
        "multiplier": "1 if empty; a whole number or a fraction such as 25/2",
        "options": "how it wants to be spoken to, a JSON object (docs/drivers/dlms.md)",
        "encryption_key": "32 or 64 hexadecimal digits; kept sealed",
        "authentication_key": "32 or 64 hexadecimal digits; kept sealed",
        "password": "kept sealed",
        "master_key": "32 or 64 hexadecimal digits; kept sealed; needed to give the meter other keys",
    }
)
KEYS = ("encryption_key", "authentication_key", "master_key")
SECRETS = (*KEYS, "password")
METER = tuple(COLUMNS)[list(COLUMNS).index("serial") :]


class Wrong(Exception):
    """A value that cannot be: why, and what to write instead."""

    def __init__(self, reason: str, fix: str) -> None:
        """Say both without repeating the value."""
        super().__init__(reason)
        self.reason, self.fix = reason, fix


def word(text: str, known: Mapping[str, object]) -> str:
    """Return a word that must be one of ``known``."""
    if text.lower() not in known:
        raise Wrong("is not a word that is known here", f"Write {' or '.join(known)}.")
    return text.lower()


def name(text: str) -> str:
    """Return a name or label that people read."""
    if not text:
        raise Wrong("is empty", "Fill it in.")
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise Wrong("is too long or holds signs that cannot be shown", f"Use at most {LONGEST_TEXT} plain signs.")
    return text


def area_dm2(text: str) -> int | None:
    """Return a floor area written in m² in hundredths of one; None if it is not said."""
    if not text:
        return None
    if not re.fullmatch(r"\d{1,6}(\.\d{1,2})?", text):
        raise Wrong("is not an area", "Write m² with a point and at most two decimals, for example 84.5.")
    return int(Decimal(text) * 100)


def dials(text: str) -> int:
    """Return how many digits a register has."""
    if not re.fullmatch(r"\d{0,2}", text) or int(text or 0) > MOST_DIALS:
        raise Wrong("is not a number of digits", f"Write 0 to {MOST_DIALS}.")
    return int(text or 0)


def opening_read(text: str) -> Decimal | None:
    """Return a register written in kWh or kL in base units; None if it is not said."""
    if not text:
        return None
    if not re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text):
        raise Wrong("is not a register", "Write digits with a point for decimals, in kWh or kL: 1234.5.")
    return Decimal(text) * 1000


def multiplier(text: str) -> tuple[int, int]:
    """Return numerator and denominator of a transformer ratio or pulse weight."""
    if not re.fullmatch(r"(\d{1,9}(/\d{1,9})?)?", text):
        raise Wrong("is not a multiplier", "Write a whole number or a fraction: 40 or 25/2.")
    try:
        ratio = Fraction(text or "1")
    except ZeroDivisionError:
        ratio = Fraction(0)
    if not ratio:
        raise Wrong("is not a multiplier", "Neither part may be 0.")
    return ratio.numerator, ratio.denominator


def installed_at(text: str, zone: str) -> datetime:
    """Return the instant of a day's midnight or a time; without an offset it is the site's own."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return day_start(zone, date.fromisoformat(text))
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong("is not a day or time", "Write 2026-10-01 or 2026-10-01T10:30.") from None
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))


def options(given: object) -> Mapping[str, object]:
    """Return the driver's options: an object in a JSON file, its text in a cell."""
    fix = 'Write a JSON object, for example {"suite": "1"}.'
    try:
        found = json.loads(given) if isinstance(given, str) and given else given or {}
    except ValueError:
        raise Wrong("is not JSON", fix) from None
    if not isinstance(found, dict):
        raise Wrong("is not a JSON object", fix)
    return found


def key(text: str) -> bytes:
    """Return the octets of a key."""
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        octets = b""
    if len(octets) not in KEY_OCTETS:
        raise Wrong("is not a key", "Write 32 hexadecimal digits, or 64 for security suite 2.")
    return octets
