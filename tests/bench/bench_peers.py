"""The same ciphered load profiles through Demeter, dlms-cosem and gurux-dlms, side by side in one run.

A meter-day is 96 rows of a date-time and four registers in a GET response under suite 0 (general-glo, tag of 12
octets), each under its meter's own keys. Demeter takes all 1,000 in one go, as the head-end does; the others take as
many as their speed allows. Every figure is CPU seconds of one process. What they read is compared, so that nobody is
fast by reading wrong.
"""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import GCM

from demeter.protocols.dlms.axdr import encode_length
from demeter.protocols.dlms.data import Tag
from demeter.protocols.dlms.profile import ProfileBatch, ProfileColumns, profile_columns_batch
from demeter.protocols.dlms.replay import open_get_values
from demeter.protocols.dlms.security import SuiteKeys, suite_keys
from demeter.protocols.dlms.vector import RowSource, encode_moments, encode_rows
from demeter.protocols.dlms.wrapper import wrap
from tests.bench.bench_decode import CAPTURES, METERS, PERIOD_S, REGISTERS, ROWS, SCALERS, ZONE, payloads, streamed
from tests.interop.meters import run

TITLE = b"DMTBENCH"
TAKEN = {"gurux": 12, "dlms-cosem": 60}
"""How many meter-days tell the speed of each peer."""

REPEATS = 15
ENVIRONMENTS = Path(".venv/interop")


class Frame:
    """A sealed meter-day, and the keys it is sealed with."""

    def __init__(self, number: int, day: bytes) -> None:
        self.encryption_key, self.authentication_key = secrets.token_bytes(16), secrets.token_bytes(16)
        self.keys: SuiteKeys = suite_keys(self.encryption_key, self.authentication_key)
        body = self.keys.seal(TITLE, number + 1, b"\xc4\x01\xc1\x00" + day)
        self.apdu = b"\xdb" + encode_length(len(TITLE)) + TITLE + encode_length(len(body)) + body

    def told(self) -> dict[str, str]:
        """What a peer is told of it."""
        return {
            "encryption_key": self.encryption_key.hex(),
            "authentication_key": self.authentication_key.hex(),
            "title": TITLE.hex(),
            "frame": wrap(self.apdu, 1, 48).hex(),
        }


def decoding(frames: list[Frame], days: list[bytes]) -> tuple[float, float, list[int]]:
    """CPU seconds per meter-day of Demeter and of the bare cipher, in turns, and the sums of the first register."""
    sealed = streamed(days)
    ours, bare = [], []
    for _ in range(REPEATS):
        started = process_time()
        batch = _demeter(frames)
        opened = process_time()
        _bare_gcm(sealed)
        ours.append(opened - started)
        bare.append(process_time() - opened)
    sums = [int(day.columns[0].values.sum()) for day in batch.each() if isinstance(day, ProfileColumns)]
    return min(ours) / len(frames), min(bare) / len(frames), sums


def _demeter(frames: list[Frame]) -> ProfileBatch:
    values = open_get_values([(frame.keys, TITLE, frame.apdu) for frame in frames])
    days = [value for value in values if isinstance(value, bytes)]
    return profile_columns_batch(days, CAPTURES, SCALERS, PERIOD_S, ZONE)


def _bare_gcm(sealed: list[tuple[Cipher[GCM], bytes]]) -> None:
    """Open the same octets with the library, tags checked, nothing decoded."""
    for cipher, octets in sealed:
        decryptor = cipher.decryptor()
        decryptor.authenticate_additional_data(b"\x30" + bytes(16))
        decryptor.update(octets)
        decryptor.finalize()


def encoding(stamps: np.ndarray[Any, Any], rows: list[np.ndarray[Any, Any]]) -> tuple[float, bytes]:
    """CPU seconds of encoding a meter-day as the simulator does, and what it wrote."""
    best, written = float("inf"), b""
    for _ in range(REPEATS):
        started = process_time()
        for _ in range(200):
            sources = [RowSource(Tag.OCTET_STRING, encode_moments(stamps, ZONE))]
            written = encode_rows([*sources, *(RowSource(Tag.UINT32, column) for column in rows)])
        best = min(best, (process_time() - started) / 200)
    return best, written


def peer(name: str, script: str, frames: list[Frame], **more: Any) -> dict[str, Any]:
    """Let a peer read its share."""
    python = (ENVIRONMENTS / name / "bin/python").absolute()
    if not python.exists():
        subprocess.run(["sh", "tools/interop.sh"], check=True)
    told = {"meters": [frame.told() for frame in frames], "registers": list(REGISTERS), **more}
    return run(python, script, told, patience_s=300)


def measure() -> dict[str, float]:
    """How many times faster Demeter is than each peer, and how near to bare AES-GCM."""
    days = payloads(METERS)
    frames = [Frame(number, day) for number, day in enumerate(days)]
    ours, bare, sums = decoding(frames, days)
    stamps = 1_767_897_000 + PERIOD_S * np.arange(1, ROWS + 1)
    energy = np.arange(ROWS) * 25
    columns = [energy, energy + 1, 10_000_000 + energy, 10_500_000 + energy]
    encoded, written = encoding(stamps, columns)
    octets = encode_moments(stamps, ZONE)
    gurux = peer(
        "gurux",
        "gurux_speed.py",
        frames[: TAKEN["gurux"]],
        stamps=[bytes(row).hex() for row in octets],
        rows=np.array(columns).T.tolist(),
        encode=20,
    )
    cosem = peer("dlms-cosem", "dlms_cosem_speed.py", frames[: TAKEN["dlms-cosem"]])
    for read in (gurux["sums"], cosem["sums"]):
        assert read == sums[: len(read)], f"a peer reads something else: {read[:3]} for {sums[:3]}"
    assert gurux["written"] == written.hex(), "a peer writes something else"
    return {
        "peers: Demeter, us of CPU per ciphered meter-day": ours * 1e6,
        "peers: Demeter / bare AES-GCM of the same octets": ours / bare,
        "peers: times faster than dlms-cosem 21.3.2": cosem["decoding_s"] / ours,
        "peers: times faster than gurux-dlms 1.0.203": gurux["decoding_s"] / ours,
        "peers: encoding a meter-day, times faster than gurux-dlms": gurux["encoding_s"] / encoded,
    }


if __name__ == "__main__":
    for figure, value in measure().items():
        print(f"{figure:60} {value:,.2f}")
