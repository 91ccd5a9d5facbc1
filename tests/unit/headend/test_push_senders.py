"""Whose a push is: by title, by name, by address; and which meter's keys open it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from demeter.headend.push.directory import Index, Sender
from demeter.headend.push.handling import open_as, printable
from demeter.sdk import (
    Credentials,
    Frame,
    OpenedPush,
    Pushed,
    PushFault,
    PushFrame,
    PushIdentity,
    PushMeter,
    PushRefusal,
)

FRAME = PushFrame(b"x")
ONE, TWO = (Sender(n, 1, 1, PushMeter(f"S{n}", "", {}, Credentials({}))) for n in (1, 2))
OPENED = OpenedPush(Frame("c", b"x", datetime(2026, 1, 1, tzinfo=UTC), {}), ())


def index() -> Index:
    found = Index()
    found.add(
        ONE,
        PushIdentity(frozenset({"aa"}), frozenset({"S1", "D1"}), frozenset({"10.0.0.1", "10.0.0.2"}), frozenset()),
    )
    found.add(TWO, PushIdentity(frozenset({"bb"}), frozenset({"S2"}), frozenset({"10.0.0.1"}), frozenset({"10.0.0.3"})))
    return found


@pytest.mark.parametrize(
    ("pushed", "source", "found"),
    [
        (Pushed(FRAME, "aa", protected=True), "9.9.9.9", [ONE]),
        (Pushed(FRAME, "cc", protected=True), "10.0.0.1", []),  # a title decides, also when nobody has it
        (Pushed(FRAME, names=("D1",)), "9.9.9.9", [ONE]),
        (Pushed(FRAME, names=("D1", "S1")), "9.9.9.9", [ONE]),
        (Pushed(FRAME, names=("nobody",)), "10.0.0.3", []),
        (Pushed(FRAME, protected=True), "10.0.0.1", [ONE, TWO]),
        (Pushed(FRAME, protected=True), "10.0.0.4", []),
        (Pushed(FRAME), "10.0.0.1", []),  # an unprotected one is not believed for its address
        (Pushed(FRAME), "10.0.0.3", [TWO]),  # unless the record says so
    ],
)
def test_a_message_is_looked_up_by_the_surest_thing_it_says(pushed: Pushed, source: str, found: list[Sender]) -> None:
    assert index().find(pushed, source) == found


def opening(**by_meter: PushFault | None) -> Callable[[Sender], OpenedPush]:
    def open_it(sender: Sender) -> OpenedPush:
        fault = by_meter[sender.meter.serial]
        if fault is not None:
            raise PushRefusal(fault, "no")
        return OPENED

    return open_it


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (None, PushFault.WRONG_KEY, ONE),
        (PushFault.WRONG_KEY, None, TWO),
        (None, None, PushFault.SEVERAL_METERS),
        (PushFault.WRONG_KEY, PushFault.WRONG_KEY, PushFault.WRONG_KEY),
        (PushFault.WRONG_KEY, PushFault.NOT_CONFIGURED, PushFault.NOT_CONFIGURED),
    ],
)
def test_keys_tell_which_of_several_meters_it_was(
    first: PushFault | None, second: PushFault | None, outcome: Sender | PushFault
) -> None:
    pushed = Pushed(FRAME, protected=True)
    if isinstance(outcome, Sender):
        assert open_as(pushed, [ONE, TWO], opening(S1=first, S2=second)) == (outcome, OPENED)
        return
    with pytest.raises(PushRefusal) as refused:
        open_as(pushed, [ONE, TWO], opening(S1=first, S2=second))
    assert refused.value.fault is outcome


def test_nobody_or_several_without_keys_are_refused() -> None:
    for claimed, fault in (([], PushFault.UNKNOWN_SENDER), ([ONE, TWO], PushFault.SEVERAL_METERS)):
        with pytest.raises(PushRefusal) as refused:
            open_as(Pushed(FRAME, names=("S1",)), claimed, opening(S1=None, S2=None))
        assert refused.value.fault is fault


def test_what_a_sender_wrote_is_made_fit_to_be_shown() -> None:
    assert printable("a\0b\x1b[31m" + "x" * 500) == "a?b?[31m" + "x" * 392
