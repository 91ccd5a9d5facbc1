"""``demeter dlms translate`` and ``push`` as processes: files, pipes, sockets, counters."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from demeter.protocols.dlms import apdu, axdr, data
from demeter.protocols.dlms.apdu import CONFIRMED, AttributeRef, DataNotification, EventNotification, GetRequest
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import CipherMode, Counters, envelope, protect, suite_keys, unprotect
from demeter.protocols.dlms.wrapper import Unwrapper, unwrap_datagram, wrap
from tests.integration.drivers.tool_process import AK, EK, KEY_FILE, TITLE, dlms

METER, HEAD_END = bytes.fromhex(TITLE), b"DMTHES01"
KEYS = suite_keys(EK, AK)
REQUEST = GetRequest(0xC1, AttributeRef(8, Obis(0, 0, 1, 0, 0), 2)).encode()
SEALED = protect(
    KEYS, METER, 7, apdu.GetResponse(0xC1, axdr.encode(data.u32(42))).encode(), mode=CipherMode.GENERAL_GLO
)


def test_translate_goes_there_and_back_through_pipes_and_files(tmp_path: Path) -> None:
    stream = wrap(REQUEST, 48, 1) + wrap(SEALED, 1, 48)
    (tmp_path / "frames.txt").write_text("# two frames\n" + " ".join(f"0x{octet:02X}," for octet in stream))
    shown = dlms("translate", "frames.txt", "--json", cwd=tmp_path)
    assert shown.code == 0
    assert set(shown.json) == {"frames", "errors"}
    assert [frame["name"] for frame in shown.json["frames"]] == ["WrapperFrame"] * 2
    back = dlms("translate", cwd=tmp_path, stdin=shown.raw)
    assert bytes.fromhex(back.out) == stream
    xml = dlms("translate", "-", "--xml", cwd=tmp_path, stdin=stream)
    assert dlms("translate", "-", "--to", "binary", cwd=tmp_path, stdin=xml.raw).raw == stream


def test_translate_opens_with_keys_and_tells_wrong_ones(tmp_path: Path) -> None:
    keys = tmp_path / "meter.toml"
    keys.touch(mode=0o600)
    keys.write_text(f'[meters.{TITLE}]\nencryption_key = "{EK.hex()}"\nauthentication_key = "{AK.hex()}"\n')
    right = dlms("translate", "--hex", SEALED.hex(), "--key-file", keys, cwd=tmp_path)
    assert right.code == 0
    assert "DoubleLongUnsigned 42" in right.out
    wrong = dlms("translate", "--hex", SEALED.hex(), "--json", cwd=tmp_path, DEMETER_DLMS_EK="00" * 16)
    assert wrong.code == 5
    assert wrong.json["errors"][0]["kind"] == "TagCheckFailed"
    assert wrong.json["errors"][0]["offset"] == len(SEALED) - 12
    assert "Error:" in wrong.err
    assert EK.hex() not in right.out + right.err


def test_a_broken_frame_shows_what_was_understood_and_where_it_ends(tmp_path: Path) -> None:
    ran = dlms("translate", "--hex", wrap(REQUEST, 48, 1)[:-3].hex(" "), cwd=tmp_path)
    assert ran.code == 5
    assert "ClassId 8" in ran.out
    assert "✗ Truncated at octet 13" in ran.out
    nonsense = dlms("translate", "--hex", "C0 zz", cwd=tmp_path)
    assert nonsense.code == 5
    assert dlms("translate", "missing.txt", cwd=tmp_path).code == 3


@contextmanager
def head_end(answer: Callable[[bytes], bytes | None]) -> Iterator[tuple[str, list[bytes]]]:
    """Listen on TCP and UDP under one port; keeps what comes and answers as told."""
    taken: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        port = server.getsockname()[1]
        datagrams.bind(("127.0.0.1", port))

        def stream() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                with line:
                    unwrapper = Unwrapper()
                    while octets := line.recv(65_536):
                        for frame in unwrapper.feed(octets):
                            taken.append(frame.apdu)
                            said = answer(frame.apdu)
                            if said:
                                line.sendall(wrap(said, frame.destination, frame.source))

        def packets() -> None:
            while True:
                try:
                    octets, sender = datagrams.recvfrom(65_536)
                except OSError:
                    return
                if not octets:
                    return
                frame = unwrap_datagram(octets)
                taken.append(frame.apdu)
                said = answer(frame.apdu)
                if said:
                    datagrams.sendto(wrap(said, frame.destination, frame.source), sender)

        threads = [threading.Thread(target=work, daemon=True) for work in (stream, packets)]
        for thread in threads:
            thread.start()
        yield f"127.0.0.1:{port}", taken
        server.shutdown(socket.SHUT_RDWR)
        with socket.socket(type=socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", port))
        for thread in threads:
            thread.join(5)


def confirming(octets: bytes) -> bytes | None:
    """Confirm what asks for it: protected pushes in the same form, with a counter of one's own."""
    if octets[0] == 0x0F:
        found = apdu.decode(octets)
        assert isinstance(found, DataNotification)
        return found.confirmation().encode() if found.invoke & CONFIRMED else None
    plain = apdu.decode(unprotect(KEYS, METER, octets).plaintext)
    assert isinstance(plain, DataNotification)
    answer = plain.confirmation().encode()
    return protect(KEYS, HEAD_END, 3, answer, mode=CipherMode.GENERAL_GLO) if plain.invoke & CONFIRMED else None


def test_a_push_of_values_arrives_over_tcp_and_udp(tmp_path: Path) -> None:
    values = ("0.0.96.1.0.255=visible-string:DM1", "1.0.1.8.0.255=42")
    with head_end(confirming) as (address, taken):
        tcp = dlms(
            "push",
            address,
            "--layout",
            "pairs",
            *values,
            "--at",
            "2026-11-20T12:00+05:30",
            "--confirmed",
            "--json",
            cwd=tmp_path,
        )
        udp = dlms("push", address, "--layout", "pairs", *values, "--transport", "wrapper-udp", cwd=tmp_path)
    assert (tcp.code, udp.code) == (0, 0), tcp.err + udp.err
    assert tcp.json["confirmed"] is True
    assert tcp.json["answer"]["frames"][0]["items"][2]["name"] == "DataNotificationConfirm"
    bodies = [apdu.decode(one) for one in taken]
    assert [isinstance(one, DataNotification) and one.body for one in bodies] == [bodies[0].body] * 2
    assert axdr.decode_all(bodies[0].body).value[3] == data.u32(42)
    assert bodies[0].moment is not None


def test_protected_pushes_never_use_a_counter_twice(tmp_path: Path) -> None:
    keys = tmp_path / "meter.toml"
    keys.touch(mode=0o600)
    keys.write_text(KEY_FILE)
    (tmp_path / "body.json").write_text(json.dumps({"type": "structure", "value": [{"type": "unsigned", "value": 7}]}))
    words = ("--body", "body.json", "--cipher", "general-glo", "--key-file", keys, "--system-title", TITLE)
    with head_end(confirming) as (address, taken):
        missing = dlms("push", address, *words, cwd=tmp_path)
        for _ in range(2):
            ran = dlms("push", address, *words, "--counter-file", "used.json", "--confirmed", cwd=tmp_path)
            assert ran.code == 0, ran.err
            assert "DataNotificationConfirm" in ran.out
    assert missing.code == 5
    assert "--counter-file" in missing.err
    counters = Counters(received=0)
    for one in taken:
        assert envelope(one).title == METER
        counters.accept(unprotect(KEYS, METER, one).counter)
    (used,) = json.loads((tmp_path / "used.json").read_text())["sent"].values()
    assert used[TITLE] >= counters.received


def test_an_event_and_a_frame_made_by_translate_are_sent(tmp_path: Path) -> None:
    event = EventNotification(AttributeRef(1, Obis(0, 0, 96, 11, 0), 2), axdr.encode(data.u16(7)))
    with head_end(lambda _: None) as (address, taken):
        words = ("--event", "1:0.0.96.11.0.255:2=long-unsigned:7", "--at", "none")
        assert dlms("push", address, *words, cwd=tmp_path).code == 0
        tree = dlms("translate", "--hex", event.encode().hex(), "--xml", cwd=tmp_path)
        assert dlms("push", address, "--body", "-", cwd=tmp_path, stdin=tree.raw).code == 0
    assert taken == [event.encode()] * 2


def test_nobody_listening_and_nobody_confirming_end_with_6(tmp_path: Path) -> None:
    words = ("--layout", "pairs", "1.0.1.8.0.255=42", "--confirmed", "--within", "0.3")
    with head_end(lambda _: None) as (address, _):
        silent = dlms("push", address, *words, cwd=tmp_path)
    dead = dlms("push", address, *words, cwd=tmp_path)
    assert (silent.code, dead.code) == (6, 6)
    assert "no confirmation" in silent.err
    assert "Hint:" in dead.err
