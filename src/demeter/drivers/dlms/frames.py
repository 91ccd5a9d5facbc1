"""What the journal keeps beside the bytes of a GET exchange, and decoding such a frame again.

A frame's payload is the wrapper frames of one GET exchange as received, one after the other, blocks and ciphering
included. Its context is JSON and never holds a key; together with the keys of its ``key_version`` it gives the same
series as on the day it came in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from demeter.drivers.dlms.failures import failure_of
from demeter.drivers.dlms.options import PROTECTION_WORDS, PROTECTIONS, DlmsOptions
from demeter.drivers.dlms.tables import Scalers, Table, series_of
from demeter.protocols.dlms.client import Client
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject, profile_columns
from demeter.protocols.dlms.replay import open_get_response
from demeter.protocols.dlms.security import Protection, Suite, unwrap_key, wrap_key
from demeter.sdk import Credentials, FailureKind, Frame, Profile, ReadFailure, Series

CODEC = "dlms/profile"


def profile_frame(
    payload: bytes,
    received_at: datetime,
    table: Table,
    zone: str,
    ciphering: Mapping[str, object],
) -> Frame:
    """Return the journal frame of one answer. ``ciphering`` is what :func:`ciphering_of` returned."""
    context: dict[str, object] = {
        "profile": table.profile.value,
        "obis": str(table.obis),
        "captures": [[c.class_id, str(c.obis), c.attribute, c.index] for c in table.captures],
        "scalers": [[str(obis), attribute, *pair] for (obis, attribute), pair in table.scalers.items()],
        "capture_period_s": table.period_s,
        "zone": zone,
        **ciphering,
    }
    return Frame(CODEC, payload, received_at, context)


def ciphering_of(options: DlmsOptions, credentials: Credentials, client: Client) -> dict[str, object]:
    """Return how an association's answers are protected: all that opens them again but the meter's own keys.

    A dedicated key is kept wrapped with the meter's encryption key (RFC 3394); it is of no use without that.
    """
    title, dedicated = client.server_title, client.dedicated_key
    context: dict[str, object] = {
        "cipher": str(options.cipher),
        "system_title": None if title is None else title.hex(),
        "key_version": credentials.key_version,
    }
    if options.suite is not Suite.ZERO:
        context["suite"] = int(options.suite)
    if options.protection is not Protection.AUTHENTICATED_ENCRYPTED:
        context["protection"] = PROTECTION_WORDS[options.protection]
    if dedicated is not None:
        context["wrapped_key"] = wrap_key(credentials.secrets["encryption_key"], dedicated).hex()
    return context


def table_of(context: Mapping[str, Any]) -> Table:
    """Return the table a frame's context describes.

    Raises:
        ReadFailure: GARBLED, when it is not the context of a profile frame.
    """
    try:
        captures = tuple(CaptureObject(c, Obis.parse(o), a, i) for c, o, a, i in context["captures"])
        scalers: Scalers = {(Obis.parse(o), a): (s, u) for o, a, s, u in context["scalers"]}
        profile = Profile(context["profile"])
        return Table(profile, Obis.parse(context["obis"]), captures, scalers, int(context["capture_period_s"]))
    except (KeyError, TypeError, ValueError, DlmsError) as error:
        raise ReadFailure(FailureKind.GARBLED, f"the frame's context is not that of a profile: {error!r}") from error


class ProfileDecoder:
    """Decodes journal frames of codec ``dlms/profile`` again (entry point group ``demeter.decoders``)."""

    codec = CODEC

    def decode(self, frame: Frame, credentials: Credentials) -> tuple[Series, ...]:
        """Return the same series, byte for byte, that the driver handed over.

        Raises:
            ReadFailure: the keys do not fit, or payload or context were altered.
        """
        context = cast(Mapping[str, Any], frame.context)
        table = table_of(context)
        try:
            payload = open_frame(frame.payload, context, credentials.secrets)
            columns = profile_columns(payload, table.captures, table.scalers, table.period_s, ZoneInfo(context["zone"]))
        except DlmsError as error:
            raise failure_of(error, "decoding a journal frame") from error
        return series_of(table, columns)


def open_frame(payload: bytes, context: Mapping[str, Any], secrets: Mapping[str, bytes]) -> bytes:
    """Return the A-XDR octets of the attribute inside a frame."""
    if context["cipher"] == "none":
        return open_get_response(payload)
    key, wrapped = secrets["encryption_key"], context.get("wrapped_key")
    return open_get_response(
        payload,
        encryption_key=key,
        authentication_key=secrets["authentication_key"],
        system_title=bytes.fromhex(context["system_title"]),
        suite=Suite(context.get("suite", 0)),
        dedicated_key=None if wrapped is None else unwrap_key(key, bytes.fromhex(wrapped)),
        protection=PROTECTIONS[context.get("protection", "authenticated-encrypted")],
    )
