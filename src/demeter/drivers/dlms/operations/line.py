"""What operations are carried out over: one association, read and written in steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from demeter.drivers.dlms.failures import NOT_THERE
from demeter.kernel import Clock, Commodity
from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.apdu import AttributeRef
from demeter.protocols.dlms.classes.commands import Invoke, Read, Step, Write
from demeter.protocols.dlms.classes.objects import CosemObject
from demeter.protocols.dlms.client import Client, Exchange
from demeter.protocols.dlms.data import Data
from demeter.protocols.dlms.errors import DlmsError, Refused
from demeter.sdk import Credentials, FailureKind, ReadFailure

Found = TypeVar("Found", bound=CosemObject)

Run = Callable[[Exchange[Any], str], Awaitable[Any]]
"""Drives one exchange; the second argument says what is being done, for the message of a failure."""


@dataclass(frozen=True, slots=True)
class Line:
    """An open association. ``zone``: of stamps without deviation, and of what is written.

    ``credentials``: what it was opened with. ``expect``: says that the meter's keys may have changed, and with what to
    call it anew before it is observed again; nothing: they have not.
    """

    run: Run
    client: Client
    clock: Clock
    zone: ZoneInfo
    commodity: Commodity
    credentials: Credentials
    expect: Callable[[Sequence[Credentials]], None]

    async def read(self, kind: type[Found], reads: Sequence[Read], doing: str) -> Found:
        """Read an object of one class; attributes the meter refuses are simply not there.

        Raises:
            ReadFailure: NOT_SUPPORTED, when it refuses all of them, or answers other types than the class has.
        """
        answers = await self.answers(reads, doing)
        refused = [answer for answer in answers if isinstance(answer, Refused)]
        if len(refused) == len(answers):
            gone = refused[0].result in NOT_THERE
            message = f"{doing}: {refused[0].message}"
            raise ReadFailure(FailureKind.NOT_SUPPORTED if gone else FailureKind.REFUSED, message)
        data: dict[int, Data] = {}
        try:
            for wanted, answer in zip(reads, answers, strict=True):
                if isinstance(answer, bytes):
                    data[wanted.attribute] = axdr.decode_all(answer)
        except DlmsError as error:
            raise not_understood(doing, error) from error
        return kind(reads[0].obis, data)

    async def value(self, wanted: Read, doing: str) -> Data | None:
        """Read one attribute; None where the meter refuses it."""
        (answer,) = await self.answers((wanted,), doing)
        try:
            return axdr.decode_all(answer) if isinstance(answer, bytes) else None
        except DlmsError as error:
            raise not_understood(doing, error) from error

    async def answers(self, reads: Sequence[Read], doing: str) -> list[bytes | Refused]:
        """Read attributes, with as few requests as possible; refusals stand in the list."""
        wanted = [AttributeRef(each.class_id, each.obis, each.attribute) for each in reads]
        answers: list[bytes | Refused] = await self.run(self.client.get_many(wanted), doing)
        return answers

    async def do(self, step: Step, doing: str) -> None:
        """Take one step.

        Raises:
            ReadFailure: REFUSED or NOT_SUPPORTED, when the meter said no; others, when it is not known what it did.
        """
        match step:
            case Write():
                await self.run(self.client.set(step.class_id, step.obis, step.attribute, step.payload), doing)
            case Invoke():
                await self.run(self.client.action(step.class_id, step.obis, step.method, step.payload), doing)
            case Read():
                await self.run(self.client.get(step.class_id, step.obis, step.attribute), doing)


def not_understood(doing: str, error: DlmsError) -> ReadFailure:
    """Return the failure of an object that is not of the types its class has: asking again would not help."""
    return ReadFailure(FailureKind.NOT_SUPPORTED, f"{doing}: {error.message}", offset=error.offset)
