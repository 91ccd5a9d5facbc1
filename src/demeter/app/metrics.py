"""What Prometheus may ask of the web process: how many requests, how long they took. On the machine itself only."""

from __future__ import annotations

import ipaddress
import time

from prometheus_client import CONTENT_TYPE_LATEST, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demeter.kernel import NotFound

ANSWERED = Histogram(
    "demeter_http_answer_seconds",
    "Time from a request to the beginning of its answer, by route and status class.",
    ("method", "route", "status"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


class Measured:
    """ASGI middleware that measures until the answer begins: a live stream never ends."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through, and note how long the answer took."""
        begun = time.perf_counter()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The route's pattern, not the address: there are only so many patterns.
                route = getattr(scope.get("route"), "path", "none")
                status = f"{message['status'] // 100}xx"
                ANSWERED.labels(scope["method"], route, status).observe(time.perf_counter() - begun)
            await send(message)

        await self._app(scope, receive, noted if scope["type"] == "http" else send)


def metrics(request: Request) -> Response:
    """Answer Prometheus.

    Raises:
        NotFound: the request comes from, or through, another machine.
    """
    address = request.client.host if request.client else ""
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers or not _is_loopback(address):
        raise NotFound("There is nothing at this address.")
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
