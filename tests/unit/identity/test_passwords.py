"""How passwords are kept."""

from __future__ import annotations

import pytest
from argon2 import Type, extract_parameters

from demeter import identity
from demeter.identity.service import hash_password
from demeter.kernel import Invalid


def test_a_password_is_hashed_with_argon2id_at_the_recommended_cost():
    hashed = hash_password("barley and poppies")
    kept = extract_parameters(hashed)
    assert kept.type is Type.ID
    assert (kept.memory_cost, kept.time_cost) == (64 * 1024, 3)
    assert hash_password("barley and poppies") != hashed


def test_a_password_that_is_too_short_or_endless_is_refused():
    for password in ("nine char", "x" * 1025):
        with pytest.raises(Invalid) as refused:
            hash_password(password)
        assert refused.value.code == "bad_password"


def test_one_time_passwords_are_long_distinct_and_easy_to_read_out():
    made = {identity.new_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(password) == 23 and password.count("-") == 3 for password in made)
    assert not set("".join(made)) & set("iloIO01")
