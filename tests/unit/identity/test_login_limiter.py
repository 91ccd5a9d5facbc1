"""The door that stays shut for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from demeter.identity import LoginLimiter
from demeter.kernel import Denied, FixedClock

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)


def fail(limiter: LoginLimiter, email: str, address: str = "192.0.2.1") -> None:
    with pytest.raises(ZeroDivisionError), limiter.attempt(email, address):
        raise ZeroDivisionError


def test_the_sixth_failure_within_five_minutes_is_not_even_tried():
    limiter = LoginLimiter(FixedClock(NOON))
    for _ in range(5):
        fail(limiter, "a@example.org")
    with pytest.raises(Denied, match="too many") as refused, limiter.attempt("A@example.org ", "192.0.2.1"):
        pytest.fail("tried")
    assert refused.value.code == "too_many_attempts"
    assert "5 minutes" in refused.value.hint


def test_failures_are_forgotten_after_five_minutes():
    clock = FixedClock(NOON)
    limiter = LoginLimiter(clock)
    for _ in range(5):
        fail(limiter, "a@example.org")
    clock.advance(timedelta(minutes=5))
    fail(limiter, "a@example.org")


def test_a_success_clears_the_account():
    limiter = LoginLimiter(FixedClock(NOON))
    for _ in range(20):
        fail(limiter, "a@example.org")
        with limiter.attempt("a@example.org", "192.0.2.1"):
            pass


def test_failing_from_elsewhere_locks_nobody_out():
    limiter = LoginLimiter(FixedClock(NOON))
    for _ in range(5):
        fail(limiter, "a@example.org", "203.0.113.9")
    with limiter.attempt("a@example.org", "192.0.2.1"):
        pass


def test_one_address_cannot_try_one_password_on_many_accounts():
    limiter = LoginLimiter(FixedClock(NOON), per_address=10)
    for number in range(10):
        fail(limiter, f"{number}@example.org")
    with pytest.raises(Denied), limiter.attempt("another@example.org", "192.0.2.1"):
        pytest.fail("tried")


def test_memory_stays_bounded_however_many_addresses_fail():
    limiter = LoginLimiter(FixedClock(NOON))
    for number in range(12_000):
        fail(limiter, "a@example.org", f"address {number}")
    assert len(limiter._failures) <= 10_000
