"""The table of roles."""

from __future__ import annotations

from demeter.identity import PERMISSIONS, RoleName, permissions_of


def test_every_role_has_a_line_in_the_table():
    assert set(PERMISSIONS) == set(RoleName)


def test_an_auditor_can_change_nothing():
    assert {permission.rsplit(".", 1)[1] for permission in permissions_of("auditor")} <= {"read", "explain"}


def test_an_unknown_role_grants_nothing():
    assert permissions_of("root") == frozenset()


def test_no_role_grants_everything_by_a_star():
    assert all("*" not in granted for granted in PERMISSIONS.values())


def test_roles_are_not_editable_at_run_time():
    assert not hasattr(PERMISSIONS, "__setitem__")
