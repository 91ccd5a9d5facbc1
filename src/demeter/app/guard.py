"""What every request and response passes: size limit, proof that a write comes from our own pages, security headers.

Plain ASGI: nothing here buffers a response, so live streams pass through.
"""

from __future__ import annotations

import json

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 1 << 20
READING = frozenset({"GET", "HEAD", "OPTIONS"})
# Inline styles are allowed because the component library sets its variables that way; scripts never are.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what must not come in; dress what goes out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        dressed = _dressed(scope, send)
        if _too_large(headers):
            await _refuse(dressed, 413, "too_large", "The request is too large.", "Send at most 1 MiB.")
        elif scope["method"] not in READING and headers.get("x-demeter") != "1":
            await _refuse(
                dressed,
                403,
                "missing_header",
                "A write must carry the header X-Demeter: 1.",
                "This keeps other web sites from acting in your name; programs add the header.",
            )
        else:
            await self._app(scope, receive, dressed)


def _too_large(headers: Headers) -> bool:
    length = headers.get("content-length", "0")
    # No route takes a body of unknown length, so nothing has to be counted while it streams in.
    return "transfer-encoding" in headers or not length.isdecimal() or int(length) > LARGEST_BODY


def _dressed(scope: Scope, send: Send) -> Send:
    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if scope["path"].startswith("/api"):
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return dressed


async def _refuse(send: Send, status: int, code: str, message: str, hint: str) -> None:
    body = json.dumps({"code": code, "message": message, "hint": hint}).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/problem+json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
