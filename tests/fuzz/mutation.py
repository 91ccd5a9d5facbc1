"""Seeded mutations of known octets: the same seed gives the same run."""

from __future__ import annotations

import random
from collections.abc import Iterator

_LENGTHS = (b"\xff", b"\x00", b"\x7f", b"\x80", b"\x84\xff\xff\xff\xff", b"\x82\xff\xff")


def mutate(octets: bytes, rng: random.Random) -> bytes:
    """Between one and four alterations: bits, octets, cuts, insertions, repetitions, lengths."""
    out = bytearray(octets)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out)) if out else 0
        match rng.randrange(6):
            case 0:
                out[at : at + 1] = bytes(octet ^ 1 << rng.randrange(8) for octet in out[at : at + 1])
            case 1:
                out[at : at + 1] = rng.randbytes(1)
            case 2:
                del out[at:]
            case 3:
                out[at:at] = rng.randbytes(rng.randint(1, 8))
            case 4:
                out[at:at] = out[max(0, at - 16) : at] * rng.randint(1, 4)
            case _:
                out[at : at + 1] = rng.choice(_LENGTHS)
    return bytes(out)


def mutants(seeds: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """``count`` mutants of the seeds, in turn; each tenth is octets of no kind at all."""
    rng = random.Random(seed)
    for n in range(count):
        yield rng.randbytes(rng.randint(0, 60)) if n % 10 == 9 else mutate(seeds[n % len(seeds)], rng)
