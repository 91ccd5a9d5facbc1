"""What a batch replaces is logged with the frame that did it, and costs in proportion to what it replaces."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from demeter.readings.blocks import BlockSet, Points, assemble
from demeter.readings.lattice import State
from demeter.readings.model import Channel
from demeter.readings.store.narrow import Replaced
from demeter.readings.writing import Contribution, _block_log, gather
from tests.plain_frames import RECEIVED, WH, series

START = datetime(2026, 3, 1, 0, 15, tzinfo=UTC)


def points(days: int, frames: list[int]) -> Points:
    """Two channels, each read in two portions that overlap by half a day; the frames in this order."""
    parts = []
    for number, frame in enumerate(frames):
        channel = Channel(1 + number % 2, 1, 1, WH)
        first = START + timedelta(days=days * (number // 2), hours=-12 * (number // 2))
        values = np.arange(96 * days, dtype=np.int64).tolist()
        parts.append(Contribution(channel, "UTC", frame, RECEIVED, series(WH, first, values)))
    (found,) = gather(parts)
    return found


def logged(given: Points) -> list[Replaced]:
    """The log of these readings where every slot held another value before."""
    blocks, contests = assemble(given)
    before = State(np.where(blocks.state.quality > 0, blocks.state.values + 1_000_000, 0), blocks.state.quality)
    old: BlockSet = replace(blocks, state=before)
    return _block_log(given, blocks, contests, old, np.arange(len(blocks)))


def test_the_frame_that_spoke_last_of_a_slot_is_named() -> None:
    given = points(3, [11, 22, 33, 44])
    last = dict(zip(zip((given.channel + 1).tolist(), given.at_s.tolist(), strict=True), given.frame, strict=True))
    found = {(entry.channel_id, entry.at_s): entry.frame_id for entry in logged(given)}
    assert found == last
    assert set(found.values()) == {11, 22, 33, 44}


def test_ten_times_the_replaced_values_take_about_ten_times_the_time() -> None:
    def seconds(days: int) -> float:
        given, begun = points(days, [1, 2]), time.process_time()
        logged(given)
        return time.process_time() - begun

    seconds(10)
    assert seconds(600) < 15 * seconds(60)
