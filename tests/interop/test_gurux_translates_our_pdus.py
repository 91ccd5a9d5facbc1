"""GXDLMSTranslator renders every PDU Demeter encodes as Demeter means it, and encodes it to the same octets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.interop.meters import run
from tests.interop.pdus import Pdu, every_pdu

PDUS = every_pdu()
LEAF = re.compile(r"<x:([\w-]+)>\s*([^<]*?)\s*</x:\1>")


@pytest.fixture(scope="module")
def rendered(gurux: Path) -> dict[str, dict[str, Any]]:
    answers = run(gurux, "gurux_translator.py", {"pdus": [pdu.octets.hex() for pdu in PDUS]})["answers"]
    return dict(zip((pdu.name for pdu in PDUS), answers, strict=True))


def leaves(xml: str) -> str:
    return " ".join(f"{name}={','.join(text.split())}" for name, text in LEAF.findall(xml))


@pytest.mark.parametrize("pdu", PDUS, ids=lambda pdu: pdu.name)
def test_a_foreign_translator_sees_what_we_mean(pdu: Pdu, rendered: dict[str, dict[str, Any]]) -> None:
    answer = rendered[pdu.name]
    assert f"<x:{pdu.kind}>" in answer["xml"]
    assert leaves(answer["xml"]) == pdu.leaves


@pytest.mark.parametrize("pdu", [pdu for pdu in PDUS if pdu.back], ids=lambda pdu: pdu.name)
def test_a_foreign_translator_encodes_the_same_octets(pdu: Pdu, rendered: dict[str, dict[str, Any]]) -> None:
    assert rendered[pdu.name]["back"] == pdu.octets.hex()
