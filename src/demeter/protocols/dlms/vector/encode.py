"""Columns to rows: the vectorised encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from demeter.protocols.dlms.axdr import encode_length
from demeter.protocols.dlms.data import Tag
from demeter.protocols.dlms.errors import Malformed, Unsupported
from demeter.protocols.dlms.vector.fixed import WIRE_TYPES

_BYTES: Final = (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.DATE_TIME)


@dataclass(frozen=True, slots=True, eq=False)
class RowSource:
    """One column to encode.

    ``values`` is an integer array [n] for integer, enum and boolean tags, uint8[n, k] for octet-strings,
    visible-strings and date-times, and of no matter (but its length) for NULL. ``null`` bool[n] marks rows in which
    null-data is sent instead.
    """

    tag: Tag
    values: ArrayLike
    null: NDArray[np.bool_] | None = None


def encode_rows(columns: Sequence[RowSource]) -> bytes:
    """Encode columns of equal length as an A-XDR array of structures.

    Raises:
        Malformed: a value does not fit its tag, or columns of different lengths.
        Unsupported: a tag this encoder does not write.
    """
    tables = [_table(column) for column in columns]
    rows = _length(tables)
    head = np.frombuffer(bytes((Tag.STRUCTURE,)) + encode_length(len(columns)), np.uint8)
    blocks = [np.broadcast_to(head, (rows, len(head)))]
    for column, table in zip(columns, tables, strict=True):
        tag = np.full((rows, 1), column.tag, np.uint8)
        if column.null is not None:
            tag[column.null] = Tag.NULL
        blocks += [tag, table]
    octets = np.concatenate(blocks, axis=1)
    header = bytes((Tag.ARRAY,)) + encode_length(rows)
    if all(column.null is None for column in columns):
        return header + octets.tobytes()
    kept = np.ones(octets.shape, np.bool_)
    at = len(head)
    for column, table in zip(columns, tables, strict=True):
        if column.null is not None:
            kept[np.asarray(column.null), at + 1 : at + 1 + table.shape[1]] = False
        at += 1 + table.shape[1]
    return header + octets[kept].tobytes()


def encode_compact_rows(columns: Sequence[RowSource]) -> bytes:
    """Encode columns of equal length as a compact array of structures; only whole columns can be null (tag NULL).

    Raises:
        Malformed: a value does not fit its tag, columns of different lengths, or single null cells.
        Unsupported: a tag this encoder does not write.
    """
    if any(column.null is not None for column in columns):
        raise Malformed("a compact array has no single null cells")
    tables = [_table(column) for column in columns]
    rows = _length(tables)
    contents = np.concatenate([np.empty((rows, 0), np.uint8), *tables], axis=1).tobytes()
    shape = bytes((Tag.COMPACT_ARRAY, Tag.STRUCTURE)) + encode_length(len(columns))
    return shape + bytes(column.tag for column in columns) + encode_length(len(contents)) + contents


def repeated(values: ArrayLike) -> NDArray[np.bool_]:
    """Which rows equal the row before: those a meter may send as null-data. ``values`` is [n] or [n, k]."""
    table = np.asarray(values)
    same = np.zeros(len(table), np.bool_)
    differences = table[1:] != table[:-1]
    same[1:] = ~(differences if table.ndim == 1 else differences.any(axis=1))
    return same


def _length(tables: Sequence[NDArray[np.uint8]]) -> int:
    lengths = {len(table) for table in tables}
    if len(lengths) > 1:
        raise Malformed(f"columns of different lengths: {sorted(lengths)}")
    return lengths.pop() if lengths else 0


def _table(column: RowSource) -> NDArray[np.uint8]:
    """The bytes behind the tag, uint8[n, width]."""
    values = np.asarray(column.values)
    if column.tag is Tag.NULL:
        return np.empty((len(values), 0), np.uint8)
    if column.tag in _BYTES:
        return _octets(column.tag, values)
    wire = WIRE_TYPES.get(column.tag)
    if wire is None:
        raise Unsupported(f"columns of {column.tag.name} are not encoded as rows")
    if column.tag is Tag.BOOLEAN:
        truths: NDArray[np.uint8] = np.not_equal(values, 0).astype(np.uint8)
        return truths.reshape(-1, 1)
    if values.dtype.kind not in "iub":
        raise Malformed(f"{values.dtype} values are no {column.tag.name}")
    sent = values if column.null is None else np.where(column.null, values.dtype.type(0), values)
    limits = np.iinfo(wire.str)
    if len(sent) and not (int(limits.min) <= int(sent.min()) and int(sent.max()) <= int(limits.max)):
        raise Malformed(f"{int(sent.min())} to {int(sent.max())} does not fit {column.tag.name}")
    return np.ascontiguousarray(sent, wire).view(np.uint8).reshape(len(sent), wire.itemsize)


def _octets(tag: Tag, values: NDArray[np.generic]) -> NDArray[np.uint8]:
    if values.ndim != 2 or values.dtype != np.uint8 or (tag is Tag.DATE_TIME and values.shape[1] != 12):
        raise Malformed(f"{tag.name} values are uint8[n, k], not {values.dtype}{list(values.shape)}")
    table = np.asarray(values, np.uint8)
    if tag is Tag.DATE_TIME:
        return table
    length = np.frombuffer(encode_length(table.shape[1]), np.uint8)
    return np.concatenate((np.broadcast_to(length, (len(table), len(length))), table), axis=1)
