"""Numbers to the octets of a profile's buffer, whole columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from demeter.protocols.dlms.data import Tag
from demeter.protocols.dlms.vector import RowSource, encode_compact_rows, encode_moments, encode_rows, repeated
from demeter.simulator.fleet import RowFormat
from demeter.simulator.noise import IntArray


def encode_table(
    columns: Sequence[tuple[Tag, IntArray]], zone: ZoneInfo, form: RowFormat = RowFormat.PLAIN, period_s: int = 0
) -> bytes:
    """Return rows as A-XDR; ``OCTET_STRING`` columns are UTC epoch seconds, sent as date-times.

    ``period_s`` is what a null stamp of the delta form stands for; 0: stamps are always sent.
    """
    if form is RowFormat.DELTA:
        return encode_rows([_delta(tag, values, zone, period_s) for tag, values in columns])
    plain = [_source(tag, values, zone) for tag, values in columns]
    return encode_compact_rows(plain) if form is RowFormat.COMPACT else encode_rows(plain)


def _source(tag: Tag, values: IntArray, zone: ZoneInfo) -> RowSource:
    return RowSource(tag, _moments(values, zone) if tag is Tag.OCTET_STRING else values)


def _delta(tag: Tag, values: IntArray, zone: ZoneInfo, period_s: int) -> RowSource:
    """Return a column that leaves out what the reader can work out from the row before."""
    source = _source(tag, values, zone)
    if tag is not Tag.OCTET_STRING:
        return RowSource(tag, values, repeated(values))
    follows = np.zeros(len(values), dtype=np.bool_)
    if period_s:
        follows[1:] = np.diff(values) == period_s
    return RowSource(tag, source.values, follows)


def _moments(at_s: IntArray, zone: ZoneInfo) -> NDArray[np.uint8]:
    """Return uint8[n, 12]; meters read over the same span share the table."""
    if len(at_s) < 2 or (step := int(at_s[1] - at_s[0])) <= 0 or not bool((np.diff(at_s) == step).all()):
        return encode_moments(at_s, zone)
    return _even_moments(int(at_s[0]), step, len(at_s), zone)


@lru_cache(maxsize=256)
def _even_moments(first_s: int, step_s: int, count: int, zone: ZoneInfo) -> NDArray[np.uint8]:
    table = encode_moments(first_s + step_s * np.arange(count, dtype=np.int64), zone)
    table.flags.writeable = False
    return table
