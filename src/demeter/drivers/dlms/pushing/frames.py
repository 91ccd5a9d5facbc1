"""What the journal keeps of a push, the readings in it, and decoding it again (codec ``dlms/push``).

A frame's payload is the message in wrapper frames as it came, blocks and protection included. Its context says how it
was read: layout, columns, zone, period, protection; never a key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import numpy as np

from demeter.drivers.dlms.failures import failure_of
from demeter.drivers.dlms.options import PROTECTION_WORDS, PROTECTIONS
from demeter.drivers.dlms.pushing.lines import whole
from demeter.drivers.dlms.pushing.opening import PLAIN, keys_of, notification, opened
from demeter.drivers.dlms.pushing.options import ANY_BODY, layouts_of, parse_objects
from demeter.drivers.dlms.tables import REGISTER_CLASSES, UNTRUSTED, kind_of
from demeter.drivers.dlms.units import unit_word
from demeter.kernel import Quality
from demeter.protocols.dlms.apdu import DataNotification, Notification
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DlmsError, Malformed, TagCheckFailed
from demeter.protocols.dlms.push import (
    BY_OBJECTS,
    Objects,
    PushReading,
    PushRow,
    PushValue,
    read_push,
)
from demeter.protocols.dlms.security import KeyPairs, Protection, Suite
from demeter.sdk import Credentials, FailureKind, Frame, ReadFailure, ReadingKind, ReadingType, Series

CODEC: Final = "dlms/push"
WHOLE_NAME: Final = 255
"""OBIS group F of present values; others are of earlier billing periods."""


def push_context(
    form: str, title: bytes | None, key_version: int, suite: Suite, protection: Protection
) -> dict[str, object]:
    """Return how a push is protected, as its frame's context tells it."""
    if form == PLAIN:
        return {"form": form}
    context: dict[str, object] = {"form": form, "key_version": key_version}
    if title is not None:
        context["system_title"] = title.hex()
    if suite is not Suite.ZERO:
        context["suite"] = int(suite)
    if protection is not Protection.AUTHENTICATED_ENCRYPTED:
        context["protection"] = PROTECTION_WORDS[protection]
    return context


def reading_context(
    reading: PushReading | None, objects: Objects, period_s: int | None, zone: str
) -> dict[str, object]:
    """Return how a body was read: with which layout and columns; nothing for a body without readings."""
    if reading is None or reading.layout is None:
        return {}
    named = {value.obis for row in reading.rows for value in row.values if value.obis is not None}
    used = {reading.push_obis} if reading.layout != BY_OBJECTS else {None}
    kept = {
        name: columns
        for name, columns in objects.items()
        if named and (name in used or any(each.scaler is not None and each.obis in named for each in columns))
    }
    context: dict[str, object] = {"layout": reading.layout, "zone": zone}
    if period_s is not None:
        context["period_s"] = period_s
    if kept:
        context["objects"] = {_name_of(name): list(map(str, columns)) for name, columns in kept.items()}
    return context


def _name_of(name: object) -> str:
    return ANY_BODY if name is None else str(name)


def series_of_push(
    reading: PushReading | None, sent: Notification, zone: ZoneInfo, period_s: int | None
) -> tuple[Series, ...]:
    """Return the readings of a push: registers, and amounts and averages of the interval, that have a unit and a time.

    The time is that of the row's own clock, else of the body's, else of the notification. A row with amounts of an
    interval is one of a load profile, whose period must be known. Values of unknown time or unit stay in the frame.
    """
    found: dict[ReadingType, list[tuple[int, int, int]]] = defaultdict(list)
    for row in () if reading is None else reading.rows:
        stamped = _stamp(row, sent, zone)
        if stamped is not None:
            for reading_type, value in _readings(row, period_s):
                found[reading_type].append((stamped[0], value, stamped[1]))
    return tuple(_series(reading_type, rows) for reading_type, rows in found.items())


def _series(reading_type: ReadingType, rows: list[tuple[int, int, int]]) -> Series:
    at_s, values, quality = zip(*rows, strict=True)
    return Series(reading_type, np.array(at_s, np.int64), np.array(values, np.int64), np.array(quality, np.uint8))


def _stamp(row: PushRow, sent: Notification, zone: ZoneInfo) -> tuple[int, int] | None:
    """Return when a row was (UTC epoch seconds), and how far it is to be believed; None: nobody can say."""
    at = row.at
    if at is None and not any(value.is_clock for value in row.values):
        at = sent.moment
    if not isinstance(at, CosemDateTime):
        return None
    try:
        instant = at.to_utc(zone)
    except (DlmsError, OverflowError):
        return None
    doubtful = at.status is not None and bool(at.status & UNTRUSTED)
    return int(instant.timestamp()), int(Quality.SUSPECT if doubtful else Quality.MEASURED)


def _readings(row: PushRow, period_s: int | None) -> Iterable[tuple[ReadingType, int]]:
    kinds = [_kind(value) for value in row.values]
    recorded = ReadingKind.INTERVAL in kinds
    for value, kind in zip(row.values, kinds, strict=True):
        if kind is None or value.unit is None or (recorded and not period_s):
            continue
        unit, scaler = unit_word(value.unit, value.scaler)
        assert isinstance(value.value, int)
        yield ReadingType(str(value.obis), kind, unit, scaler, (period_s or 0) if recorded else 0), value.value


def _kind(value: PushValue) -> ReadingKind | None:
    number = isinstance(value.value, int) and not isinstance(value.value, bool) and abs(value.value) < 1 << 63
    if not number or value.obis is None or value.attribute != 2 or value.obis.f != WHOLE_NAME:
        return None
    return kind_of(value.obis) if value.class_id is None or value.class_id in REGISTER_CLASSES else None


class PushDecoder:
    """Decodes journal frames of codec ``dlms/push`` again (entry point group ``demeter.decoders``)."""

    codec = CODEC

    def decode(self, frame: Frame, credentials: Credentials) -> tuple[Series, ...]:
        """Return the same series that the receiver handed over.

        Raises:
            ReadFailure: the keys do not fit, or payload or context were altered.
        """
        context = cast(Mapping[str, Any], frame.context)
        try:
            sent = notification(_plain(frame.payload, context, credentials))
            if "layout" not in context or not isinstance(sent, DataNotification):
                return ()
            objects = parse_objects(context.get("objects", {}))
            layouts = () if context["layout"] == BY_OBJECTS else layouts_of(context["layout"])
            reading = read_push(sent.body, layouts, objects)
            if reading.layout is None:
                raise Malformed(f"the body is no {context['layout']}: {'; '.join(reading.reasons)}")
            return series_of_push(reading, sent, ZoneInfo(context["zone"]), context.get("period_s"))
        except DlmsError as error:
            raise failure_of(error, "decoding a push") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ReadFailure(FailureKind.GARBLED, f"the frame's context is not that of a push: {error!r}") from error


def _plain(payload: bytes, context: Mapping[str, Any], credentials: Credentials) -> bytes:
    """Open a frame with the meter's present keys, else with former ones: the tag tells which fit."""
    if context["form"] == PLAIN:
        return whole(payload).apdu
    with suppress(TagCheckFailed):
        return _opened(payload, context, credentials.secrets)
    for former in credentials.earlier:
        with suppress(DlmsError):
            return _opened(payload, context, former)
    return _opened(payload, context, credentials.secrets)


def _opened(payload: bytes, context: Mapping[str, Any], secrets: Mapping[str, bytes]) -> bytes:
    missing = [name for name in ("encryption_key", "authentication_key") if not secrets.get(name)]
    if missing:
        raise ReadFailure(FailureKind.NOT_CONFIGURED, f"the meter's {' and '.join(missing)} to open the frame with")
    pairs = KeyPairs(agreement=secrets.get("agreement_key", b""))
    keys = keys_of(secrets, Suite(context.get("suite", 0)), pairs)
    title = bytes.fromhex(context["system_title"]) if "system_title" in context else None
    least = PROTECTIONS[context.get("protection", "authenticated-encrypted")]
    return opened(whole(payload).apdu, keys, title, least, signature=False).plain
