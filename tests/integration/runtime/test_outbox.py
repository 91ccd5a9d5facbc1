"""The outbox: committed messages arrive, rolled-back ones never existed, a failing consumer gets its message again."""

import contextlib
import threading
from datetime import timedelta

import pytest

from demeter import identity
from demeter.runtime import outbox
from demeter.runtime.database import Database, Role, Scope, UnitOfWork, health
from demeter.runtime.outbox import Message, dispatch

SCOPE = Scope.system(1, "test")
OTHER = Scope.system(2, "test")


@pytest.fixture(autouse=True)
def organizations(database: Database) -> None:
    for name in ("One", "Two"):
        identity.create_organization(database, name)


def test_only_committed_messages_arrive_and_only_once(database: Database) -> None:
    seen: list[str] = []

    def consume(_work: UnitOfWork, message: Message) -> None:
        seen.append(message.key)

    with database.unit_of_work(SCOPE) as work:
        work.publish("t", "kept", {})
    with contextlib.suppress(RuntimeError), database.unit_of_work(SCOPE) as work:
        work.publish("t", "rolled back", {})
        raise RuntimeError
    assert dispatch(database, {"t": [consume]}) == 1
    assert dispatch(database, {"t": [consume]}) == 0
    assert seen == ["kept"]


def test_a_consumer_that_fails_gets_the_message_again_in_order(database: Database) -> None:
    seen: list[str] = []
    failures = ["2"]

    def consume(_work: UnitOfWork, message: Message) -> None:
        if message.key in failures:
            failures.remove(message.key)
            raise RuntimeError
        seen.append(message.key)

    with database.unit_of_work(SCOPE) as work:
        for key in ("1", "2", "3"):
            work.publish("t", key, {})
    assert dispatch(database, {"t": [consume]}) == 1
    dispatch(database, {"t": [consume]})
    assert seen == ["1", "2", "3"]


def test_a_failing_message_stops_its_own_organization_only(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def consume(_work: UnitOfWork, message: Message) -> None:
        if message.organization_id == 1:
            raise RuntimeError
        seen.append(message.key)

    monkeypatch.setattr(outbox, "BATCH", 2)
    with database.unit_of_work(SCOPE) as work:
        for key in ("1", "2", "3"):
            work.publish("t", key, {})
    with database.unit_of_work(OTHER) as work:
        work.publish("t", "other", {})
    dispatch(database, {"t": [consume]})
    assert seen == ["other"]


def test_a_message_waits_for_a_consumer_that_is_added_later(database: Database) -> None:
    seen: list[str] = []
    with database.unit_of_work(SCOPE) as work:
        work.publish("billing", "early", {})
        work.publish("t", "handled", {})
    assert dispatch(database, {}) == 0
    assert dispatch(database, {"t": [lambda _work, message: seen.append(message.key)]}) == 1
    assert health.outbox_waiting(database, ["t"]) == (0, 0)
    assert health.outbox_waiting(database, ["billing"])[0] == 1
    assert dispatch(database, {"billing": [lambda _work, message: seen.append(message.key)]}) == 1
    assert seen == ["handled", "early"]


def test_two_dispatchers_hand_each_message_over_once_and_in_order(database: Database) -> None:
    seen: list[str] = []
    begun, goes_on = threading.Event(), threading.Event()

    def consume(_work: UnitOfWork, message: Message) -> None:
        if message.key == "2":
            begun.set()
            assert goes_on.wait(20)
        seen.append(message.key)

    with database.unit_of_work(SCOPE) as work:
        for key in ("1", "2", "3", "4"):
            work.publish("t", key, {})
    first = threading.Thread(target=dispatch, args=(database, {"t": [consume]}))
    first.start()
    assert begun.wait(20)
    assert dispatch(database, {"t": [consume]}) == 0
    goes_on.set()
    first.join(20)
    assert seen == ["1", "2", "3", "4"]


def test_delivered_messages_are_forgotten_after_a_while_and_waiting_ones_never(database: Database) -> None:
    with database.unit_of_work(SCOPE) as work:
        work.publish("t", "delivered", {})
        work.publish("billing", "waits", {})
    dispatch(database, {"t": [lambda _work, _message: None]})
    assert outbox.forget_delivered(database, timedelta(days=1)) == 0
    assert outbox.forget_delivered(database, timedelta(0)) == 1
    with database.connect(Role.OWNER) as connection:
        assert connection.execute("SELECT key FROM runtime.outbox").fetchall() == [("waits",)]
