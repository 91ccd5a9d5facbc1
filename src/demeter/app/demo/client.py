"""A small client of Demeter's own API: the demo hands in and checks through the same door as everybody."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

import httpx

from demeter.kernel import Unavailable

PATIENCE_S = 30


class ApiClient:
    """A signed-in session."""

    def __init__(self, address: str, email: str, password: str) -> None:
        """Wait until the API answers, then sign in."""
        self._http = httpx.Client(base_url=address, headers={"X-Demeter": "1"}, timeout=60)
        self._wait_until_up()
        self.post("/api/session", {"email": email, "password": password})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: object) -> Any:
        """Return the JSON answer of a GET."""
        answer = self._http.get(path, params={name: str(value) for name, value in query.items()})
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: object, key: str = "") -> Any:
        """Return the JSON answer of a POST; ``key``: the idempotency key, where there must be one."""
        answer = self._http.post(path, json=body, headers={"Idempotency-Key": key} if key else None)
        answer.raise_for_status()
        return answer.json()

    def _wait_until_up(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                if self._http.get("/api/health").is_success:
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > until:
                raise Unavailable("the API does not answer", hint="Is its port free? See --port.")
            time.sleep(0.2)
