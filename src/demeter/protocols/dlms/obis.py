"""OBIS codes: the logical names of COSEM objects (IEC 62056-6-1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from demeter.protocols.dlms.errors import Malformed, Truncated

_GROUPS = re.compile(r"(\d{1,3})[.-](\d{1,3})[.:](\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:[.*&](\d{1,3}))?")


@dataclass(frozen=True, slots=True, order=True)
class Obis:
    """Six value groups, each 0–255: medium, channel, quantity, processing, tariff, billing period (255: current)."""

    a: int
    b: int
    c: int
    d: int
    e: int
    f: int = 255

    def __post_init__(self) -> None:
        """Refuse groups outside one byte."""
        for group in (self.a, self.b, self.c, self.d, self.e, self.f):
            if not 0 <= group <= 255:
                raise Malformed(f"an OBIS value group is 0 to 255, not {group}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``1.0.99.1.0.255``, ``1.0.99.1.0`` (F is then 255) or ``1-0:1.8.0*255``.

        Raises:
            Malformed: any other text.
        """
        match = _GROUPS.fullmatch(text.strip())
        if match is None:
            raise Malformed(f"not an OBIS code: {text[:40]!r}")
        return cls(*(255 if group is None else int(group) for group in match.groups()))

    @classmethod
    def from_bytes(cls, octets: bytes | memoryview) -> Self:
        """Read the six octets of a logical name.

        Raises:
            Truncated: fewer than six octets.
            Malformed: more than six octets.
        """
        if len(octets) < 6:
            raise Truncated(f"a logical name has 6 octets, {len(octets)} given", offset=len(octets))
        if len(octets) > 6:
            raise Malformed(f"a logical name has 6 octets, {len(octets)} given", offset=6)
        return cls(*octets)

    def to_bytes(self) -> bytes:
        """The six octets of the logical name."""
        return bytes((self.a, self.b, self.c, self.d, self.e, self.f))

    def __str__(self) -> str:
        return f"{self.a}.{self.b}.{self.c}.{self.d}.{self.e}.{self.f}"
