"""Calendars between words (see ``demeter.sdk.operations``) and the objects of a meter.

Names are text; a name that is no plain text is shown as ``0x01``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import Any

from demeter.protocols.dlms.classes.civil import CosemDate
from demeter.protocols.dlms.classes.commands.tariff import TARIFF_SCRIPTS, Calendar, day_profile
from demeter.protocols.dlms.classes.timing import DayProfile, Season, SpecialDay, Week
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.obis import Obis

HEX = "0x"


def name_octets(text: str) -> bytes:
    """Return a name as a meter keeps it.

    Raises:
        Malformed: it is neither ASCII nor ``0x`` and hexadecimal digits, or would be read back as another text.
    """
    try:
        octets = bytes.fromhex(text[len(HEX) :]) if text.startswith(HEX) else text.encode("ascii")
    except ValueError:
        raise Malformed(f"a name is ASCII or {HEX} and hexadecimal digits, not {text!r}") from None
    if name_text(octets) != text:
        raise Malformed(f"the name {text!r} is written {name_text(octets)!r}")
    return octets


def name_text(octets: bytes) -> str:
    """Return a meter's name in words."""
    text = octets.decode("ascii", "replace")
    plain = text.isprintable() and text.isascii() and not text.startswith(HEX)
    return text if plain else HEX + octets.hex()


def calendar_of(words: Mapping[str, Any], scripts: Obis) -> Calendar:
    """Return the calendar that the words mean; ``scripts``: the table whose scripts switch the tariffs."""
    return Calendar(
        name_octets(words["name"]),
        tuple(_season(season) for season in words["seasons"]),
        tuple(Week(name_octets(week["name"]), *week["days"]) for week in words["weeks"]),
        tuple(
            day_profile(int(day), {time.fromisoformat(at): tariff for at, tariff in changes.items()}, scripts)
            for day, changes in words["days"].items()
        ),
    )


def _season(words: Mapping[str, Any]) -> Season:
    start = CosemDateTime(month=words["month"], day=words["day"], hour=0, minute=0, second=0, hundredths=0)
    return Season(name_octets(words["name"]), start, name_octets(words["week"]))


def calendar_words(found: Calendar) -> dict[str, Any]:
    """Return a meter's calendar in words; what words have no place for is added, so that it equals no other."""
    return {
        "name": name_text(found.name),
        "seasons": [_season_words(season) for season in found.seasons],
        "weeks": [{"name": name_text(week.name), "days": _days(week)} for week in found.weeks],
        "days": {str(day.day_id): _day_words(day) for day in found.days},
    }


def _season_words(season: Season) -> dict[str, Any]:
    start = season.start
    words = {"name": name_text(season.name), "month": start.month, "day": start.day}
    special = {} if start.year is None else {"year": start.year}
    return {**words, **special, "week": name_text(season.week_name)}


def _days(week: Week) -> list[int]:
    return [week.monday, week.tuesday, week.wednesday, week.thursday, week.friday, week.saturday, week.sunday]


def _day_words(day: DayProfile) -> dict[str, int]:
    words = {}
    for action in day.schedule:
        seconds = f":{action.start.second:02}" if action.start.second else ""
        words[f"{action.start.hour or 0:02}:{action.start.minute or 0:02}{seconds}"] = action.selector
    return words


def scripts_of(*calendars: Calendar | None) -> Obis:
    """Return the script table that a meter's present calendars switch tariffs by; the usual one where none tells."""
    for calendar in calendars:
        for day in calendar.days if calendar else ():
            for action in day.schedule:
                return action.script
    return TARIFF_SCRIPTS


def special_day_of(index: int, text: str, day_id: int) -> SpecialDay:
    """Return the entry of a date (``2026-12-25``, or ``*-12-25`` in every year)."""
    year, month, day = text.split("-")
    return SpecialDay(index, CosemDate(None if year == "*" else int(year), int(month), int(day)), day_id)


def special_day_text(day: SpecialDay) -> str:
    """Return the date of an entry as in the arguments; an odd one in words."""
    date = day.date
    if date.month is None or date.day is None or date.weekday is not None:
        return str(date)
    return f"{'*' if date.year is None else format(date.year, '04')}-{date.month:02}-{date.day:02}"
