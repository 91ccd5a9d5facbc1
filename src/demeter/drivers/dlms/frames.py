"""What the journal keeps beside the bytes of a GET exchange, and decoding such a frame again.

A frame's payload is the wrapper frames of one GET exchange as received, one after the other, blocks and ciphering
included. Its context is JSON and never holds a key; together with the keys the meter had then it gives the same series
as on the day it came in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from demeter.drivers.dlms.failures import failure_of
from demeter.drivers.dlms.options import CIPHERS, PROTECTION_WORDS, PROTECTIONS, DlmsOptions
from demeter.drivers.dlms.tables import Scalers, Table, series_of
from demeter.protocols.dlms.client import CipherMode, Client
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject, ProfileColumns, profile_columns
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
    except (AttributeError, KeyError, TypeError, ValueError, DlmsError) as error:
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
            columns = decoded_columns(frame.payload, context, table, credentials)
        except DlmsError as error:
            raise failure_of(error, "decoding a journal frame") from error
        return series_of(table, columns)


def decoded_columns(
    payload: bytes, context: Mapping[str, Any], table: Table, credentials: Credentials
) -> ProfileColumns:
    """Open and decode a frame with the meter's present keys, else with former ones; what the present ones gave counts.

    Where there is a tag it tells which keys fit. Without one (encrypted only), or with keys of another suite's size, it
    is the content that does not decode.
    """
    first: DlmsError | ReadFailure | None = None
    for secrets in (credentials.secrets, *credentials.earlier):
        try:
            opened = open_frame(payload, context, secrets)
            return profile_columns(opened, table.captures, table.scalers, table.period_s, _zone_of(context))
        except (DlmsError, ReadFailure) as error:
            first = first or error
    assert first is not None
    raise first


def _zone_of(context: Mapping[str, Any]) -> ZoneInfo:
    try:
        return ZoneInfo(context["zone"])
    except (KeyError, TypeError, ValueError) as error:  # no such zone is a KeyError, too
        raise ReadFailure(FailureKind.GARBLED, f"the frame's context names no time zone: {error!r}") from error


def open_frame(payload: bytes, context: Mapping[str, Any], secrets: Mapping[str, bytes]) -> bytes:
    """Return the A-XDR octets of the attribute inside a frame.

    Raises:
        ReadFailure: NOT_CONFIGURED without the keys of an enciphered frame; GARBLED when the context does not tell
            how it is enciphered.
    """
    try:
        cipher, title = CIPHERS[context["cipher"]], context["system_title"]
        title = None if title is None else bytes.fromhex(title)
        suite = Suite(context.get("suite", Suite.ZERO))
        protection = PROTECTIONS[context.get("protection", "authenticated-encrypted")]
        wrapped = context.get("wrapped_key")
        wrapped = None if wrapped is None else bytes.fromhex(wrapped)
    except (KeyError, TypeError, ValueError) as error:
        message = f"the frame's context does not tell how it is enciphered: {error!r}"
        raise ReadFailure(FailureKind.GARBLED, message) from error
    if cipher is CipherMode.NONE:
        return open_get_response(payload)
    missing = [name for name in ("encryption_key", "authentication_key") if name not in secrets]
    if missing:
        raise ReadFailure(FailureKind.NOT_CONFIGURED, f"the meter's {' and '.join(missing)} to open the frame with")
    key = secrets["encryption_key"]
    return open_get_response(
        payload,
        encryption_key=key,
        authentication_key=secrets["authentication_key"],
        system_title=title,
        suite=suite,
        dedicated_key=None if wrapped is None else unwrap_key(key, wrapped),
        protection=protection,
    )
