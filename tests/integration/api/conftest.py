"""The real application on a real socket and a real database, and people to sign in."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from argon2 import PasswordHasher

from demeter.identity import service
from demeter.runtime.database import Database
from tests.integration.api.make import Serving, Society, found_society, serve, sign_in


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords the same way at a lower cost: what a hash costs is told by one unit test."""
    monkeypatch.setattr(service, "_hasher", PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))


@pytest.fixture
def serving(database: Database) -> Iterator[Serving]:
    """The application, serving."""
    with serve(database) as running:
        yield running


@pytest.fixture
def visitor(serving: Serving) -> Iterator[httpx.Client]:
    """A client nobody has signed in with."""
    with httpx.Client(base_url=serving.address, timeout=20) as client:
        yield client


@pytest.fixture
def society(database: Database) -> Society:
    """The organization most tests act for."""
    return found_society(database, "Ceres")


@pytest.fixture
def neighbours(database: Database) -> Society:
    """Another organization on the same installation."""
    return found_society(database, "Pomona")


@pytest.fixture
def admin(visitor: httpx.Client, society: Society) -> httpx.Client:
    """A client the society's administrator has signed in with."""
    assert sign_in(visitor, society.email).status_code == 200
    return visitor
