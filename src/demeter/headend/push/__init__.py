"""What meters send unasked: a listener, replay windows, and quarantine for what nobody can vouch for."""

from demeter.headend.push.custody import drop, found, held, quarantined, release
from demeter.headend.push.listener import PushListener
from demeter.headend.push.model import PushLimits, Quarantined, Released
from demeter.headend.push.quarantine import Quarantine

__all__ = [
    "PushLimits",
    "PushListener",
    "Quarantine",
    "Quarantined",
    "Released",
    "drop",
    "found",
    "held",
    "quarantined",
    "release",
]
