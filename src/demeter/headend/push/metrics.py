"""What Prometheus may know of pushes (``acquisition_metrics_port``)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

STORED = "stored"

MESSAGES = Counter("demeter_push_messages", "Pushes by what became of them: stored, or why not.", ("outcome",))
READINGS = Counter("demeter_push_readings", "Readings committed from pushes.")
CONNECTIONS = Gauge("demeter_push_connections", "Open connections to the push listener.")
TURNED_AWAY = Counter("demeter_push_turned_away", "Connections and datagrams beyond a limit, by limit.", ("limit",))
GARBAGE = Counter("demeter_push_garbage", "Connections and datagrams that were no messages at all.")
QUARANTINED = Counter("demeter_push_quarantined", "Messages that went to quarantine.")
LOST_FROM_QUARANTINE = Counter("demeter_push_quarantine_lost", "Messages for which quarantine had no room.")
