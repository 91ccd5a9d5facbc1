"""Invocation counters that outlive a command: a small JSON file, system title → the last counter used.

A counter used twice under one key gives the key away, so it is on the disk before anything is sent.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demeter.kernel import Invalid
from demeter.protocols.dlms.security import MAX_COUNTER


def reserve(path: Path, title: bytes, count: int, least: int = 1) -> int:
    """Return the first of ``count`` counters nobody used before; ``least``: not below this one.

    Raises:
        Invalid: the file is no file of counters, or the counters are used up.
    """
    with _locked(path):
        known = _read(path)
        first = max(known.get(title.hex(), 0) + 1, least)
        if first + count - 1 > MAX_COUNTER:
            raise Invalid(f"the counters of {title.hex()} are used up", hint="The meter's keys must be changed.")
        known[title.hex()] = first + count - 1
        _write(path, known)
    return first


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> dict[str, int]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise Invalid(f"{path} is no file of counters: {error}") from error
    if not isinstance(found, dict) or any(type(number) is not int or number < 0 for number in found.values()):
        raise Invalid(f"{path} is no file of counters", hint='It holds {"<system title>": <last counter>}.')
    return found


def _write(path: Path, known: dict[str, int]) -> None:
    """Replace the file in one step, and only once its content is on the disk."""
    beside = path.with_name(path.name + ".new")
    with beside.open("w", encoding="utf-8") as opened:
        opened.write(json.dumps(known, indent=1) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
