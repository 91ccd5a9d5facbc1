"""Plug-ins by entry point; the built-ins register the same way."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from demeter.kernel import NotFound

GROUPS = (
    "demeter.drivers",
    "demeter.pushes",
    "demeter.decoders",
    "demeter.exporters",
    "demeter.notifiers",
    "demeter.payments",
)


def load_all(group: str) -> dict[str, Any]:
    """Return every plug-in of a group by name (``demeter.drivers`` → ``{"dlms": DlmsDriver}``), loaded."""
    return {point.name: point.load() for point in entry_points(group=group)}


def load_one(group: str, name: str) -> Any:
    """Return one plug-in.

    Raises:
        NotFound: no such plug-in; the hint lists those there are.
    """
    found = [point for point in entry_points(group=group) if point.name == name]
    if not found:
        known = ", ".join(sorted(point.name for point in entry_points(group=group))) or "none"
        raise NotFound(f"no plug-in {name!r} in {group}", hint=f"Installed: {known}")
    return found[0].load()
