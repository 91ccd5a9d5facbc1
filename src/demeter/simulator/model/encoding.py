"""Numbers to the octets of a profile's buffer, whole columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from demeter.protocols.dlms.data import Tag
from demeter.protocols.dlms.vector import RowSource, encode_moments, encode_rows
from demeter.simulator.noise import IntArray


def encode_table(columns: Sequence[tuple[Tag, IntArray]], zone: ZoneInfo) -> bytes:
    """Return an A-XDR array of structures; ``OCTET_STRING`` columns are UTC epoch seconds, sent as date-times."""
    return encode_rows(
        [RowSource(tag, _moments(values, zone) if tag is Tag.OCTET_STRING else values) for tag, values in columns]
    )


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
