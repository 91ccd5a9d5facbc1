"""Settings and documents: what is promised is there, what is there is promised."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from demeter.app.acquisition import limits_of
from demeter.headend import Limits, Purpose
from demeter.runtime.config import Settings

ROOT = Path(__file__).parents[3]
SETTINGS = {item.name: item.default for item in fields(Settings) if item.name != "origin"}
MANUAL = ROOT / "docs/administration/README.md"


def documented() -> dict[str, str]:
    """Return name → default of the manual's table of settings; ``| `a`, `b` | `1`, `2` | …`` are two of them."""
    found = {}
    for names, defaults in re.findall(
        r"^\| (`[a-z_`, ]+`) \|([^|]*)\|", MANUAL.read_text(encoding="utf-8"), re.MULTILINE
    ):
        words, values = re.findall(r"`([^`]+)`", names), re.findall(r"`([^`]+)`", defaults)
        found |= dict(zip(words, values or [""] * len(words), strict=True))
    return found


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_read_by_something(name: str) -> None:
    sources = [file for file in (ROOT / "src").rglob("*.py") if file.name != "config.py"]
    reads = re.compile(rf"settings\.{'key_file' if name == 'master_key_file' else name}\b")
    assert any(reads.search(file.read_text(encoding="utf-8")) for file in sources), f"nothing reads {name}"


def test_the_manual_names_every_setting_with_its_default_and_no_other() -> None:
    told = documented()
    assert set(told) == set(SETTINGS)
    for name, value in SETTINGS.items():
        if isinstance(value, int) and not isinstance(value, bool):
            assert told[name] == str(value), name


def test_documents_that_the_code_names_exist() -> None:
    named = {
        (file.name, path)
        for file in (ROOT / "src").rglob("*.py")
        for path in re.findall(r"docs/[\w/.-]+\.md", file.read_text(encoding="utf-8"))
    }
    assert {(file, path) for file, path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize(("asked", "at_once"), [(80, 80), (40, 40), (160, 160), (1, 4), (0, 4)])
def test_read_concurrency_limits_sessions_and_starves_no_kind_of_read(asked: int, at_once: int) -> None:
    limits = limits_of(Settings(read_concurrency=asked, read_interval_s=60))
    reads = {purpose: count for purpose, count in limits.lanes.items() if purpose is not Purpose.COMMAND}
    assert sum(reads.values()) == at_once
    assert min(limits.lanes.values()) >= 1
    assert set(limits.lanes) == set(Purpose)
    assert limits.schedule_s == 60


def test_the_usual_setting_is_what_the_head_end_does_by_itself() -> None:
    assert limits_of(Settings()).lanes == Limits().lanes
