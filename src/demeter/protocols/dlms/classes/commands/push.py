"""Push setup (class 40): where a meter sends what, and trying it out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from demeter.protocols.dlms.classes.commands.steps import Invoke, Read, Write, invoke, read, short_text, write
from demeter.protocols.dlms.classes.communication import PushMessage, PushService, PushSetup, PushTarget
from demeter.protocols.dlms.classes.objects import CosemObject
from demeter.protocols.dlms.classes.structures import RestrictedCapture, SelectedCapture, Window
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject

PUSH: Final = Obis(0, 0, 25, 9, 0, 255)
"""The first push setup: in IS 15959 the instantaneous push; alerts are 0.4.25.9.0.255."""

MOST_DESTINATION: Final = 255


def read_push(obis: Obis = PUSH, kind: type[CosemObject] = PushSetup) -> tuple[Read, ...]:
    """Return the reads of a push setup."""
    return read(kind, obis)


def push_to(
    destination: str,
    service: PushService = PushService.TCP,
    message: PushMessage = PushMessage.A_XDR_ENCODED_APDU,
    obis: Obis = PUSH,
) -> Write:
    """Return the setting of the destination, for TCP and UDP ``address:port``.

    Raises:
        Malformed: the destination is no short ASCII text.
    """
    target = PushTarget(service, short_text(destination, MOST_DESTINATION, "a push destination"), message)
    return write(PushSetup, obis, PushSetup.send_destination_and_method, target)


def push_objects(captures: Iterable[CaptureObject], obis: Obis = PUSH) -> Write:
    """Return the setting of what is pushed (version 0)."""
    return write(PushSetup, obis, PushSetup.push_object_list, tuple(captures))


def retries(count: int, delay_s: int, random_start_s: int = 0, obis: Obis = PUSH) -> tuple[Write, ...]:
    """Return how often and after how long a push is tried again; its start is spread over ``random_start_s``."""
    return (
        write(PushSetup, obis, PushSetup.number_of_retries, count),
        write(PushSetup, obis, PushSetup.repetition_delay, delay_s),
        write(PushSetup, obis, PushSetup.randomisation_start_interval, random_start_s),
    )


def windows(allowed: Iterable[Window], obis: Obis = PUSH) -> Write:
    """Return when the meter may push; none: always."""
    return write(PushSetup, obis, PushSetup.communication_window, tuple(allowed))


def push_now(obis: Obis = PUSH) -> Invoke:
    """Return a push at once."""
    return invoke(PushSetup, obis, PushSetup.push)


def pushed_attributes(
    listed: Iterable[CaptureObject | RestrictedCapture | SelectedCapture] | None,
) -> tuple[CaptureObject, ...]:
    """Return the attributes a push carries, in order, from the object list of any version of the class."""
    return tuple(
        found
        if isinstance(found, CaptureObject)
        else CaptureObject(found.class_id, found.logical_name, found.attribute, found.index)
        for found in listed or ()
    )
