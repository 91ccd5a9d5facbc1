"""Commands of plug-ins: listed without being loaded, run when called, and never in the way of the others."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from demeter.app import commands

ROOT = Path(__file__).parents[3]

GOOD = '''"""Says hello."""

import typer

app = typer.Typer()


@app.command()
def hello(name: str = "you") -> None:
    """Say hello to somebody."""
    print(f"hello {name}")


@app.command()
def end() -> None:
    """End with 7."""
    raise typer.Exit(7)
'''


def distribution(folder: Path, name: str, points: dict[str, dict[str, str]]) -> None:
    """Write the metadata of an installed distribution."""
    place = folder / f"{name}-1.0.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [
        line for group, found in points.items() for line in (f"[{group}]", *(f"{n} = {v}" for n, v in found.items()))
    ]
    (place / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """Demeter as its project file says, with a good plug-in, two broken ones and one named as a built-in command."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    distribution(tmp_path, "demeter", project["entry-points"])
    found = {
        "hello": "hello_tool:app",
        "broken": "broken_tool:app",
        "missing": "no_such_module:app",
        "version": "hello_tool:app",
    }
    distribution(tmp_path, "others", {"demeter.commands": found})
    (tmp_path / "hello_tool.py").write_text(GOOD)
    (tmp_path / "broken_tool.py").write_text('"""Is broken."""\n\nraise RuntimeError("on purpose")\n')
    return tmp_path


def demeter(plugins: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DEMETER", "DATABASE"))}
    paths = os.pathsep.join([str(plugins), str(ROOT / "src")])
    return subprocess.run(
        [sys.executable, "-m", "demeter", *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=plugins,
        env={**kept, "PYTHONPATH": paths, "COLUMNS": "90", **more},
        check=False,
    )


def test_help_lists_them_with_their_first_line_and_loads_none(plugins: Path) -> None:
    (plugins / "hello_tool.py").write_text(GOOD + '\nopen("loaded", "w").close()\n')
    shown = demeter(plugins, "--help")
    assert shown.returncode == 0
    lines = {line.strip("│ ").split("  ")[0]: line for line in shown.stdout.splitlines()}
    assert "Says hello." in lines["hello"]
    assert "Is broken." in lines["broken"]
    assert "others" in lines["missing"]
    assert "DLMS/COSEM" in lines["dlms"]
    assert "Print the version." in lines["version"]
    assert not (plugins / "loaded").exists()


def test_a_plug_in_runs_with_its_own_arguments_and_exit_code_and_without_any_settings(plugins: Path) -> None:
    (plugins / "demeter.toml").write_text("this is no TOML")
    ran = demeter(plugins, "hello", "hello", "--name", "meter")
    assert (ran.returncode, ran.stdout) == (0, "hello meter\n")
    assert demeter(plugins, "hello", "end").returncode == 7
    assert demeter(plugins, "hello", "no-such").returncode == 2
    assert demeter(plugins, "doctor").returncode == 5


def test_a_broken_plug_in_breaks_only_itself(plugins: Path) -> None:
    for name, why in (("broken", "on purpose"), ("missing", "no_such_module")):
        ran = demeter(plugins, name)
        assert ran.returncode == 1
        assert why in ran.stderr
        assert "others" in ran.stderr
        assert "Traceback" not in ran.stderr
    assert demeter(plugins, "version").stdout.startswith("demeter ")


def test_demeter_dlms_works_by_both_ways_without_an_installation(plugins: Path) -> None:
    frame = "C0 01 C1 00 08 00 00 01 00 00 FF 02 00"
    direct = demeter(plugins, "dlms", "translate", "--hex", frame)
    behind_flags = demeter(plugins, "--log-level", "info", "dlms", "translate", "--hex", frame)
    assert direct.returncode == 0
    assert "GetRequestNormal" in direct.stdout
    assert (behind_flags.returncode, behind_flags.stdout) == (0, direct.stdout)
    assert sorted(path.name for path in plugins.iterdir() if path.name in ("var", ".demo")) == []


def test_its_own_commands_start_without_the_rest_of_demeter(plugins: Path) -> None:
    code = (
        "import sys; sys.argv = ['demeter', 'dlms', 'translate', '--hex', 'C0'];\n"
        "from demeter.app.entry import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('sqlalchemy', 'fastapi', 'psycopg', 'demeter.app.cli') if name in sys.modules])"
    )
    kept = {**os.environ, "PYTHONPATH": os.pathsep.join([str(plugins), str(ROOT / "src")])}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=kept, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_no_plug_in_of_demeter_s_own_has_the_name_of_a_built_in_command() -> None:
    from demeter.app.cli.root import app

    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][commands.GROUP]
    built_in = {command.name or (command.callback and command.callback.__name__) for command in app.registered_commands}
    assert not set(own) & {*built_in, *(group.name for group in app.registered_groups)}
