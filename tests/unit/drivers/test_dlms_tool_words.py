"""What people type at the DLMS tools: objects, values, keys, flags; what a bad word is answered with."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from demeter.drivers.dlms.cli import app
from demeter.drivers.dlms.cli.bodies import Given, Header, body_of, given_value, layout_named, message_of
from demeter.drivers.dlms.cli.keys import keyring_of, octets_of, read_key_file
from demeter.drivers.dlms.cli.objects import Wanted, classes_of, name_of, wanted
from demeter.drivers.dlms.cli.tracing import cut
from demeter.drivers.dlms.cli.values import data_of, parameter_of, typed
from demeter.drivers.dlms.profiles import builtin
from demeter.kernel import Commodity, Invalid, NotFound
from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.apdu import DataNotification
from demeter.protocols.dlms.classes import data_to_json
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.hdlc import Address, Control, Frame, Kind
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.push import read_push
from demeter.protocols.dlms.translate import to_json, to_xml, translate
from demeter.protocols.dlms.wrapper import wrap

ENERGY, CLOCK = Obis(1, 0, 1, 8, 0), Obis(0, 0, 1, 0, 0)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("3:1.0.1.8.0.255:2", (3, ENERGY, 2)),
        ("3:1.0.1.8.0.255", (3, ENERGY, None)),
        ("1.0.1.8.0.255", (None, ENERGY, None)),
        ("1.0.1.8.0", (None, ENERGY, None)),
        ("1-0:1.8.0*255", (None, ENERGY, None)),
        ("3:1-0:1.8.0*255:2", (3, ENERGY, 2)),
        ("1-0:1.8.0:2", (None, ENERGY, 2)),
        ("1.0.1.8.0.255:2", (None, ENERGY, 2)),
        ("70:0.0.96.3.10.255:-1", (70, Obis(0, 0, 96, 3, 10), -1)),
        ("clock", (8, CLOCK, None)),
        ("Clock:2", (8, CLOCK, 2)),
        ("block", (7, Obis(1, 0, 99, 1, 0), None)),
        ("block-load", (7, Obis(1, 0, 99, 1, 0), None)),
        ("events-power", (7, Obis(0, 0, 99, 98, 2), None)),
    ],
)
def test_objects_are_named_by_class_name_and_attribute_or_by_a_word(text: str, place: tuple[object, ...]) -> None:
    found = wanted(text)
    assert (found.class_id, found.obis, found.member) == place
    assert found.text == text


def test_words_of_a_water_meter_mean_its_own_medium() -> None:
    assert wanted("daily", Commodity.WATER).obis == Obis(8, 0, 99, 2, 0)
    assert wanted("clock", Commodity.WATER).obis == CLOCK


def test_objects_that_are_none_are_refused_with_what_is_like_them() -> None:
    with pytest.raises(NotFound) as unknown:
        wanted("bloc")
    assert "block" in unknown.value.hint
    for text in ("0:1.0.1.8.0.255:2", "99999:1.0.1.8.0.255:2", "1.0.1.8.0.999", "3:1.0.1.8.0.255:200"):
        with pytest.raises(Invalid):
            wanted(text)


def test_names_and_classes_come_from_the_profiles_else_from_the_value_groups() -> None:
    assert name_of(CLOCK) == "Clock"
    assert name_of(Obis(1, 0, 99, 1, 0)) == "Block load profile"
    assert "tariff 9" in name_of(Obis(1, 0, 1, 8, 9))
    assert classes_of(CLOCK) == (8,)
    assert classes_of(Obis(9, 9, 9, 9, 9)) == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("unsigned:7", data.u8(7)),
        ("long64-unsigned:18446744073709551615", data.u64(2**64 - 1)),
        ("octet-string:0a0b", data.octets(b"\x0a\x0b")),
        ("visible-string:a:b", data.text("a:b")),
        ("boolean:true", data.boolean(True)),
        ("boolean:0", data.boolean(False)),
        ("bit-string:0110", data.bits("0110")),
        ("float32:1.5", Data(Tag.FLOAT32, 1.5)),
        ("null-data", data.null()),
        ('{"type": "structure", "value": [{"type": "enum", "value": 2}]}', data.structure(data.enum(2))),
    ],
)
def test_values_are_typed_by_their_name(text: str, value: Data) -> None:
    assert typed(text) == value
    assert typed(json.dumps(data_to_json(value))) == value


def test_values_may_be_written_as_the_class_has_them() -> None:
    assert data_of(Wanted("", Obis(0, 0, 96, 3, 10), 70, 4), "mode 2") == data.enum(2)
    assert data_of(Wanted("", Obis(0, 0, 17, 0, 0), 71, 6), "60") == data.u32(60)
    clock = data_of(Wanted("", CLOCK, 8, 2), '{"year": 2026, "month": 11, "day": 20}')
    assert CosemDateTime.from_bytes(clock.value).day == 20
    assert parameter_of(Wanted("", CLOCK, 8, 6), None) == data.i8(0)
    assert parameter_of(Wanted("", CLOCK, 8, 6), "null-data") is None
    for place, text in [
        (Wanted("", CLOCK, 8, 2), "now"),
        (Wanted("", ENERGY, 3, 2), "7"),
        (Wanted("", ENERGY, 999, 2), "x"),
    ]:
        with pytest.raises(Invalid):
            data_of(place, text)


@pytest.mark.parametrize(
    "text", ["unsigned:256", "unsigned:x", "boolean:maybe", "octet-string:abc", '{"type": "array"}']
)
def test_values_their_type_cannot_hold_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        typed(text)


def test_a_key_file_gives_octets_and_never_repeats_a_secret_in_an_error(tmp_path: Path) -> None:
    file = tmp_path / "meter.toml"
    file.touch(mode=0o600)
    file.write_text(
        'encryption_key = "00 01 02"\npassword = "plain"\nsystem_title = "DMT00001"\n[options]\nsuite = "1"\n'
        '[meters.444d540000000001]\nencryption_key = "0a"\n'
    )
    found = read_key_file(file)
    assert found.keys == {"encryption_key": b"\0\1\2", "password": b"plain", "system_title": b"DMT00001"}
    assert found.options == {"suite": "1"}
    ring = keyring_of(found)
    assert ring.by_title[bytes.fromhex("444d540000000001")].encryption_key == b"\x0a"
    assert ring.server == b"DMT00001"
    assert "plain" not in repr(found)
    for content in ('encryption_key = "secret!"', "encryption_key = 7", 'encription_key = "00"', "meters = 7", "= "):
        file.write_text(content)
        with pytest.raises(Invalid) as wrong:
            read_key_file(file)
        assert "secret!" not in str(wrong.value)
    assert octets_of("password", "0x0102", "here") == b"\1\2"


HEADER = Header("DM1", Obis(0, 0, 25, 9, 0), CosemDateTime(2026, 11, 20, 5, 12, 0, 0, 0, -330, 0).to_bytes())
SELF_TELLING = ("pushes/pairs", "pushes/listed-pairs", "pushes/entries", "pushes/objects", "pushes/described")


@pytest.mark.parametrize("name", SELF_TELLING)
@given(numbers=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5))
def test_a_body_built_by_a_layout_is_read_back_by_it(name: str, numbers: list[int]) -> None:
    values = [Given(Wanted("", Obis(1, 0, 1, 8, e)), data.u32(number), (-1, 30)) for e, number in enumerate(numbers)]
    layout = layout_named(name)
    found = read_push(body_of(layout, values, HEADER), [layout])
    assert found.layout == layout.name
    told = {value.obis: value.value for row in found.rows for value in row.values if value.obis is not None}
    assert {each.place.obis: each.value.value for each in values}.items() <= told.items()


def test_layouts_by_position_want_exactly_their_values() -> None:
    layout = next(each for each in builtin().push_layouts if each.lists and "kaifa" in each.name)
    columns = min(layout.lists.values(), key=len)
    values = [Given(Wanted("", column.obis), data.u32(7)) for column in columns if column.obis is not None]
    body = axdr.decode_all(body_of(layout, values, HEADER))
    assert len(body.value) == len(columns)
    with pytest.raises(Invalid, match="no list"):
        body_of(layout, [*values, Given(Wanted("", Obis(9, 9, 9, 9, 9)), data.u8(1))], HEADER)
    with pytest.raises(NotFound):
        layout_named("no such layout")


def test_values_of_a_push_may_be_bare_or_typed_or_scaled() -> None:
    assert given_value("1.0.1.8.0.255=42").value == data.u32(42)
    assert given_value("1.0.1.8.0.255=-42").value == data.i32(-42)
    assert given_value("0.0.96.1.0.255=DM1").value == data.text("DM1")
    scaled = given_value("3:1.0.32.7.0.255:2=long-unsigned:2301@-1,35")
    assert (scaled.value, scaled.scale, scaled.class_id) == (data.u16(2301), (-1, 35), 3)
    with pytest.raises(Invalid):
        given_value("1.0.1.8.0.255")


def test_a_message_may_be_a_body_or_a_notification_in_any_notation() -> None:
    body = axdr.encode(data.structure(data.u8(7)))
    sent = DataNotification(1, body).encode()
    found = translate(wrap(sent, 1, 16))
    for text in (sent, sent.hex(" ").encode(), json.dumps(to_json(found)).encode(), to_xml(found).encode()):
        assert message_of(text).apdu == sent
    for text in (body, body.hex().encode(), json.dumps(data_to_json(axdr.decode_all(body))).encode()):
        assert message_of(text).body == body
    for text in (b"not a thing", b"0203", json.dumps(to_json(translate(sent + sent))).encode()):
        with pytest.raises((Invalid, DlmsError)):
            message_of(text)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=4), st.integers(0, 300), st.booleans())
@example([b"\x00"], 1, False)
def test_a_trace_cuts_a_stream_into_its_frames_wherever_it_was_torn(apdus: list[bytes], at: int, linked: bool) -> None:
    if linked:
        frames = [Frame(Address(1), Address(48), Control(Kind.INFORMATION), apdu).to_bytes() for apdu in apdus]
    else:
        frames = [wrap(apdu, 48, 1) for apdu in apdus]
    stream = b"".join(frames)
    first, rest = cut(stream[:at])
    second, left = cut(rest + stream[at:])
    assert (first + second, left) == (frames, b"")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["read", "127.0.0.1:1"], 5),
        (["read", "nowhere", "clock"], 5),
        (["read", "127.0.0.1:1", "no such object"], 3),
        (["read", "127.0.0.1:1", "clock", "--mechanism", "magic"], 5),
        (["read", "127.0.0.1:1", "block", "--entries", "x"], 5),
        (["read", "127.0.0.1:1", "block", "--entries", "9-3"], 5),
        (["read", "127.0.0.1:1", "block", "--entries", "9", "--from", "2026-11-01"], 5),
        (["read", "127.0.0.1:1", "block", "--from", "yesterday"], 5),
        (["read", "127.0.0.1:1", "clock", "--no-such-flag"], 2),
        (["read", "127.0.0.1:1", "clock", "--key-file", "missing.toml"], 3),
        (["read", "127.0.0.1:1", "clock", "--ek", "zz"], 5),
        (["read", "127.0.0.1:1", "clock"], 5),
        (["set", "127.0.0.1:1", "clock", "7", "--yes"], 5),
        (["action", "127.0.0.1:1", "8:0.0.1.0.0.255", "--yes"], 5),
        (["translate", "missing.txt"], 3),
        (["translate", "--hex", "C0 0"], 5),
        (["translate", "--hex", "C0", "--as", "magic"], 5),
        (["push", "127.0.0.1:1"], 5),
        (["push", "127.0.0.1:1", "--layout", "magic", "1.0.1.8.0.255=1"], 3),
        (["push", "127.0.0.1:1", "--layout", "pairs", "1.0.1.8.0.255=1", "--signed"], 5),
        (["push", "127.0.0.1:1", "--event", "1.0.1.8.0.255=1", "--confirmed"], 5),
        (
            [
                "push",
                "127.0.0.1:1",
                "--layout",
                "pairs",
                "1.0.1.8.0.255=1",
                "--cipher",
                "general-glo",
                "--counter",
                "1",
            ],
            5,
        ),
        (["push", "nowhere", "--layout", "pairs", "1.0.1.8.0.255=1"], 5),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_said_before_anything_is_sent(words: list[str], code: int) -> None:
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == code, ran.output
    assert ran.stdout == ""
    assert ran.stderr
    assert "Traceback" not in ran.stderr


def transcripts() -> list[tuple[str, str]]:
    """The translations of frames in the documentation: flags, and what is printed."""
    text = (Path(__file__).parents[3] / "docs" / "drivers" / "dlms-tools.md").read_text()
    found = re.findall(r"^\$ demeter dlms translate (--hex .*)\n((?:(?!\$ |```).*\n)+)", text, re.MULTILINE)
    return [(flags, shown) for flags, shown in found]


@pytest.mark.parametrize(("flags", "shown"), transcripts(), ids=str)
def test_the_documentation_shows_what_is_printed(flags: str, shown: str) -> None:
    ran = CliRunner().invoke(app, ["translate", *shlex.split(flags)], env={"COLUMNS": "64"})
    assert ran.stdout == shown


def test_the_documentation_has_transcripts() -> None:
    assert len(transcripts()) >= 2


@pytest.mark.parametrize("name", ["read", "set", "action", "translate", "push"])
def test_every_command_explains_itself_with_examples(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "60", "TERM": "dumb"})
    assert shown.exit_code == 0
    assert f"demeter dlms {name}" in " ".join(shown.stdout.split())
    assert max(map(len, shown.stdout.splitlines())) <= 60
