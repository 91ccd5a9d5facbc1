"""The table of roles."""

from __future__ import annotations

import re
from pathlib import Path

from demeter.identity import PERMISSIONS, RoleName, permissions_of

SOURCES = Path(__file__).parents[3] / "src" / "demeter"
ASKED = re.compile(
    r'(?:require|authorize)\("([a-z_]+\.[a-z_]+)"|^(?:PERMISSION|READ|COMMAND) = "([a-z_]+\.[a-z_]+)"', re.MULTILINE
)


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


def test_whatever_permission_the_code_asks_for_the_administrator_has():
    asked = {
        first or second
        for path in SOURCES.rglob("*.py")
        for first, second in ASKED.findall(path.read_text(encoding="utf-8"))
    }
    assert {"readings.edit", "metering.read", "estate.write", "headend.command"} <= asked
    assert asked <= permissions_of("organization_administrator")


def test_an_operator_may_edit_readings_and_an_auditor_not():
    assert "readings.edit" in permissions_of("operator")
    assert "readings.edit" not in permissions_of("auditor")
