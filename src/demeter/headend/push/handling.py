"""One message's way: look, find the meter, open, judge its counters, store, answer. Every other end is a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from demeter.headend.model import Sink
from demeter.headend.push import metrics
from demeter.headend.push.directory import Directory, Sender
from demeter.headend.push.model import PushLimits, Refused
from demeter.headend.push.quarantine import Quarantine
from demeter.headend.push.windows import Windows
from demeter.kernel import Clock, Unavailable
from demeter.runtime import logging
from demeter.sdk import Delivery, OpenedPush, Pushed, PushFault, PushFrame, PushReceiver, PushRefusal

log = logging.get("push")

NOT_KEPT = frozenset({PushFault.NOT_STORED})
"""Refusals that are no doubt about the message: its sender tries again."""


class Handler:
    """Takes messages from whatever listens."""

    def __init__(
        self,
        receiver: PushReceiver,
        directory: Directory,
        windows: Windows,
        quarantine: Quarantine,
        sink: Sink,
        clock: Clock,
        limits: PushLimits,
    ) -> None:
        self._receiver = receiver
        self._directory = directory
        self._windows = windows
        self._quarantine = quarantine
        self._sink = sink
        self._clock = clock
        self._limits = limits

    async def handle(self, frame: PushFrame, source: str) -> bytes:
        """Take a message that came from an IP address; return what to answer (nothing: no answer is due).

        What is answered is committed, and its counters are written. Never raises what a sender did wrong.
        """
        pushed = Pushed(frame)
        claimed: Sequence[Sender] = ()
        try:
            pushed = self._receiver.look(frame)
            claimed = await self._directory.find(pushed, source)
            sender, opened = self._opened(pushed, claimed)
            claimed = (sender,)
            answer = await self._take(pushed, sender, opened)
        except PushRefusal as refusal:
            self._refuse(pushed, source, claimed, refusal)
            return b""
        except Unavailable as error:
            self._refuse(pushed, source, claimed, PushRefusal(PushFault.NOT_STORED, str(error)))
            return b""
        return answer

    def _opened(self, pushed: Pushed, claimed: Sequence[Sender]) -> tuple[Sender, OpenedPush]:
        now = self._clock.now()
        return open_as(pushed, claimed, lambda sender: self._receiver.open(pushed, sender.meter, now))

    async def _take(self, pushed: Pushed, sender: Sender, opened: OpenedPush) -> bytes:
        await self._windows.know(sender)
        self._windows.take(sender, pushed.title, opened)
        stored = False
        try:
            await self._store(sender, opened)
            stored = True
        finally:
            if not stored:
                self._windows.give_back(sender, pushed.title, opened)
        metrics.MESSAGES.labels(metrics.STORED).inc()
        metrics.READINGS.inc(sum(len(series.at_s) for series in opened.series))
        return await self._answer(pushed, sender, opened) if opened.confirm else b""

    async def _answer(self, pushed: Pushed, sender: Sender, opened: OpenedPush) -> bytes:
        """Return the confirmation; without one the sender tries again, which is found out as a repeat."""
        try:
            answer = self._receiver.answer(pushed, opened, sender.meter)
            _, octets = await asyncio.gather(self._windows.written(), answer)
        except (PushRefusal, Unavailable) as error:
            log.warning("a push was stored but cannot be confirmed", meter=sender.meter.serial, reason=str(error))
            return b""
        return octets

    async def _store(self, sender: Sender, opened: OpenedPush) -> None:
        try:
            async with asyncio.timeout(self._limits.commit_s):
                receipt = await self._sink(Delivery(sender.meter_id, opened.frame, opened.series))
        except TimeoutError:
            raise PushRefusal(PushFault.NOT_STORED, "it was not committed in time") from None
        if not receipt.accepted:
            reasons = "; ".join(str(each) for each in receipt.refusals)
            raise PushRefusal(PushFault.NOT_STORED, f"the store refused it: {reasons}")

    def _refuse(self, pushed: Pushed, source: str, claimed: Sequence[Sender], refusal: PushRefusal) -> None:
        metrics.MESSAGES.labels(refusal.fault.value).inc()
        log.debug("a push was refused", source=source, title=pushed.title, reason=str(refusal))
        if refusal.fault in NOT_KEPT:
            return
        organizations = {sender.organization_id for sender in claimed}
        self._quarantine.put(
            Refused(
                self._receiver.name,
                source,
                pushed.title,
                printable(", ".join(pushed.names)),
                refusal.fault.value,
                printable(str(refusal)),
                pushed.frame.payload,
                min(organizations) if len(organizations) == 1 else None,
                claimed[0].meter_id if len(claimed) == 1 else None,
            )
        )


def printable(text: str) -> str:
    """Return what a sender wrote as text that may be kept and shown, at most 400 characters of it."""
    return "".join(character if character.isprintable() else "?" for character in text[:400])


def open_as(
    pushed: Pushed, claimed: Sequence[Sender], opening: Callable[[Sender], OpenedPush]
) -> tuple[Sender, OpenedPush]:
    """Open a message as one of the meters it may be from.

    Raises:
        PushRefusal: UNKNOWN_SENDER without any; SEVERAL_METERS where it cannot be told which; else why it did not open.
    """
    if not claimed:
        told = f"system title {pushed.title}" if pushed.title else ", ".join(pushed.names)
        raise PushRefusal(PushFault.UNKNOWN_SENDER, f"no meter is known by {told or 'its address, and it names none'}")
    if len(claimed) > 1 and not pushed.protected:
        raise PushRefusal(PushFault.SEVERAL_METERS, f"{len(claimed)} meters are known by {', '.join(pushed.names)}")
    opened: list[tuple[Sender, OpenedPush]] = []
    refusals: list[PushRefusal] = []
    for sender in claimed:
        try:
            opened.append((sender, opening(sender)))
        except PushRefusal as refusal:
            refusals.append(refusal)
    if len(opened) > 1:
        raise PushRefusal(PushFault.SEVERAL_METERS, f"the keys of {len(opened)} meters open it")
    if not opened:
        raise next((each for each in refusals if each.fault is not PushFault.WRONG_KEY), refusals[0])
    return opened[0]
