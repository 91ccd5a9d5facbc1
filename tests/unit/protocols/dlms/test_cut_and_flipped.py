"""Every sample of every parser, cut at every octet and with every bit flipped: understood or refused at a place, soon."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from demeter.protocols.dlms.errors import DlmsError, TagCheckFailed
from tests.fuzz.dlms_parsers import TARGETS, run_one

LIMIT_S = 0.001
CONVERSATIONS = {"meter", "reader", "hdlc reader", "hdlc meter", "mode e"}
"""These run a whole exchange with the octets, many times over: the limit is for reading them once."""


def cut(octets: bytes) -> Iterator[bytes]:
    return (octets[:end] for end in range(len(octets)))


def flipped(octets: bytes) -> Iterator[bytes]:
    for at in range(len(octets)):
        for bit in range(8):
            yield octets[:at] + bytes((octets[at] ^ 1 << bit,)) + octets[at + 1 :]


def took_s(name: str, octets: bytes) -> float:
    began = time.process_time()
    run_one(name, octets)
    return time.process_time() - began


@pytest.mark.parametrize("name", sorted(set(TARGETS) - CONVERSATIONS))
def test_damage_is_told_within_a_millisecond(name: str) -> None:
    for seed in TARGETS[name].seeds:
        for octets in (*cut(seed), *flipped(seed)):
            if took_s(name, octets) > LIMIT_S:  # the machine is shared: what counts is whether it can be done in time
                assert min(took_s(name, octets) for _ in range(5)) < LIMIT_S, octets.hex()


def refusal(name: str, octets: bytes) -> DlmsError | None:
    try:
        TARGETS[name].parse(octets)
    except DlmsError as error:
        return error
    return None


@pytest.mark.parametrize("name", sorted(set(TARGETS) - CONVERSATIONS))
def test_what_is_cut_is_refused_at_a_place(name: str) -> None:
    for seed in TARGETS[name].seeds:
        for octets in cut(seed):
            found = refusal(name, octets)
            told = found is None or found.offset is not None or isinstance(found, TagCheckFailed)  # that one: the whole
            assert told, f"{found!r} for {octets.hex()}"
