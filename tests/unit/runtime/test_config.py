"""Settings: who wins, where a value came from, and what a mistake says."""

from pathlib import Path

import pytest

from demeter.kernel import Invalid
from demeter.runtime import config


def test_flags_beat_environment_beats_file_beats_defaults(tmp_path: Path) -> None:
    file = tmp_path / "demeter.toml"
    file.write_text('http_port = 1\nhttp_host = "file"\nlog_level = "debug"\n')
    settings = config.load({"http_port": 3}, {"DEMETER_HTTP_PORT": "2", "DEMETER_HTTP_HOST": "env"}, file)
    assert (settings.http_port, settings.http_host, settings.log_level, settings.log_json) == (3, "env", "debug", False)
    origin = {name: where for name, _, where in settings.shown()}
    assert origin["http_port"] == "flag --http-port"
    assert origin["http_host"] == "environment DEMETER_HTTP_HOST"
    assert origin["log_level"] == f"file {file}"
    assert origin["log_json"] == "default"


def test_secrets_are_masked_where_settings_are_shown() -> None:
    settings = config.load({}, {"DATABASE_URL": "postgresql://u:topsecret@h/d"})
    assert settings.database_url.endswith("topsecret@h/d")
    assert "topsecret" not in repr(settings.shown())


@pytest.mark.parametrize(
    ("content", "message"),
    [("http_port = 'x'", "http_port = 'x'"), ("prot = 1", "unknown setting 'prot'"), ("x = [", "not valid TOML")],
)
def test_mistakes_in_the_file_are_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "demeter.toml"
    file.write_text(content)
    with pytest.raises(Invalid, match=message):
        config.load({}, {}, file)


def test_a_missing_file_is_an_error_only_if_asked_for(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot read"):
        config.load({}, {"DEMETER_CONFIG": str(tmp_path / "none.toml")})
