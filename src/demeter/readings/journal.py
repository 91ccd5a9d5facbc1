"""The journal: every raw frame as received, each linked to the one before it from the same meter.

``hash = SHA-256(previous hash + received_at + content)``, where ``content = SHA-256(metadata + payload)`` and metadata
is the canonical JSON of meter, codec and context. Changing, inserting or removing a frame breaks the chain; cutting
its tail contradicts the kept head. The content digest alone recognises a repeated frame, whenever it arrives.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg

from demeter.kernel import NotFound, Span
from demeter.readings.model import JournalFrame
from demeter.readings.store import journal as store
from demeter.runtime.database import Database, Role, UnitOfWork
from demeter.sdk import Frame

Connection = psycopg.Connection[Any]

WORTH_COMPRESSING = 64
PROBE = 256  # enciphered bytes do not shrink: a look at the beginning saves the attempt


@dataclass(frozen=True, slots=True)
class Entry:
    """A frame on its way into the journal. ``covers_*_s``: earliest and latest instant of its readings (epoch s)."""

    site_id: int
    meter_id: int
    frame: Frame
    content: bytes
    context_text: str
    covers_start_s: int | None
    covers_end_s: int | None
    rows: int
    refused: int

    @property
    def fingerprint(self) -> UUID:
        """Return what recognises a repeat of this frame."""
        return UUID(bytes=self.content[:16])


def canonical(context: Mapping[str, object]) -> str:
    """Return a frame's context as canonical JSON: sorted keys, no spaces."""
    return json.dumps(dict(context), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_digest(meter_id: int, codec: str, context_text: str, payload: bytes) -> bytes:
    """Return the SHA-256 of a frame's metadata and payload, without when it was received."""
    digest = sha256(json.dumps([meter_id, codec, context_text], separators=(",", ":"), ensure_ascii=False).encode())
    digest.update(b"\0")
    digest.update(payload)
    return digest.digest()


def link(previous: bytes, received_at: datetime, content: bytes) -> bytes:
    """Return the hash of a frame that follows ``previous``."""
    return sha256(previous + received_at.astimezone(UTC).isoformat(timespec="microseconds").encode() + content).digest()


def known(connection: Connection, entries: Sequence[tuple[int, int, UUID]]) -> dict[tuple[int, UUID], int]:
    """Return (meter, fingerprint) → frame id of those (site, meter, fingerprint) already in the journal."""
    return store.known_fingerprints(connection, entries) if entries else {}


def append(connection: Connection, entries: Sequence[Entry]) -> list[int]:
    """Append frames and return their ids. The caller holds the sites' locks and made the month's partition."""
    if not entries:
        return []
    ids = store.frame_ids(connection, len(entries))
    heads = store.chain_heads(connection, {e.meter_id: e.site_id for e in entries})
    rows: list[store.FrameRow] = []
    contexts: dict[tuple[int, UUID], str] = {}
    newest: dict[int, store.FrameRow] = {}
    for number, entry in zip(ids, entries, strict=True):
        row = _row(entry, number, heads.get(entry.meter_id, b""))
        heads[entry.meter_id] = row.hash
        newest[entry.meter_id] = row
        contexts[entry.site_id, row.context_id] = entry.context_text
        rows.append(row)
    store.put_contexts(connection, contexts)
    store.copy_frames(connection, rows)
    store.put_chain_heads(connection, list(newest.values()))
    return ids


def _row(entry: Entry, number: int, previous: bytes) -> store.FrameRow:
    payload, compressed = _packed(entry.frame.payload)
    return store.FrameRow(
        site_id=entry.site_id,
        meter_id=entry.meter_id,
        id=number,
        received_at=entry.frame.received_at,
        covers_start_s=entry.covers_start_s,
        covers_end_s=entry.covers_end_s,
        rows=entry.rows,
        refused=entry.refused,
        compressed=compressed,
        codec=entry.frame.codec,
        context_id=UUID(bytes=sha256(entry.context_text.encode()).digest()[:16]),
        fingerprint=entry.fingerprint,
        previous_hash=previous,
        hash=link(previous, entry.frame.received_at, entry.content),
        payload=payload,
    )


def _packed(payload: bytes) -> tuple[bytes, bool]:
    if len(payload) < WORTH_COMPRESSING:
        return payload, False
    if len(payload) > 2 * PROBE and len(zlib.compress(payload[:PROBE], 1)) > PROBE * 9 // 10:
        return payload, False
    packed = zlib.compress(payload, 1)
    return (packed, True) if len(packed) < len(payload) else (payload, False)


def _site_of(work: UnitOfWork, meter_id: int) -> int:
    site_id = store.site_of_meter(work.raw, meter_id)
    if site_id is None:
        raise NotFound(f"no meter {meter_id}")
    return site_id


def journal_frames(work: UnitOfWork, meter_id: int, span: Span | None = None) -> Iterator[JournalFrame]:
    """Yield a meter's raw frames in order of arrival: those with readings stamped within ``span`` (both ends included).

    Raises:
        NotFound: no such meter in the scope.
    """
    since, until = (span.start, span.end) if span else (None, None)
    yield from store.frames(work.raw, _site_of(work, meter_id), meter_id, since, until)


@dataclass(frozen=True, slots=True)
class ChainProof:
    """What checking a meter's chain found. ``broken_at``: the first frame that does not fit, with the reason."""

    meter_id: int
    frames: int
    broken_at: int | None = None
    reason: str = ""

    @property
    def whole(self) -> bool:
        """Tell whether every frame is as it was received and none is missing between the first kept and the last."""
        return self.broken_at is None


def verify_chain(work: UnitOfWork, meter_id: int) -> ChainProof:
    """Check every kept frame of a meter against its hash, its predecessor and the kept head.

    Frames older than the retention may be gone as whole months; the first one kept must follow the last one dropped.
    Hashes have no key: who owns the database can rewrite a whole chain; a copy of its head kept elsewhere tells.
    The unit of work should be a snapshot: else a frame that arrives meanwhile looks like a broken chain.

    Raises:
        NotFound: no such meter in the scope.
    """
    site_id = _site_of(work, meter_id)
    ends = store.chain_ends(work.raw, site_id, meter_id)
    count, last_id, last_hash = 0, 0, ends.start_hash if ends else b""
    for frame in store.frames(work.raw, site_id, meter_id):
        content = content_digest(meter_id, frame.codec, frame.context_text, frame.payload)
        if link(frame.previous_hash, frame.received_at, content) != frame.hash:
            return ChainProof(meter_id, count, frame.id, "its content does not give its hash")
        if frame.previous_hash != last_hash:
            return ChainProof(meter_id, count, frame.id, "the frame before it is not the one it was linked to")
        count, last_id, last_hash = count + 1, frame.id, frame.hash
    if ends is None:
        return ChainProof(meter_id, count, last_id or None, "the head of the chain is missing" if count else "")
    if last_hash != ends.hash:
        return ChainProof(meter_id, count, ends.frame_id, "the newest frame is missing")
    return ChainProof(meter_id, count)


def drop_frames_before(database: Database, month: date) -> int:
    """Apply retention: drop the frames received before ``month``; return how many months of them went.

    What was read from them stays; it can no longer be decoded again.
    """
    with database.connect(Role.OWNER) as connection:  # unscoped: retention is the installation's own
        return store.drop_before(connection, month)
