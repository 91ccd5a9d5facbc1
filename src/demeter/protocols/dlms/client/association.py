"""Opening and releasing an association at the client's side, with all passes of its mechanism."""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from demeter.protocols.dlms import acse, apdu, axdr, data
from demeter.protocols.dlms.acse import Context, Diagnostic, InitiateRequest, Mechanism, Result
from demeter.protocols.dlms.apdu import MethodRef
from demeter.protocols.dlms.client.acting import invoke_one
from demeter.protocols.dlms.client.line import Line
from demeter.protocols.dlms.client.settings import CipherMode, Exchange
from demeter.protocols.dlms.errors import AssociationRejected, Malformed, Unsupported
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import Channel, Counters, suite_keys

CURRENT_ASSOCIATION: Final = Obis(0, 0, 40, 0, 0, 255)
ASSOCIATION_CLASS: Final = 15
CHALLENGE_SIZE: Final = 16


def associate(line: Line) -> Exchange[None]:
    """Open the association; see :meth:`.Client.associate`."""
    settings = line.settings
    line.open = False
    line.channel = None
    line.server = None
    if settings.cipher is not CipherMode.NONE:
        keys = suite_keys(settings.encryption_key, settings.authentication_key)
        line.channel = Channel(keys, settings.system_title, None, line.counters)
    challenge = secrets.token_bytes(CHALLENGE_SIZE)
    answer = yield _request(line, challenge)
    response = _response(line, answer)
    line.server = _agreed(line, response)
    if settings.mechanism is Mechanism.HLS_GMAC:
        yield from _prove(line, challenge, response)
    line.open = True


def release(line: Line) -> Exchange[None]:
    """Release the association; see :meth:`.Client.release`."""
    line.open = False
    information = None if line.channel is None else line.channel.seal(_initiate(line))
    answer = yield acse.Release(user_information=information).encode()
    if answer[:1] == b"\xd8":
        line.checked(apdu.decode(answer))
    response = acse.decode_acse(answer)
    if not isinstance(response, acse.Release) or not response.response:
        raise Malformed("a release was answered by another service", offset=0)


def _initiate(line: Line) -> bytes:
    return InitiateRequest(line.settings.conformance, line.settings.max_pdu).encode()


def _request(line: Line, challenge: bytes) -> bytes:
    settings, information = line.settings, _initiate(line)
    if line.channel is not None:
        information = line.channel.seal(information)
    secret = {Mechanism.LLS: settings.password, Mechanism.HLS_GMAC: challenge}.get(settings.mechanism)
    context = Context.PLAIN if line.channel is None else Context.CIPHERED
    title = settings.system_title or None
    return acse.AssociationRequest(context, information, settings.mechanism, secret, title).encode()


def _response(line: Line, answer: bytes) -> acse.AssociationResponse:
    if answer[:1] in (b"\xd8", b"\x0e"):
        line.checked(apdu.decode(answer))
    response = acse.decode_acse(answer)
    if not isinstance(response, acse.AssociationResponse):
        raise Malformed("an AARQ was answered by something other than an AARE", offset=0)
    if response.result != Result.ACCEPTED:
        raise AssociationRejected(
            f"the meter rejected the association: {_diagnostic(response)}",
            result=response.result,
            diagnostic=response.diagnostic,
        )
    return response


def _agreed(line: Line, response: acse.AssociationResponse) -> acse.InitiateResponse:
    information = response.user_information
    if information is None:
        raise Malformed("the AARE carries no initiate-response")
    if line.channel is not None:
        if response.context is not Context.CIPHERED or response.system_title is None:
            raise Malformed("the AARE of a ciphered association names neither context nor system title")
        line.channel.peer = response.system_title
        information = line.channel.open(information)
    agreed = acse.decode_initiate_response(information)
    if agreed.version != acse.DLMS_VERSION:
        raise Unsupported(f"DLMS version {agreed.version}")
    return agreed


def _prove(line: Line, challenge: bytes, response: acse.AssociationResponse) -> Exchange[None]:
    """Passes 3 and 4 of HLS (Green Book 9.2.7.4): answer the meter's challenge, check its answer to ours."""
    settings = line.settings
    theirs, title = response.authentication, response.system_title
    if not theirs or title is None:
        raise Malformed("the AARE carries no challenge or no system title")
    if hmac.compare_digest(theirs, challenge):
        raise AssociationRejected("the meter sent our own challenge back", diagnostic=Diagnostic.AUTHENTICATION_FAILURE)
    keys = suite_keys(settings.encryption_key, settings.authentication_key)
    proof = keys.gmac(settings.system_title, line.counters.draw(), theirs)
    before = line.counters.received
    line.open = True
    target = MethodRef(ASSOCIATION_CLASS, CURRENT_ASSOCIATION, 1)
    try:
        answer = yield from invoke_one(line, target, axdr.encode(data.octets(proof)))
    finally:
        line.open = False
    if answer.result is not apdu.ActionResult.SUCCESS or not isinstance(answer.value, bytes):
        raise AssociationRejected(
            "the meter did not accept our answer to its challenge", diagnostic=Diagnostic.AUTHENTICATION_FAILURE
        )
    value = axdr.decode_all(answer.value)
    if value.tag is not data.Tag.OCTET_STRING:
        raise Malformed("an answer to a challenge is an octet-string")
    counter = keys.check_gmac(title, value.value, challenge)
    Counters(received=before).check(counter)


def _diagnostic(response: acse.AssociationResponse) -> str:
    try:
        return Diagnostic(response.diagnostic).name.lower().replace("_", " ")
    except ValueError:
        return f"diagnostic {response.diagnostic}"
