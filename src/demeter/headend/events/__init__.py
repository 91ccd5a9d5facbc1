"""Meter events: what meters noted themselves, collected from their logs or pushed, kept once, with their ends."""

from demeter.headend.events.model import EventFilter, StoredEvent
from demeter.headend.events.service import meter_events, site_events, take_in

__all__ = ["EventFilter", "StoredEvent", "meter_events", "site_events", "take_in"]
