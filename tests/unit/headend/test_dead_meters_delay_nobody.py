"""A street without power: as many silent meters as there are places do not hold up the others."""

from __future__ import annotations

import asyncio

from demeter.headend.lanes import Place

PLACES = 4
PROMPT_S = 0.05


async def silent(gate: asyncio.Semaphore, for_s: float) -> None:
    async with Place(gate, PROMPT_S):
        await asyncio.sleep(for_s)


async def living(gate: asyncio.Semaphore, for_s: float, together: list[int]) -> float:
    began = asyncio.get_running_loop().time()
    async with Place(gate, PROMPT_S) as place:
        place.answered()
        together.append(together[-1] + 1)
        await asyncio.sleep(for_s)
        together.append(together[-1] - 1)
    return asyncio.get_running_loop().time() - began


def test_those_that_live_wait_for_a_moment_and_not_for_the_dead() -> None:
    async def street() -> tuple[list[float], list[int]]:
        gate, together = asyncio.Semaphore(PLACES), [0]
        dead = [asyncio.create_task(silent(gate, 60)) for _ in range(PLACES * 5)]
        await asyncio.sleep(0)
        waits = await asyncio.gather(*(living(gate, 0.01, together) for _ in range(20)))
        for task in dead:
            task.cancel()
        await asyncio.gather(*dead, return_exceptions=True)
        assert gate._value == PLACES, "every place is given back once"
        return waits, together

    waits, together = asyncio.run(street())
    assert max(waits) < 10
    assert max(together) <= PLACES


def test_a_meter_that_has_answered_keeps_its_place() -> None:
    async def busy() -> int:
        gate = asyncio.Semaphore(1)
        async with Place(gate, 0.01) as place:
            place.answered()
            await asyncio.sleep(0.05)
            return gate._value

    assert asyncio.run(busy()) == 0
