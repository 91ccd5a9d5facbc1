"""Counters kept without a database: in memory and in a file, for tools and tests."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demeter.kernel import Unavailable
from demeter.sdk import Counted

MAKER = b"DMT"


def new_title() -> bytes:
    """Return a system title of Demeter's: the maker's three letters and five octets by chance."""
    return MAKER + secrets.token_bytes(5)


class MemoryCounters:
    """Forgets everything with the process, its title too: under the next title no counter was ever used."""

    def __init__(self) -> None:
        self._title = new_title()
        self._sent: dict[tuple[bytes, bytes], int] = {}
        self._seen: dict[tuple[bytes, bytes], int] = {}

    async def title(self) -> bytes:
        """Return this object's own title."""
        return self._title

    async def counted(self, fingerprint: bytes) -> Counted:
        """Return what was counted under a key."""
        sent = {title: count for (key, title), count in self._sent.items() if key == fingerprint}
        return Counted(sent, {title: count for (key, title), count in self._seen.items() if key == fingerprint})

    async def reserve(self, title: bytes, fingerprint: bytes, least: int, count: int) -> int:
        """Reserve; see :class:`demeter.sdk.CounterStore`."""
        first = max(least, self._sent.get((fingerprint, title), -1) + 1)
        self._sent[fingerprint, title] = first + count - 1
        return first

    async def saw(self, title: bytes, fingerprint: bytes, counter: int) -> None:
        """Remember what came from a meter."""
        self._seen[fingerprint, title] = max(counter, self._seen.get((fingerprint, title), -1))


class FileCounters:
    """Keeps counters in a JSON file that several processes may share; it is replaced whole, after a flush to disk.

    Raises:
        Unavailable: from every method, when the file cannot be read or written, or is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def title(self) -> bytes:
        """Return the file's title, made when it is first asked for."""
        return await asyncio.to_thread(self._titled)

    async def counted(self, fingerprint: bytes) -> Counted:
        """Return what was counted under a key."""
        return await asyncio.to_thread(self._counted, fingerprint.hex())

    async def reserve(self, title: bytes, fingerprint: bytes, least: int, count: int) -> int:
        """Reserve; see :class:`demeter.sdk.CounterStore`."""
        return await asyncio.to_thread(self._reserve, title.hex(), fingerprint.hex(), least, count)

    async def saw(self, title: bytes, fingerprint: bytes, counter: int) -> None:
        """Remember what came from a meter."""
        await asyncio.to_thread(self._saw, title.hex(), fingerprint.hex(), counter)

    def _titled(self) -> bytes:
        with self._opened() as kept:
            return bytes.fromhex(kept["title"])

    def _counted(self, key: str) -> Counted:
        with self._opened() as kept:
            sent, seen = (
                {bytes.fromhex(title): int(count) for title, count in kept[kind].get(key, {}).items()}
                for kind in ("sent", "seen")
            )
        return Counted(sent, seen)

    def _reserve(self, title: str, key: str, least: int, count: int) -> int:
        with self._opened() as kept:
            sent = kept["sent"].setdefault(key, {})
            first = max(least, sent.get(title, -1) + 1)
            sent[title] = first + count - 1
        return int(first)

    def _saw(self, title: str, key: str, counter: int) -> None:
        with self._opened() as kept:
            seen = kept["seen"].setdefault(key, {})
            seen[title] = max(counter, seen.get(title, -1))

    @contextmanager
    def _opened(self) -> Iterator[dict[str, Any]]:
        """Give the content, held against other processes, and write what was changed."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.with_name(self._path.name + ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                before = self._path.read_text("utf-8") if self._path.exists() else ""
                kept = json.loads(before) if before else {"title": new_title().hex(), "sent": {}, "seen": {}}
                yield kept
                after = json.dumps(kept, indent=1)
                if after != before:
                    self._replace(after)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unavailable(
                f"the file of invocation counters {self._path} cannot be used: {error}",
                code="counters",
                hint="Without it a counter might be used twice. If it is lost, name another: it brings a new title.",
            ) from error

    def _replace(self, text: str) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
