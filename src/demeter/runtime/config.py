"""Settings: defaults < TOML file < environment (``DEMETER_…``) < flags; each value knows where it came from.

``DATABASE_URL`` is honoured as the environment's usual name for ``database_url``. Secrets are files or environment
variables, never flags, and are masked wherever settings are shown.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from demeter.kernel import Invalid

PREFIX = "DEMETER_"
SECRET = frozenset({"database_url"})
CONFIG_FILE = "demeter.toml"
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Durations in seconds, sizes in counts; docs/administration/README.md explains each."""

    data_dir: Path = Path("var/demeter")
    database_url: str = field(default="", repr=False)  # empty: the embedded PostgreSQL in data_dir
    postgres: str = ""  # machine, wheel or a folder of binaries; empty: the machine's, then the wheel's
    master_key_file: Path = Path()  # empty: data_dir/master.key
    http_host: str = "127.0.0.1"
    http_port: int = 8420
    log_level: str = "info"
    log_json: bool = False
    read_interval_s: int = 900
    read_concurrency: int = 80
    read_failure_after_h: int = 24
    journal_keep_days: int = 1100
    push_host: str = ""  # where pushes are listened for; empty: all addresses of the machine
    push_port: int = 0  # TCP and UDP; 0: nobody listens
    acquisition_metrics_port: int = 0  # on the machine itself only; 0: none
    origin: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def key_file(self) -> Path:
        """Return where the master key lies."""
        return self.data_dir / "master.key" if self.master_key_file == Path() else self.master_key_file

    def shown(self) -> list[tuple[str, str, str]]:
        """Return (name, value, origin) of every setting, secrets masked."""
        rows = []
        for item in fields(self):
            if item.name != "origin":
                value = str(getattr(self, item.name))
                masked = "********" if item.name in SECRET and value else value
                rows.append((item.name, masked, self.origin.get(item.name, "default")))
        return rows


def load(
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Return the settings in force.

    ``file`` defaults to ``DEMETER_CONFIG``, else ``demeter.toml`` in the working directory if there is one.

    Raises:
        Invalid: an unknown name or a value of the wrong kind; the message says where it stands.
    """
    environment = os.environ if environment is None else environment
    path = file or (Path(environment["DEMETER_CONFIG"]) if "DEMETER_CONFIG" in environment else None)
    layers = [_file_layer(path), _environment_layer(environment), _flag_layer(flags or {})]
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for layer in layers:
        for name, (value, where) in layer.items():
            values[name] = _converted(name, value, where)
            origin[name] = where
    return Settings(**values, origin=origin)


Layer = dict[str, tuple[object, str]]
NAMES = {item.name: item for item in fields(Settings) if item.name != "origin"}


def _file_layer(path: Path | None) -> Layer:
    if path is None:
        path = Path(CONFIG_FILE)
        if not path.exists():
            return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Invalid(f"cannot read the configuration file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is not valid TOML: {error}") from error
    return {name: (value, f"file {path}") for name, value in content.items()}


def _environment_layer(environment: Mapping[str, str]) -> Layer:
    layer: Layer = {}
    if environment.get("DATABASE_URL"):
        layer["database_url"] = (environment["DATABASE_URL"], "environment DATABASE_URL")
    for key, value in environment.items():
        name = key.removeprefix(PREFIX).lower()
        if key.startswith(PREFIX) and name in NAMES:
            layer[name] = (value, f"environment {key}")
    return layer


def _flag_layer(flags: Mapping[str, object]) -> Layer:
    return {name: (value, f"flag --{name.replace('_', '-')}") for name, value in flags.items() if value is not None}


def _converted(name: str, value: object, where: str) -> object:
    if name not in NAMES:
        raise Invalid(f"unknown setting {name!r} ({where})", hint="Known: " + ", ".join(sorted(NAMES)))
    kind = str(NAMES[name].type)
    if name == "database_url" and value:
        return _database_url(str(value), where)
    if name == "log_level" and str(value).lower() not in LOG_LEVELS:
        raise Invalid(f"{name} = {value!r} ({where}) is not a log level", hint="Known: " + ", ".join(LOG_LEVELS))
    try:
        if kind == "bool":
            return _boolean(value)
        return {"int": int, "str": str, "Path": Path}[kind](value)
    except (TypeError, ValueError) as error:
        raise Invalid(f"{name} = {value!r} ({where}) is not a valid {kind}") from error


def _database_url(text: str, where: str) -> str:
    """Return a libpq URL. What is wrong with one is not told in libpq's words: they repeat it with its password."""
    try:
        conninfo_to_dict(text)
        fits = urlsplit(text).scheme in {"postgresql", "postgres"} and urlsplit(text).port != 0
    except (psycopg.Error, ValueError):
        fits = False
    if not fits:
        raise Invalid(
            f"database_url ({where}) is not the URL of a PostgreSQL database",
            hint="Write it as postgresql://user:password@host:5432/database, with %40 for an @ in the password.",
        )
    return text


def _boolean(value: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    text = str(value).lower()
    if text not in words:
        raise ValueError(text)
    return words[text]
