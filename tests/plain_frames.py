"""Deliveries whose frame is a plain listing of its readings, so that it can be decoded again without a protocol."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from demeter.kernel import Quality
from demeter.sdk import Credentials, Delivery, FailureKind, Frame, ReadFailure, ReadingKind, ReadingType, Series

CODEC = "test/plain"
WH = ReadingType("1.0.1.29.0.255", ReadingKind.INTERVAL, "Wh", 0, 900)
INDEX = ReadingType("1.0.1.8.0.255", ReadingKind.REGISTER, "Wh", 0, 900)
ON_DEMAND = ReadingType("1.0.1.8.0.255", ReadingKind.REGISTER, "Wh", 0, 0)
RECEIVED = datetime(2026, 12, 31, tzinfo=UTC)


def series(
    kind: ReadingType, first: datetime, values: Sequence[int], quality: Quality = Quality.MEASURED, step_s: int = 0
) -> Series:
    at_s = int(first.timestamp()) + (step_s or kind.interval_s or 900) * np.arange(len(values), dtype=np.int64)
    return Series(kind, at_s, np.array(values, np.int64), np.full(len(values), quality, np.uint8))


def picked(given: Series, chosen) -> Series:
    return Series(given.reading_type, given.at_s[chosen], given.values[chosen], given.quality[chosen])


def delivery(meter_id: int, *parts: Series, received_at: datetime = RECEIVED) -> Delivery:
    columns = [[p.at_s.tolist(), p.values.tolist(), p.quality.tolist()] for p in parts]
    types = [[t.obis, t.kind.value, t.unit, t.scaler, t.interval_s] for t in (p.reading_type for p in parts)]
    frame = Frame(CODEC, json.dumps(columns).encode(), received_at, {"types": types})
    return Delivery(meter_id, frame, parts)


def decoded(frame: Frame) -> tuple[Series, ...]:
    types = [ReadingType(obis, ReadingKind(kind), *rest) for obis, kind, *rest in frame.context["types"]]
    return tuple(
        Series(t, np.array(at, np.int64), np.array(values, np.int64), np.array(quality, np.uint8))
        for t, (at, values, quality) in zip(types, json.loads(frame.payload), strict=True)
    )


class PlainDecoder:
    codec = CODEC

    def decode(self, frame: Frame, credentials: Credentials) -> tuple[Series, ...]:
        try:
            return decoded(frame)
        except ValueError as error:
            raise ReadFailure(FailureKind.GARBLED, str(error), offset=0) from error
