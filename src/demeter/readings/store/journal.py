"""The journal's tables: frames, their contexts, the head of each meter's chain."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg

from demeter.readings.encoding import COPY_HEADER, COPY_TRAILER
from demeter.readings.model import JournalFrame

Connection = psycopg.Connection[Any]

FETCH = 200
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FrameRow:
    """A journal row about to be written; ``payload`` as it will be stored."""

    site_id: int
    meter_id: int
    id: int
    received_at: datetime
    covers_start_s: int | None
    covers_end_s: int | None
    rows: int
    refused: int
    compressed: bool
    codec: str
    context_id: UUID
    fingerprint: UUID
    previous_hash: bytes
    hash: bytes
    payload: bytes


COLUMNS = (
    "site_id, meter_id, id, received_at, covers_start, covers_end, rows, refused, compressed, codec, context_id,"
    " fingerprint, previous_hash, hash, payload"
)


def frame_ids(connection: Connection, count: int) -> list[int]:
    """Reserve ids, ascending."""
    rows = connection.execute("SELECT nextval('readings.frame_id') FROM generate_series(1, %s)", (count,))
    return sorted(row[0] for row in rows)


def known_fingerprints(connection: Connection, keys: Sequence[tuple[int, int, UUID]]) -> dict[tuple[int, UUID], int]:
    """Return (meter, fingerprint) → frame id of frames the journal has, taken over in full."""
    rows = connection.execute(
        "SELECT f.meter_id, f.fingerprint, min(f.id) FROM readings.frame f"
        " JOIN unnest(%s::int[], %s::int[], %s::uuid[]) k(site_id, meter_id, fingerprint)"
        " ON f.site_id = k.site_id AND f.meter_id = k.meter_id AND f.fingerprint = k.fingerprint"
        " WHERE f.refused = 0 GROUP BY 1, 2",
        ([k[0] for k in keys], [k[1] for k in keys], [k[2] for k in keys]),
    )
    return {(meter_id, fingerprint): frame_id for meter_id, fingerprint, frame_id in rows}


def chain_heads(connection: Connection, meters: Mapping[int, int]) -> dict[int, bytes]:
    """Return the last hash of each meter (meter id → site id given)."""
    rows = connection.execute(
        "SELECT meter_id, hash FROM readings.chain WHERE site_id = ANY(%s) AND meter_id = ANY(%s)",
        (sorted(set(meters.values())), sorted(meters)),
    )
    return {meter_id: bytes(digest) for meter_id, digest in rows}


def put_chain_heads(connection: Connection, heads: Sequence[FrameRow]) -> None:
    """Move the heads of chains to these frames."""
    connection.execute(
        "INSERT INTO readings.chain (site_id, meter_id, frame_id, hash)"
        " SELECT * FROM unnest(%s::int[], %s::int[], %s::bigint[], %s::bytea[])"
        " ON CONFLICT (site_id, meter_id) DO UPDATE SET frame_id = excluded.frame_id, hash = excluded.hash",
        (
            [row.site_id for row in heads],
            [row.meter_id for row in heads],
            [row.id for row in heads],
            [row.hash for row in heads],
        ),
    )


def put_contexts(connection: Connection, contexts: Mapping[tuple[int, UUID], str]) -> None:
    """Keep contexts: (site, id) → canonical JSON."""
    connection.execute(
        "INSERT INTO readings.frame_context (site_id, id, body)"
        " SELECT * FROM unnest(%s::int[], %s::uuid[], %s::text[]) ON CONFLICT DO NOTHING",
        ([key[0] for key in contexts], [key[1] for key in contexts], list(contexts.values())),
    )


def copy_frames(connection: Connection, rows: Sequence[FrameRow]) -> None:
    """Append frames by binary COPY."""
    with connection.cursor() as cursor, cursor.copy(f"COPY readings.frame ({COLUMNS}) FROM STDIN (FORMAT binary)") as c:
        c.write(COPY_HEADER)
        for start in range(0, len(rows), FETCH):
            c.write(b"".join(_tuple(row) for row in rows[start : start + FETCH]))
        c.write(COPY_TRAILER)


HEAD = struct.Struct(">h ii ii iq iq")
COUNTS = struct.Struct(">ii ii ib")
IDS = struct.Struct(">i16s i16s")


def _tuple(row: FrameRow) -> bytes:
    codec = row.codec.encode()
    return b"".join(
        (
            HEAD.pack(15, 4, row.site_id, 4, row.meter_id, 8, row.id, 8, _microseconds(row.received_at)),
            _moment(row.covers_start_s),
            _moment(row.covers_end_s),
            COUNTS.pack(4, row.rows, 4, row.refused, 1, row.compressed),
            struct.pack(">i", len(codec)),
            codec,
            IDS.pack(16, row.context_id.bytes, 16, row.fingerprint.bytes),
            struct.pack(">i", len(row.previous_hash)),
            row.previous_hash,
            struct.pack(">i", len(row.hash)),
            row.hash,
            struct.pack(">i", len(row.payload)),
            row.payload,
        )
    )


def _microseconds(at: datetime) -> int:
    since = at - POSTGRES_EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _moment(at_s: int | None) -> bytes:
    return struct.pack(">i", -1) if at_s is None else struct.pack(">iq", 8, (at_s - 946_684_800) * 1_000_000)


def frames(
    connection: Connection, site_id: int, meter_id: int, since: datetime | None = None, until: datetime | None = None
) -> Iterator[JournalFrame]:
    """Yield a meter's frames in order of arrival: all, or those that speak of instants within [since, until].

    A frame somebody tampered with is yielded as it stands: its hash then tells.
    """
    after = 0
    while True:
        rows = connection.execute(
            "SELECT f.id, f.received_at, f.codec, c.body, f.payload, f.compressed, f.hash, f.covers_start,"
            " f.covers_end, f.rows, f.previous_hash"
            " FROM readings.frame f LEFT JOIN readings.frame_context c"
            " ON c.site_id = f.site_id AND c.id = f.context_id"
            " WHERE f.site_id = %s AND f.meter_id = %s AND f.id > %s"
            " AND (%s::timestamptz IS NULL OR f.covers_end >= %s)"
            " AND (%s::timestamptz IS NULL OR f.covers_start <= %s) ORDER BY f.id LIMIT %s",
            (site_id, meter_id, after, since, since, until, until, FETCH),
        ).fetchall()
        for number, at, codec, body, payload, packed, digest, start, end, count, before in rows:
            yield JournalFrame(
                id=number,
                site_id=site_id,
                meter_id=meter_id,
                received_at=at,
                codec=codec,
                context=_context(body or ""),
                context_text=body or "",
                payload=_unpacked(payload) if packed else bytes(payload),
                hash=bytes(digest),
                previous_hash=bytes(before),
                covers_start=start,
                covers_end=end,
                rows=count,
            )
            after = number
        if len(rows) < FETCH:
            return


def _unpacked(payload: bytes) -> bytes:
    try:
        return zlib.decompress(payload)
    except zlib.error:  # tampered with
        return bytes(payload)


def _context(body: str) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:  # tampered with
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Ends:
    """A meter's chain: its newest frame and that one's hash, and the hash before its first (empty: none dropped)."""

    frame_id: int
    hash: bytes
    start_hash: bytes


def chain_ends(connection: Connection, site_id: int, meter_id: int) -> Ends | None:
    """Return both ends of a meter's chain."""
    row = connection.execute(
        "SELECT frame_id, hash, start_hash FROM readings.chain WHERE site_id = %s AND meter_id = %s",
        (site_id, meter_id),
    ).fetchone()
    return None if row is None else Ends(row[0], bytes(row[1]), bytes(row[2]))


def drop_before(connection: Connection, month: date) -> int:
    """Drop the frames received before a month (owner only); return how many monthly partitions went."""
    row = connection.execute("SELECT readings.drop_frames_before(%s)", (month,)).fetchone()
    assert row is not None
    return int(row[0])


def site_of_meter(connection: Connection, meter_id: int) -> int | None:
    """Return the site of a meter, or None where the scope has none."""
    row = connection.execute("SELECT site_id FROM estate.meter WHERE id = %s", (meter_id,)).fetchone()
    return None if row is None else int(row[0])
