"""From recorded frames back to values: what proof and decoding again use. No association, no I/O.

The counter window is not enforced here: the frames were accepted once, when they came in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms import apdu
from demeter.protocols.dlms.apdu import GENERAL_BLOCK_TRANSFER, Notification, Outcome
from demeter.protocols.dlms.apdu.general_block import read_general_block
from demeter.protocols.dlms.errors import (
    DataAccessResult,
    DlmsError,
    Malformed,
    Refused,
    TagCheckFailed,
    Truncated,
    Unsupported,
)
from demeter.protocols.dlms.security import (
    CipherMode,
    KeySet,
    Protection,
    Suite,
    SuiteKeys,
    is_ciphered,
    mode_of,
    open_general,
    plaintext,
    signed_content,
    unprotect,
)
from demeter.protocols.dlms.transfer import Incoming
from demeter.protocols.dlms.wrapper import unwrap_all

MAX_VALUE: Final = 4 * 1024 * 1024
"""Longest answer put together from general blocks, in octets."""


def open_get_response(
    frames: bytes,
    encryption_key: bytes | None = None,
    authentication_key: bytes | None = None,
    system_title: bytes | None = None,
    *,
    suite: Suite = Suite.ZERO,
    dedicated_key: bytes | None = None,
    protection: Protection = Protection.AUTHENTICATED_ENCRYPTED,
) -> bytes:
    """Return the attribute's A-XDR octets from the wrapper frames received in one GET, joined, in order.

    Keys are needed for ciphered frames only; ``system_title`` (the meter's) for service-specific ciphering, which does
    not carry it; ``dedicated_key`` for an association that had one. ``protection`` is the least accepted. Signatures
    were checked when the frames came in; of general-ciphering only the identified global key is known here. Error
    frames that preceded a repeated request must not be among the frames; notifications are passed over.

    Raises:
        Refused: the recorded answer was a data-access-result.
        TagCheckFailed: the frames were altered, or these are other keys.
        Truncated, Malformed, Unsupported: the frames are not the whole answer to one GET.
    """
    keys = _keys(encryption_key, authentication_key, suite)
    result = _single(_opened(frames, _Recorded(keys, system_title, dedicated_key, protection)))
    if isinstance(result, DataAccessResult):
        raise Refused(result)
    return result


def open_get_list_response(
    frames: bytes,
    encryption_key: bytes | None = None,
    authentication_key: bytes | None = None,
    system_title: bytes | None = None,
    *,
    suite: Suite = Suite.ZERO,
    dedicated_key: bytes | None = None,
    protection: Protection = Protection.AUTHENTICATED_ENCRYPTED,
) -> list[bytes | Refused]:
    """Return the results of one recorded GET with list, refusals in their places; as :func:`open_get_response`."""
    keys = _keys(encryption_key, authentication_key, suite)
    answers = _opened(frames, _Recorded(keys, system_title, dedicated_key, protection))
    first = answers[0]
    results: tuple[Outcome, ...]
    if isinstance(first, apdu.GetListResponse) and len(answers) == 1:
        results = first.results
    else:
        whole = _joined(answers)
        if isinstance(whole, DataAccessResult):
            raise Refused(whole)
        results = apdu.decode_results(whole)
    return [Refused(result) if isinstance(result, DataAccessResult) else result for result in results]


def open_get_values(batch: Iterable[tuple[SuiteKeys, bytes | None, bytes]]) -> list[bytes | DlmsError]:
    """Open many GET responses that came in one piece, each ``(keys, meter's title or None, protected APDU)``.

    Returns the attributes' A-XDR octets; an error stands where it happened (blocks: Unsupported). For values over many
    meters hand the result to :func:`demeter.protocols.dlms.profile.profile_columns_batch`.
    """
    values: list[bytes | DlmsError] = []
    append = values.append
    for keys, title, protected in batch:
        try:
            plain = plaintext(keys, title, protected)
        except DlmsError as error:
            append(error)
        else:
            whole = len(plain) > 4 and plain[:2] == _GET_RESPONSE and plain[3] == 0
            append(plain[4:] if whole else _no_value(plain))
    return values


_GET_RESPONSE: Final = b"\xc4\x01"
"""GET-response-normal; the invoke-id follows, then 0 where a value follows."""


def _no_value(plain: bytes) -> DlmsError:
    try:
        answer = apdu.decode(plain)
    except DlmsError as error:
        return error
    if isinstance(answer, apdu.GetResponse) and isinstance(answer.result, DataAccessResult):
        return Refused(answer.result)
    return Unsupported("not a GET response in one piece", offset=0)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What opens recorded frames: the meter's keys and title, the association's key, the least protection."""

    keys: KeySet | None
    title: bytes | None
    dedicated: bytes | None
    protection: Protection


def _keys(encryption_key: bytes | None, authentication_key: bytes | None, suite: Suite) -> KeySet | None:
    if encryption_key is None or authentication_key is None:
        return None
    return KeySet(encryption_key, authentication_key, suite)


def _opened(frames: bytes, recorded: _Recorded) -> list[apdu.Apdu]:
    answers = [apdu.decode(_plain(raw, recorded)) for raw in _whole_apdus(frames)]
    answers = [answer for answer in answers if not isinstance(answer, Notification)]
    if not answers:
        raise Truncated("no frame is recorded", offset=0)
    return answers


def _whole_apdus(frames: bytes) -> Iterator[bytes]:
    """The APDUs of the frames, general blocks put together; blocks repeated or out of order are what a line does."""
    incoming: Incoming | None = None
    for frame in unwrap_all(frames):
        raw = frame.apdu
        if not raw or raw[0] != GENERAL_BLOCK_TRANSFER:
            yield raw
            continue
        block = read_general_block(raw)
        incoming = Incoming(MAX_VALUE) if incoming is None else incoming
        if not block.data:
            incoming.pass_over(block.number)
        elif not incoming.done:
            incoming.take(block)
    if incoming is None:
        return
    if not incoming.done:
        raise Truncated("the recorded blocks are not the whole answer", offset=len(frames))
    yield incoming.whole()


def _plain(raw: bytes, recorded: _Recorded) -> bytes:
    if not is_ciphered(raw):
        return raw
    keys, title, least = recorded.keys, recorded.title, recorded.protection
    if keys is None:
        raise TagCheckFailed("the recorded frames are ciphered and no keys are given")
    raw = signed_content(raw)
    mode = mode_of(raw)
    if mode is CipherMode.GENERAL:
        return open_general(keys.sealing, title, raw, least).plaintext
    if mode.dedicated:
        if recorded.dedicated is None:
            raise TagCheckFailed("the recorded frames are ciphered with a dedicated key and none is given")
        return unprotect(keys.session(recorded.dedicated), title, raw, least).plaintext
    if least is not Protection.AUTHENTICATED_ENCRYPTED:
        return unprotect(keys.sealing, title, raw, least).plaintext
    return plaintext(keys.sealing, title, raw)


def _single(answers: list[apdu.Apdu]) -> Outcome:
    first = answers[0]
    if isinstance(first, apdu.GetResponse):
        if len(answers) > 1:
            raise Malformed("frames follow a complete answer")
        return first.result
    return _joined(answers)


def _joined(answers: list[apdu.Apdu]) -> Outcome:
    """Put blocks together; the last recorded may say instead why the transfer stopped."""
    parts: list[bytes] = []
    for number, answer in enumerate(answers, start=1):
        final = number == len(answers)
        if isinstance(answer, apdu.GetResponse) and final and isinstance(answer.result, DataAccessResult):
            return answer.result
        if not isinstance(answer, apdu.GetBlock):
            raise Malformed(f"frame {number} is no block of a GET")
        if isinstance(answer.result, DataAccessResult):
            return answer.result
        if answer.number != number:
            raise Malformed(f"block {answer.number} stands where block {number} belongs")
        if answer.last is not final:
            raise (Truncated if final else Malformed)(f"{len(answers)} blocks are not the whole answer")
        parts.append(answer.result)
    return b"".join(parts)
