"""Decoding encrypted load profiles: walker, vector path per frame and in batches, against bare AES-GCM.

One meter-day is 96 rows of a date-time and four double-long-unsigned registers, sealed under the meter's own key. All
ways are timed in turns within one run, so that only their ratios count. Bare GCM is what ``cryptography`` (OpenSSL)
takes to open the frames; every other figure includes opening them. Batch figures end with all columns in numpy
arrays, times in UTC and the rows of each meter known.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from time import perf_counter
from zoneinfo import ZoneInfo

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from demeter.protocols.dlms.axdr import encode_length
from demeter.protocols.dlms.data import Tag
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import (
    CLOCK,
    CaptureObject,
    profile_columns,
    profile_columns_batch,
    profile_columns_scalar,
)
from demeter.protocols.dlms.replay import open_get_values
from demeter.protocols.dlms.security import SuiteKeys, suite_keys
from demeter.protocols.dlms.vector import RowSource, encode_compact_rows, encode_moments, encode_rows, repeated

METERS = 1000
ROWS = 96
PERIOD_S = 900
ZONE = ZoneInfo("Asia/Kolkata")
REGISTERS = ("1.0.1.29.0.255", "1.0.9.29.0.255", "1.0.1.8.0.255", "1.0.9.8.0.255")
CAPTURES = (CLOCK, *(CaptureObject(3, Obis.parse(register), 2) for register in REGISTERS))
SCALERS = {(capture.obis, 2): (0, 30) for capture in CAPTURES[1:]}
SCALAR_METERS = 50
"""The walker is so slow that a part of the meters tells its speed."""

TITLE = b"DMTBENCH"
Sealed = list[tuple[AESGCM, bytes, bytes]]
Wire = list[tuple[SuiteKeys, bytes | None, bytes]]


def payloads(meters: int = METERS, *, left_out: bool = False, compact: bool = False) -> list[bytes]:
    """One day of ``meters`` meters; ``left_out``: later times and repeated values are sent as null-data."""
    at_s = 1_767_897_000 + PERIOD_S * np.arange(1, ROWS + 1)
    stamps = encode_moments(at_s, ZONE)
    rng = np.random.default_rng(15959)
    days = []
    for _ in range(meters):
        energy = rng.integers(0, 4, ROWS) * 25
        columns = [energy, energy + 1, 10_000_000 + energy.cumsum(), 10_500_000 + energy.cumsum()]
        nulls = [repeated(column) if left_out else None for column in columns]
        sources = [
            RowSource(Tag.OCTET_STRING, stamps, np.arange(ROWS) > 0 if left_out else None),
            *(RowSource(Tag.UINT32, column, null) for column, null in zip(columns, nulls, strict=True)),
        ]
        days.append(encode_compact_rows(sources) if compact else encode_rows(sources))
    return days


def seal(days: list[bytes]) -> Sealed:
    """Encrypt each day under a key of its own."""
    sealed = []
    for day in days:
        cipher, nonce = AESGCM(secrets.token_bytes(16)), secrets.token_bytes(12)
        sealed.append((cipher, nonce, cipher.encrypt(nonce, day, b"\x30")))
    return sealed


def on_the_wire(days: list[bytes]) -> Wire:
    """Put each day into a GET response under suite 0 (glo-get-response, tag of 12 octets), a meter's keys each."""
    frames = []
    for number, day in enumerate(days):
        keys = suite_keys(secrets.token_bytes(16), secrets.token_bytes(16))
        body = keys.seal(TITLE, number + 1, b"\xc4\x01\xc1\x00" + day)
        frames.append((keys, TITLE, b"\xcc" + encode_length(len(body)) + body))
    return frames


def streamed(days: list[bytes]) -> list[tuple[Cipher[GCM], bytes]]:
    """Seal each day with a tag of 12 octets, as meters do, for the library's plain way to check such a tag."""
    sealed = []
    for day in days:
        key, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
        octets = AESGCM(key).encrypt(nonce, day, b"\x30" + bytes(16))
        sealed.append((Cipher(AES(key), GCM(nonce, octets[-16:-4], min_tag_length=12)), octets[:-16]))
    return sealed


def _stream_open(sealed: list[tuple[Cipher[GCM], bytes]]) -> None:
    for cipher, octets in sealed:
        decryptor = cipher.decryptor()
        decryptor.authenticate_additional_data(b"\x30" + bytes(16))
        decryptor.update(octets)
        decryptor.finalize()


def _wire_batch(wire: Wire) -> None:
    values = open_get_values(wire)
    _batch([value for value in values if isinstance(value, bytes)])
    assert len(values) == METERS


def opened(sealed: Sealed) -> list[bytes]:
    """Decrypt all days."""
    return [cipher.decrypt(nonce, octets, b"\x30") for cipher, nonce, octets in sealed]


def _batch(days: list[bytes]) -> None:
    batch = profile_columns_batch(days, CAPTURES, SCALERS, PERIOD_S, ZONE)
    assert not batch.errors


def _one_by_one(days: list[bytes], decode: Callable[..., object]) -> None:
    for day in days:
        decode(day, CAPTURES, SCALERS, PERIOD_S, ZONE)


def measure(repeats: int = 5) -> dict[str, float]:
    """Microseconds per meter-day of bare GCM, and everything else as a multiple of it (best of ``repeats``)."""
    plain, left_out, compact = (
        seal(payloads()),
        seal(payloads(left_out=True)),
        seal(payloads(compact=True)),
    )
    few, wire, short_tags = plain[:SCALAR_METERS], on_the_wire(payloads()), streamed(payloads())
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "gcm": (METERS, lambda: opened(plain)),
        "gcm + batch": (METERS, lambda: _batch(opened(plain))),
        "gcm with tags of 12 octets, alone": (METERS, lambda: _stream_open(short_tags)),
        "suite 0 responses as on the wire + batch": (METERS, lambda: _wire_batch(wire)),
        "gcm + batch, compact array": (METERS, lambda: _batch(opened(compact))),
        "gcm + batch, null-data rows": (METERS, lambda: _batch(opened(left_out))),
        "gcm + each its own columns": (METERS, lambda: _each(opened(plain))),
        "gcm + frame by frame": (METERS, lambda: _one_by_one(opened(plain), profile_columns)),
        "gcm + walker": (SCALAR_METERS, lambda: _one_by_one(opened(few), profile_columns_scalar)),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, (meters, way) in ways.items():
            started = perf_counter()
            way()
            best[name] = min(best[name], (perf_counter() - started) / meters)
    figures = {f"decode: {name} / gcm": taken / best["gcm"] for name, taken in best.items() if name != "gcm"}
    return {
        "decode: gcm, us per meter-day": best["gcm"] * 1e6,
        **figures,
        "decode: suite 0 as on the wire + batch / gcm with tags of 12 octets": best[
            "suite 0 responses as on the wire + batch"
        ]
        / best["gcm with tags of 12 octets, alone"],
        "decode: walker / batch": best["gcm + walker"] / best["gcm + batch"],
        "decode: rows per second, gcm + batch": ROWS / best["gcm + batch"],
    }


def _each(days: list[bytes]) -> None:
    profile_columns_batch(days, CAPTURES, SCALERS, PERIOD_S, ZONE).each()


if __name__ == "__main__":
    for figure, value in measure().items():
        print(f"{figure:45} {value:,.2f}")
