"""The vector path: A-XDR arrays of structures to numpy columns and back, without a Python object per value.

* :func:`decode_rows` for one payload, :func:`decode_rows_batch` and :func:`group_rows` for many meters at once;
* :func:`decode_rows_scalar`, the twin by the walker, which gives the same columns;
* :func:`encode_rows`, :func:`encode_compact_rows` the other way;
* :func:`decode_moments`, :func:`encode_moments` for columns of date-times.
"""

from demeter.protocols.dlms.vector.batch import decode_rows, decode_rows_batch, group_rows
from demeter.protocols.dlms.vector.encode import RowSource, encode_compact_rows, encode_rows, repeated
from demeter.protocols.dlms.vector.rows import (
    DELTA_TAGS,
    INTEGER_TAGS,
    CellState,
    ColumnKind,
    RowColumn,
    RowColumns,
    RowGroup,
    truths,
)
from demeter.protocols.dlms.vector.scalar import decode_rows_scalar
from demeter.protocols.dlms.vector.times import NO_TIME, decode_moments, encode_moments

__all__ = [
    "DELTA_TAGS",
    "INTEGER_TAGS",
    "NO_TIME",
    "CellState",
    "ColumnKind",
    "RowColumn",
    "RowColumns",
    "RowGroup",
    "RowSource",
    "decode_moments",
    "decode_rows",
    "decode_rows_batch",
    "decode_rows_scalar",
    "encode_compact_rows",
    "encode_moments",
    "encode_rows",
    "group_rows",
    "repeated",
    "truths",
]
