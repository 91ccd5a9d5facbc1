"""From readings to a number nobody has to argue about: consumption, leaks, failures, reconciliation, statements."""

from demeter.metering.model import Policy
from demeter.metering.service import publish_due, refresh, refresh_dirty

__all__ = [
    "Policy",
    "publish_due",
    "refresh",
    "refresh_dirty",
]
