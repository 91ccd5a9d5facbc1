"""Many payloads of many meters to columns in one go, grouped by shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.vector.fixed import decode_frames
from demeter.protocols.dlms.vector.layout import Layout, LayoutCache
from demeter.protocols.dlms.vector.mixed import decode_mixed
from demeter.protocols.dlms.vector.rows import RowColumns, RowGroup
from demeter.protocols.dlms.vector.scalar import decode_rows_scalar

_LAYOUTS: Final = LayoutCache()
_MAX_GUESSES: Final = 8


def group_rows(payloads: Sequence[bytes]) -> tuple[list[RowGroup], list[int]]:
    """Decode all payloads the vector path can read; returns the groups and the indices of the others.

    Every payload is in exactly one group or among the others, whose trouble (or unusual shape) the walker tells.
    Within a group all columns have one kind.
    """
    groups: list[RowGroup] = []
    guesses, others = _LAYOUTS.group(payloads)
    for layout, members in guesses:
        others += _decode_alike(payloads, layout, members, groups)
    mixed, left = decode_mixed(payloads, others)
    return groups + mixed, left


def _decode_alike(payloads: Sequence[bytes], layout: Layout, members: list[int], groups: list[RowGroup]) -> list[int]:
    """Decode the ``members`` thought to have ``layout``; returns those of a shape that differs from row to row."""
    for _ in range(_MAX_GUESSES):
        fits, rows = decode_frames([payloads[index] for index in members], layout)
        if fits.all():
            groups.append(_group(members, layout, rows))
            return []
        fitting = [index for index, fit in zip(members, fits, strict=True) if fit]
        if fitting:
            groups.append(_group(fitting, layout, decode_frames([payloads[index] for index in fitting], layout)[1]))
        members = [index for index, fit in zip(members, fits, strict=True) if not fit]
        renewed = _LAYOUTS.renew(payloads[members[0]])
        if renewed is None or renewed == layout:
            break
        layout = renewed
    return members


def _group(members: list[int], layout: Layout, rows: RowColumns) -> RowGroup:
    starts = np.arange(0, (len(members) + 1) * layout.rows, layout.rows)
    return RowGroup(np.array(members, np.intp), starts, rows)


def decode_rows(payload: bytes) -> RowColumns:
    """Decode an A-XDR array or compact array of structures with equally many elements to raw columns.

    Shapes the vector path does not read (nested types, long strings) go to the walker; the result is the same.

    Raises:
        Malformed: bytes behind the array or rows of different widths; otherwise as ``axdr.decode``.
        Unsupported: not an array of structures.
    """
    groups, _ = group_rows((payload,))
    return groups[0].rows if groups else decode_rows_scalar(payload)


def decode_rows_batch(payloads: Sequence[bytes]) -> list[RowColumns | DlmsError]:
    """Decode many payloads at once; each has its columns, or the error :func:`decode_rows` would raise for it.

    For the fewest Python objects use :func:`group_rows`, which leaves the rows of alike payloads together.
    """
    results: dict[int, RowColumns | DlmsError] = {}
    groups, left = group_rows(payloads)
    for group in groups:
        starts = group.starts.tolist()
        for k, index in enumerate(group.members.tolist()):
            results[index] = group.rows[starts[k] : starts[k + 1]]
    for index in left:
        try:
            results[index] = decode_rows_scalar(payloads[index])
        except DlmsError as error:
            results[index] = error
    return [results[index] for index in range(len(payloads))]
