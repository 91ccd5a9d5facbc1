"""Frames as trees: what is read is written back to the very same octets, through JSON and XML; nothing else comes out."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms import apdu, axdr
from demeter.protocols.dlms.acse import (
    AssociationRequest,
    AssociationResponse,
    Conformance,
    Context,
    InitiateRequest,
    InitiateResponse,
    Mechanism,
    Release,
)
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated, Unsupported
from demeter.protocols.dlms.gateway import GatewayFrame
from demeter.protocols.dlms.hdlc import Address, Control, Frame, Kind, LinkParameters
from demeter.protocols.dlms.security import is_ciphered
from demeter.protocols.dlms.translate import (
    Node,
    Translation,
    from_json,
    from_xml,
    known_apdus,
    octets_from_text,
    octets_of,
    to_json,
    to_text,
    to_xml,
    translate,
)
from demeter.protocols.dlms.wrapper import wrap
from tests.unit.protocols.dlms.dlms_strategies import outcome, trees
from tests.unit.protocols.dlms.test_services_apdu import APDUS

CLOCK = octets_from_text("C0 01 C1 0008 0000010000FF 02 00")
TITLE = b"DMT00001"
IN_BLOCKS = {"get block", "set first block", "set block", "set list first block", "general block"}
"""What carries pieces: the pieces of these random ones make no whole."""

any_apdu = st.one_of(*APDUS.values()).map(lambda one: one.encode())
octet = st.integers(0, 255)
initiate = st.builds(
    InitiateRequest,
    st.integers(0, 0xFFFFFF).map(Conformance),
    st.integers(0, 0xFFFF),
    st.none() | st.binary(max_size=32),
    st.booleans(),
    st.none() | octet,
    octet,
)
agreed = st.builds(
    InitiateResponse, st.integers(0, 0xFFFFFF).map(Conformance), st.integers(0, 0xFFFF), st.none() | octet, octet
)
title = st.none() | st.binary(min_size=8, max_size=8)
acse = st.one_of(
    st.builds(
        AssociationRequest,
        st.sampled_from(Context),
        initiate.map(lambda one: one.encode()),
        st.sampled_from(Mechanism),
        st.binary(max_size=64),
        title,
    ),
    st.builds(
        AssociationResponse,
        st.sampled_from(Context),
        st.integers(0, 2),
        st.integers(0, 14),
        st.none() | agreed.map(lambda one: one.encode()),
        st.sampled_from(Mechanism),
        st.none() | st.binary(max_size=64),
        title,
        st.booleans(),
    ),
    st.builds(
        Release, st.booleans(), st.sampled_from([None, 0, 1, 30]), st.none() | initiate.map(lambda i: i.encode())
    ),
).map(lambda one: one.encode())


def every_way_back(found: Translation) -> list[bytes]:
    return [
        octets_of(found.frames),
        octets_of(from_json(json.dumps(to_json(found)))),
        octets_of(from_xml(to_xml(found))),
    ]


def whole(octets: bytes, form: str = "auto") -> Translation:
    """Translate octets without an error, and see that they come back by every way."""
    found = translate(octets, form=form)
    assert found.errors == ()
    assert every_way_back(found) == [octets] * 3
    return found


def places_fit(node: Node, octets: int) -> None:
    """Parts lie inside what they are part of, one behind the other."""
    at = node.offset
    for item in node.parts:
        assert at <= item.offset
        assert item.offset + item.length <= node.offset + node.length <= octets
        places_fit(item, octets)
        at = item.offset + item.length


@pytest.mark.parametrize("kind", APDUS)
@given(pick=st.data())
def test_every_apdu_comes_back_from_its_tree_from_json_and_from_xml(kind: str, pick: st.DataObject) -> None:
    octets = pick.draw(APDUS[kind]).encode()
    found = translate(octets)
    assert kind in IN_BLOCKS or "block" in kind or found.errors == ()
    assert every_way_back(found) == [octets] * 3
    places_fit(found.frames[0], len(octets))


@given(acse)
def test_associations_come_back(octets: bytes) -> None:
    places_fit(whole(octets).frames[0], len(octets))


@given(trees)
def test_any_data_comes_back(tree: Data) -> None:
    octets = axdr.encode(tree)
    whole(octets, form="data")
    whole(apdu.DataNotification(0x40000001, octets).encode())


@given(st.lists(any_apdu, min_size=1, max_size=4), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_frames_one_after_the_other_come_back(apdus: list[bytes], source: int, destination: int) -> None:
    stream = b"".join(wrap(one, source, destination) for one in apdus)
    found = translate(stream)
    assert [frame.name for frame in found.frames] == ["WrapperFrame"] * len(apdus)
    assert every_way_back(found) == [stream] * 3


@given(
    st.lists(any_apdu.filter(lambda one: len(one) < 1900), min_size=1, max_size=3),
    st.sampled_from([Address(1), Address(1, 17, 2), Address(1, 300, 4), Address(1, 0, 4)]),
    st.booleans(),
)
def test_hdlc_frames_come_back_whether_they_share_flags_or_not(
    apdus: list[bytes], server: Address, shared: bool
) -> None:
    frames = [
        Frame(server, Address(48), Control(Kind.INFORMATION, True, n % 8, 1), b"\xe6\xe6\x00" + one).to_bytes()
        for n, one in enumerate(apdus)
    ]
    frames.insert(
        0, Frame(server, Address(48), Control(Kind.SET_NORMAL_RESPONSE_MODE), LinkParameters().to_bytes()).to_bytes()
    )
    stream = b"".join([frames[0], *(frame[1:] if shared else frame for frame in frames[1:])])
    found = translate(stream)
    assert [frame.name for frame in found.frames] == ["HdlcFrame"] * len(frames)
    assert every_way_back(found) == [stream] * 3


@given(any_apdu, st.binary(min_size=1, max_size=20), octet, st.booleans())
def test_apdus_behind_a_gateway_come_back(inner: bytes, address: bytes, network: int, answers: bool) -> None:
    octets = wrap(GatewayFrame(network, address, inner, answers).to_bytes(), 1, 48)
    assert every_way_back(translate(octets)) == [octets] * 3


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    octets = bytearray(draw(any_apdu | acse | any_apdu.map(lambda one: wrap(one, 1, 48))))
    for _ in range(draw(st.integers(0, 3))):
        octets[draw(st.integers(0, len(octets) - 1))] = draw(octet)
    return bytes(octets[: draw(st.integers(0, len(octets)))]) if draw(st.booleans()) else bytes(octets)


@given(damaged() | st.binary(max_size=200))
def test_whatever_comes_is_a_tree_that_comes_back_or_a_typed_error_with_its_place(octets: bytes) -> None:
    began = time.process_time()
    found = translate(octets)
    assert time.process_time() - began < 0.05
    for error in found.errors:
        assert isinstance(error, DlmsError)
        assert error.offset is not None
        assert 0 <= error.offset <= len(octets)
    if not found.errors:
        assert every_way_back(found) == [octets] * 3
    elif any(frame.broken for frame in found.frames):
        with pytest.raises(Malformed):
            octets_of(from_xml(to_xml(found)))
    assert to_text(found, 30)


@given(damaged())
def test_trees_and_codecs_agree_on_what_is_an_apdu(octets: bytes) -> None:
    if not octets or is_ciphered(octets) or known_apdus().get(octets[0], "Ass")[:3] in {"Ass", "Rel", "Ini"}:
        return
    found = translate(octets, form="apdu")
    try:
        read = apdu.decode(octets)
    except DlmsError:
        assert found.errors
        return
    if not found.errors and len(found.frames) == 1:
        kept = any(node.hints or (node.meaning == "true" and node.value != 1) for node in found.frames[0].walk())
        assert kept or read.encode() == octets


@given(trees, st.data())
def test_trees_and_codecs_agree_on_what_is_data(tree: Data, pick: st.DataObject) -> None:
    octets = bytearray(axdr.encode(tree))
    octets[pick.draw(st.integers(0, len(octets) - 1))] = pick.draw(octet)
    found = translate(bytes(octets), form="data")
    known = outcome(axdr.decode_all, bytes(octets))
    if isinstance(known, DlmsError):
        # Where the contents of a compact array stop inside an element, one looks beyond them and the other does not.
        alike = type(found.error) is type(known) or (found.error is not None and Tag.COMPACT_ARRAY in octets)
        assert len(found.frames) > 1 or alike
    else:
        assert found.errors == ()


def test_every_cut_shows_what_came_before_it_and_says_where_it_ends() -> None:
    octets = wrap(apdu.GetResponse(0xC1, axdr.encode(Data(Tag.STRUCTURE, (Data(Tag.UINT32, 7),) * 9))).encode(), 1, 48)
    for cut in range(1, len(octets)):
        found = translate(octets[:cut])
        assert isinstance(found.error, Truncated)
        assert found.error.offset is not None
        assert found.error.offset <= cut
        assert found.frames[0].broken
    numbers = [node.value for node in translate(octets[:-1]).frames[0].walk() if node.name == "DoubleLongUnsigned"]
    assert numbers == [7] * 8 + [None]


def test_what_follows_a_broken_frame_of_known_length_is_read() -> None:
    found = translate(wrap(b"\xc0\x09\xc1", 48, 1) + wrap(CLOCK, 48, 1))
    assert [type(error) for error in found.errors] == [Unsupported]
    assert found.errors[0].offset == 9
    assert [frame.broken for frame in found.frames] == [True, False]


def test_lengths_and_truths_written_oddly_come_back_as_they_were() -> None:
    octets = octets_from_text("0f 40000001 09 0c 07ea0b140500000000fed400  09 82 0003 010203")
    assert whole(octets).frames[0].items[1].meaning == "2026-11-20 00:00:00 +05:00"
    whole(octets_from_text("c4 01 c1 00 03 ff"))
    whole(octets_from_text("c4 01 c1 00 17 7fc00001"))
    whole(octets_from_text("61 81 05 a2 03 02 01 00"))


def test_names_are_those_of_the_standard_and_places_are_octets() -> None:
    found = whole(wrap(CLOCK, 48, 1))
    shown = {node.name: (node.offset, node.length, node.value) for node in found.frames[0].walk()}
    assert shown == {
        "WrapperFrame": (0, 21, None),
        "Source": (2, 2, 48),
        "Destination": (4, 2, 1),
        "GetRequest": (8, 13, None),
        "GetRequestNormal": (9, 12, None),
        "InvokeIdAndPriority": (10, 1, 0xC1),
        "AttributeDescriptor": (11, 9, None),
        "ClassId": (11, 2, 8),
        "InstanceId": (13, 6, "0.0.1.0.0.255"),
        "AttributeId": (19, 1, 2),
    }


def test_a_tree_may_be_written_by_hand_and_says_what_is_wrong_with_it() -> None:
    request = (
        '<GetRequest><GetRequestNormal><InvokeIdAndPriority Value="193"/><AttributeDescriptor><ClassId Value="8"/>'
        '<InstanceId Value="0.0.1.0.0"/><AttributeId Value="2"/></AttributeDescriptor></GetRequestNormal></GetRequest>'
    )
    assert octets_of(from_xml(request)) == CLOCK
    for wrong, why in [
        (request.replace("193", "256"), "does not fit"),
        (request.replace('<ClassId Value="8"/>', ""), "lacks ClassId"),
        (request.replace("ClassId", "ClassName"), "no part ClassName"),
        (request.replace("0.0.1.0.0", "clock"), "OBIS"),
        (request.replace('"2"', '"two"'), "no whole number"),
        (request.replace("GetRequestNormal", "GetRequestStrange"), "none of"),
        (request.replace("GetRequest>", "PutRequest>"), "no APDU"),
    ]:
        with pytest.raises(Malformed, match=why):
            octets_of(from_xml(wrong))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<Frames>",
        "<Frames>text</Frames>",
        '<!DOCTYPE x [<!ENTITY a "aa">]><Frames><A Value="&a;"/></Frames>',
        '<Frames><A Strange="1"/></Frames>',
        "<A>" * 150 + "</A>" * 150,
        "\ud800",
    ],
)
def test_xml_that_is_no_tree_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        octets_of(from_xml(text))


@pytest.mark.parametrize(
    "text",
    ["", "7", '{"frames": 7}', '[{"name": 7}]', '{"name": "A", "what": 1}', "[" * 100_000, '{"name":"A","items":7}'],
)
def test_json_that_is_no_tree_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        octets_of(from_json(text))


def test_hexadecimal_text_as_people_paste_it() -> None:
    for text in (
        "C0 01 c1",
        "0xC0, 0x01, 0xC1",
        "C0:01:C1",
        "c0-01-c1",
        "# a request\nC001\n  C1 # its end",
        "\\xC0\\x01\\xc1",
    ):
        assert octets_from_text(text) == b"\xc0\x01\xc1"
    for text, place in (("C0 0", 1), ("C0 01 G1", 2)):
        with pytest.raises(Malformed) as wrong:
            octets_from_text(text)
        assert wrong.value.offset == place


def test_text_fits_a_narrow_terminal_and_cuts_what_is_long() -> None:
    octets = apdu.DataNotification(
        1, axdr.encode(Data(Tag.ARRAY, (Data(Tag.OCTET_STRING, bytes(200)),) * 200))
    ).encode()
    text = to_text(translate(octets), 40)
    assert max(map(len, text.splitlines())) <= 40
    assert "… 161 more" in text
    assert "200 octets" in text
    assert to_text(translate(octets), 40, full=True).count("OctetString") == 200
