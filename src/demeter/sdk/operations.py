"""Operations: what a meter is told to do, and how it is known that it did.

An operation is never sent twice by accident. The head-end observes the meter, commits what it saw and that it is about
to send, performs, and observes again. After a lost answer or a crash it observes before anything else; :func:`judge`
says whether the effect is there. What a session *observes* is therefore the heart of an operation: words that every
driver uses alike, listed here by kind.

================= ========================================= ======================================================
kind              arguments                                 observation (None: the meter does not tell)
================= ========================================= ======================================================
connect, arm,     ``control_mode`` (optional: written       ``relay`` (a :class:`RelayState`), ``output_state`` (the
disconnect        first, and stays)                         contact: true conducts), ``control_state``,
                                                            ``control_mode`` (numbers of the standard)
load-limit        ``limit`` (decimal text), ``unit``        ``limit``, ``unit``, ``over_s``; ``limit_active``,
                  (``W``, ``A``, …), ``over_s`` (optional)  ``emergency`` (bool)
set-clock         ``tolerance_s`` (default 5)               ``drift_s`` (ahead of true time: positive)
set-calendar      ``name``, ``seasons``, ``weeks``,         ``active`` and ``passive`` (each a calendar as in the
                  ``days``, ``activate_at`` (ISO instant;   arguments, without ``activate_at``), ``activate_at``
                  None: at once)
set-special-days  ``days``: date (``2026-12-25``, every     ``days``
                  year ``*-12-25``) → day profile
billing-reset     none                                      ``resets`` (the billing period counter), ``entries``
                                                            (rows of the billing profile), ``newest`` (its last
                                                            stamp, ISO instant)
upgrade-firmware  ``image`` (its SHA-256, hexadecimal),     ``firmware`` (version in use), ``image_status`` (number
                  ``identifier``, ``size``, ``version``     of the standard), ``blocks``, ``blocks_held``
                  (what it makes of the meter),
                  ``activate_at`` (optional, ISO instant)
change-keys       ``version`` (of the new keys)             ``version`` (of the keys the meter answers under)
================= ========================================= ======================================================

A calendar: ``{"name": "TOU1", "seasons": [{"name": "1", "month": 1, "day": 1, "week": "1"}], "weeks": [{"name": "1",
"days": [1, 1, 1, 1, 1, 2, 2]}], "days": {"1": {"00:00": 1, "06:00": 2}}}``: Monday first, tariffs by local time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, Protocol, runtime_checkable

from demeter.sdk.driver import FailureKind, MeterSession, ReadFailure

Json = Any
"""What ``json.loads`` returns."""

Words = Mapping[str, Json]
"""Arguments or an observation, as in the table above."""

CLOCK_TOLERANCE_S: Final = 5
DAYS_OF_WEEK: Final = 7
LEAP_YEAR: Final = 2000


class OperationKind(StrEnum):
    """What a meter can be told to do."""

    CONNECT = "connect"
    DISCONNECT = "disconnect"
    ARM = "arm"
    LOAD_LIMIT = "load-limit"
    SET_CLOCK = "set-clock"
    SET_CALENDAR = "set-calendar"
    SET_SPECIAL_DAYS = "set-special-days"
    BILLING_RESET = "billing-reset"
    UPGRADE_FIRMWARE = "upgrade-firmware"
    CHANGE_KEYS = "change-keys"

    @property
    def switches_supply(self) -> bool:
        """Tell whether it touches somebody's supply."""
        return self in SUPPLY


SUPPLY: Final = frozenset(
    {OperationKind.CONNECT, OperationKind.DISCONNECT, OperationKind.ARM, OperationKind.LOAD_LIMIT}
)
RELAY: Final = frozenset({OperationKind.CONNECT, OperationKind.DISCONNECT, OperationKind.ARM})


class RelayState(StrEnum):
    """The supply as contact and control together say; contradictory: they disagree (welded, tampered, or moving)."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    ARMED = "armed"
    CONTRADICTORY = "contradictory"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """Whether an operation has had its effect. Undecided: what was observed does not tell."""

    ACHIEVED = "achieved"
    NOT_ACHIEVED = "not achieved"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to do. ``materials``: what the arguments only name (new keys, an image); in no log and no table.

    ``resumed``: a session before this one was told to perform it; only kinds that go on where they stopped ask.
    """

    kind: OperationKind
    arguments: Words = field(default_factory=dict)
    materials: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    resumed: bool = False


class OperationRefused(ReadFailure):
    """The meter, as it is set up, does not do this. Nothing was changed, and trying again changes nothing.

    ``code`` is stable: ``control_mode``, ``not_disconnected``, ``unit``, ``read_only``, …; the message is for a person.
    """

    def __init__(self, code: str, message: str, kind: FailureKind = FailureKind.REFUSED) -> None:
        super().__init__(kind, message)
        self.code = code


class OperationContinues(Exception):
    """A share of a long operation is done; the next one goes on where it stopped, not before ``wait``."""

    def __init__(self, message: str, wait: timedelta) -> None:
        super().__init__(message)
        self.message = message
        self.wait = wait


Report = Callable[[str, int, int], None]
"""Told during a long operation: what is being done, how far, of how much."""


def unreported(_doing: str, _done: int, _of: int) -> None:
    """Take a report and do nothing with it."""


@runtime_checkable
class OperatingSession(MeterSession, Protocol):
    """A session that can also operate its meter."""

    def operations(self) -> frozenset[OperationKind]:
        """Return the kinds this driver performs."""
        ...

    async def observe(self, operation: Operation) -> Words:
        """Read what shows the effect of an operation; changes nothing. JSON-ready, without secrets.

        Raises:
            ReadFailure: NOT_SUPPORTED, when the meter lacks the objects.
        """
        ...

    async def perform(self, operation: Operation, seen: Words, report: Report = unreported) -> None:
        """Do it. ``seen`` is the newest observation of the same session; what is relative is reckoned from it.

        Returns when the meter has said that it did it. An operation of several steps goes on from where an earlier,
        interrupted one stopped.

        Raises:
            OperationContinues: a share is done (only kinds whose rule ``resumes``).
            OperationRefused: nothing was changed.
            ReadFailure: the meter refused, or it is not known whether it was done.
        """
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """What is known of a kind without a meter.

    ``judge(arguments, before, now)``. ``check`` returns the arguments in their normal form; raises ``ValueError`` with
    a sentence. ``once``: a repetition would be a second effect, so it waits until the first cannot arrive any more.
    ``resumes``: it is performed in shares, and performing it again goes on where the last one stopped.
    """

    judge: Callable[[Words, Words, Words], Verdict]
    check: Callable[[Words], dict[str, Json]]
    once: bool = False
    resumes: bool = False


def judge(kind: OperationKind, arguments: Words, before: Words, now: Words) -> Verdict:
    """Return whether what was observed ``now`` shows the effect, given what was observed ``before``.

    ``before`` is the observation committed before sending; before anything was sent it is the same as ``now``.
    """
    return RULES[kind].judge(arguments, before, now)


def achieved(kind: OperationKind, arguments: Words, before: Words, now: Words) -> bool:
    """Tell whether the effect is certainly there; see :func:`judge`."""
    return judge(kind, arguments, before, now) is Verdict.ACHIEVED


def check_arguments(kind: OperationKind, arguments: Words) -> dict[str, Json]:
    """Return the arguments in their normal form, as the same request always has it.

    Raises:
        ValueError: something is missing, unknown or of the wrong kind; the sentence names it.
    """
    return RULES[kind].check(arguments)


def _verdict(*, there: bool | None) -> Verdict:
    if there is None:
        return Verdict.UNDECIDED
    return Verdict.ACHIEVED if there else Verdict.NOT_ACHIEVED


def _relay(wanted: RelayState) -> Callable[[Words, Words, Words], Verdict]:
    def look(_arguments: Words, _before: Words, now: Words) -> Verdict:
        state = now.get("relay")
        return _verdict(there=None if state in (None, RelayState.UNKNOWN) else state == wanted)

    return look


def _limited(arguments: Words, _before: Words, now: Words) -> Verdict:
    if now.get("limit") is None:
        return Verdict.UNDECIDED
    same = Decimal(now["limit"]) == Decimal(arguments["limit"]) and now.get("unit") == arguments["unit"]
    wanted = arguments.get("over_s")
    return _verdict(there=same and (wanted is None or now.get("over_s") == wanted))


def _on_time(arguments: Words, _before: Words, now: Words) -> Verdict:
    drift = now.get("drift_s")
    return _verdict(there=None if drift is None else abs(drift) <= arguments.get("tolerance_s", CLOCK_TOLERANCE_S))


def _calendar(arguments: Words, _before: Words, now: Words) -> Verdict:
    wanted = {name: part for name, part in arguments.items() if name != "activate_at"}
    at = arguments.get("activate_at")
    if now.get("active") == wanted:
        return Verdict.ACHIEVED
    if at is not None and now.get("passive") == wanted:
        return _verdict(there=now.get("activate_at") == at)
    return _verdict(there=None if now.get("active") is None else False)


def _special_days(arguments: Words, _before: Words, now: Words) -> Verdict:
    return _verdict(there=None if now.get("days") is None else now["days"] == arguments["days"])


def _billed(_arguments: Words, before: Words, now: Words) -> Verdict:
    """Judge a billing reset by the counter; without one, by the billing profile: its newest row, its number of rows."""
    for name in ("resets", "newest", "entries"):
        if before.get(name) is not None and now.get(name) is not None:
            return _verdict(there=now[name] != before[name])
    return Verdict.UNDECIDED


def _upgraded(arguments: Words, _before: Words, now: Words) -> Verdict:
    firmware = now.get("firmware")
    return _verdict(there=None if firmware is None else firmware == arguments["version"])


def _rekeyed(arguments: Words, _before: Words, now: Words) -> Verdict:
    version = now.get("version")
    return _verdict(there=None if version is None else version == arguments["version"])


def _only(arguments: Words, *allowed: str) -> None:
    unknown = sorted(set(arguments) - set(allowed))
    if unknown:
        raise ValueError(f"there is no argument {', '.join(unknown)}")


def _nothing(arguments: Words) -> dict[str, Json]:
    _only(arguments)
    return {}


def _whole(arguments: Words, name: str, low: int, high: int) -> int:
    value = arguments.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} is a whole number from {low} to {high}, not {value!r}")
    return value


def _text(arguments: Words, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is missing")
    return value


_LONGEST_OVER_S: Final = 86_400


def _check_limit(arguments: Words) -> dict[str, Json]:
    _only(arguments, "limit", "unit", "over_s")
    try:
        limit = Decimal(str(arguments.get("limit")))
    except InvalidOperation:
        limit = Decimal("NaN")
    if not limit.is_finite() or limit <= 0:
        raise ValueError(f"limit is a number above zero, not {arguments.get('limit')!r}")
    checked: dict[str, Json] = {"limit": format(limit.normalize(), "f"), "unit": arguments.get("unit", "W")}
    _text(checked, "unit")
    if arguments.get("over_s") is not None:
        checked["over_s"] = _whole(arguments, "over_s", 0, _LONGEST_OVER_S)
    return checked


def _check_clock(arguments: Words) -> dict[str, Json]:
    _only(arguments, "tolerance_s")
    return {"tolerance_s": _whole({"tolerance_s": CLOCK_TOLERANCE_S, **arguments}, "tolerance_s", 1, 900)}


def _check_relay(arguments: Words) -> dict[str, Json]:
    _only(arguments, "control_mode")
    mode = arguments.get("control_mode")
    return {} if mode is None else {"control_mode": _whole(arguments, "control_mode", 0, 6)}


def _check_calendar(arguments: Words) -> dict[str, Json]:
    _only(arguments, "name", "seasons", "weeks", "days", "activate_at")
    at = arguments.get("activate_at")
    try:
        return {
            "name": _text(arguments, "name"),
            "seasons": [_season(each) for each in _several(arguments, "seasons", list)],
            "weeks": [_week(each) for each in _several(arguments, "weeks", list)],
            "days": {str(int(day)): _day(changes) for day, changes in _several(arguments, "days", dict).items()},
            "activate_at": None if at is None else _instant(at),
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"a calendar has other parts than these: {error}") from error


def _several(arguments: Words, name: str, kind: type) -> Json:
    found = arguments.get(name)
    if not isinstance(found, kind) or not found:
        raise ValueError(f"{name} are missing")
    return found


def _season(season: Words) -> dict[str, Json]:
    _only(season, "name", "month", "day", "week")
    start = {"month": _whole(season, "month", 1, 12), "day": _whole(season, "day", 1, 31)}
    return {"name": _text(season, "name"), **start, "week": _text(season, "week")}


def _week(week: Words) -> dict[str, Json]:
    _only(week, "name", "days")
    days = dict(enumerate(week["days"]))
    if len(days) != DAYS_OF_WEEK:
        raise ValueError(f"a week has seven days, not {len(days)}")
    return {"name": _text(week, "name"), "days": [_whole({"day": day}, "day", 0, 255) for day in days.values()]}


def _day(changes: Words) -> dict[str, Json]:
    return {_time_of_day(at): _whole(changes, at, 0, 65_535) for at in sorted(changes)}


def _time_of_day(text: str) -> str:
    try:
        return datetime.strptime(text, "%H:%M").replace(tzinfo=UTC).strftime("%H:%M")
    except ValueError as error:
        raise ValueError(f"a tariff begins at a time such as 06:00, not {text!r}") from error


def _instant(text: Json) -> str:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ValueError(f"activate_at is an instant such as 2027-01-01T00:00:00+05:30, not {text!r}") from error
    if at.tzinfo is None:
        raise ValueError("activate_at needs its offset from UTC")
    return at.astimezone(UTC).replace(microsecond=0).isoformat()


def _check_special_days(arguments: Words) -> dict[str, Json]:
    _only(arguments, "days")
    days = {} if arguments.get("days") == {} else _several(arguments, "days", dict)
    return {"days": {_special_day(day): _whole(days, day, 0, 255) for day in sorted(days)}}


def _special_day(text: str) -> str:
    year, _, rest = text.partition("-")
    every = year == "*"
    try:
        day = datetime.strptime(f"{LEAP_YEAR if every else year}-{rest}", "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"a special day is a date such as 2026-12-25 or *-12-25, not {text!r}") from error
    return day.strftime("*-%m-%d" if every else "%Y-%m-%d")


def _check_image(arguments: Words) -> dict[str, Json]:
    _only(arguments, "image", "identifier", "size", "version", "activate_at")
    words = {name: _text(arguments, name) for name in ("image", "identifier", "version")}
    at = arguments.get("activate_at")
    when = {} if at is None else {"activate_at": _instant(at)}
    return {**words, "size": _whole(arguments, "size", 1, 2**31), **when}


def _check_keys(arguments: Words) -> dict[str, Json]:
    _only(arguments, "version")
    return {"version": _whole(arguments, "version", 1, 2**31)}


RULES: Final[Mapping[OperationKind, Rule]] = {
    OperationKind.CONNECT: Rule(_relay(RelayState.CONNECTED), _check_relay),
    OperationKind.DISCONNECT: Rule(_relay(RelayState.DISCONNECTED), _check_relay),
    OperationKind.ARM: Rule(_relay(RelayState.ARMED), _check_relay),
    OperationKind.LOAD_LIMIT: Rule(_limited, _check_limit),
    OperationKind.SET_CLOCK: Rule(_on_time, _check_clock),
    OperationKind.SET_CALENDAR: Rule(_calendar, _check_calendar),
    OperationKind.SET_SPECIAL_DAYS: Rule(_special_days, _check_special_days),
    OperationKind.BILLING_RESET: Rule(_billed, _nothing, once=True),
    OperationKind.UPGRADE_FIRMWARE: Rule(_upgraded, _check_image, resumes=True),
    OperationKind.CHANGE_KEYS: Rule(_rekeyed, _check_keys),
}
