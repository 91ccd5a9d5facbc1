"""The outbox: committed messages arrive, rolled-back ones never existed, a failing consumer gets its message again."""

import contextlib

import pytest

from demeter.runtime.database import Database, Scope, UnitOfWork
from demeter.runtime.outbox import Message, dispatch

SCOPE = Scope.system(1, "test")


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
    with pytest.raises(RuntimeError):
        dispatch(database, {"t": [consume]})
    dispatch(database, {"t": [consume]})
    assert seen == ["1", "2", "3"]
