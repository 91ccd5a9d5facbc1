"""An estate from a file: buildings, units, service points and meters with their keys, one row per service point.

:func:`read_rows` turns a CSV or JSON file into rows, :func:`import_rows` brings an estate to what they say. Both tell
every mistake at once, by line and column, in words that never repeat what stands in the file: it holds keys, and a
shifted column may hold one anywhere.
"""

from demeter.estate.importing.apply import Report, import_rows
from demeter.estate.importing.columns import COLUMNS
from demeter.estate.importing.model import EstateRow, ImportRefused, MeterEntry, RowError
from demeter.estate.importing.reading import read_rows

__all__ = ["COLUMNS", "EstateRow", "ImportRefused", "MeterEntry", "Report", "RowError", "import_rows", "read_rows"]
