"""How a meter pushes: where to, how protected, when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PushTransport(StrEnum):
    """What carries a push: wrapper frames over TCP or UDP."""

    TCP = "tcp"
    UDP = "udp"


class PushForm(StrEnum):
    """How a push is protected, always with the meter's own system title and its global key."""

    GENERAL_GLO = "general-glo"
    GENERAL_CIPHERING = "general-ciphering"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class PushConfig:
    """The pushes of a meter; the head-end may change destination and schedule by writing the push setup.

    ``destination``: ``host:port``; empty: the meter pushes nothing until somebody writes one. ``every_s``: seconds
    between two instantaneous pushes, from midnight UTC on (0: by the push schedule only). ``random_s``: each is
    delayed by up to so many seconds. ``alerts``: events are pushed as they happen. ``confirmed``: the meter asks for a
    confirmation; a push that does not arrive is tried ``retries`` times more, ``retry_s`` seconds apart. ``load_rows``:
    with each instantaneous push the newest rows of the load profile go too, as many as this. ``client_title``: the
    head-end's system title (hex): it is addressed in general-ciphering and holds the pre-established association.
    """

    destination: str = ""
    transport: PushTransport = PushTransport.TCP
    form: PushForm = PushForm.GENERAL_GLO
    every_s: int = 0
    random_s: int = 0
    alerts: bool = True
    confirmed: bool = False
    retries: int = 2
    retry_s: int = 5
    load_rows: int = 0
    client_title: str = "444d544845533031"

    @property
    def plain(self) -> bool:
        """Whether nothing is ciphered."""
        return self.form is PushForm.PLAIN


SILENT = PushConfig()
"""No pushes."""
