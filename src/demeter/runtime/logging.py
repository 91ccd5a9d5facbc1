"""Structured logs: key=value lines for people, JSON lines for machines; to stderr; secrets never."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET_WORDS = ("password", "secret", "key", "token", "database_url")
SHOWN = frozenset({"key_version", "idempotency_key"})


def configure(level: str = "info", *, as_json: bool = False) -> None:
    """Set up logging for this process; ``level`` is debug, info, warning or error."""
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(message)s", force=True)
    for noisy in ("httpx", "httpcore", "procrastinate", "alembic", "asyncio", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            mask_secrets,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def mask_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the value of every field whose name speaks of a secret."""
    for name in event:
        if name not in SHOWN and any(word in name.lower() for word in SECRET_WORDS):
            event[name] = "********"
    return event


def get(name: str) -> Any:
    """Return the logger of one part; fields are passed as keywords: ``log.info("read done", meter=…)``."""
    return structlog.get_logger(part=name)
