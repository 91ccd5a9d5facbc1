"""Firmware images: kept once by their hash, named by commands, fetched for each share of an upgrade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from demeter import estate
from demeter.headend.operations import store
from demeter.headend.operations.model import Command, Firmware, Order
from demeter.kernel import Invalid, NotFound
from demeter.runtime.database import UnitOfWork
from demeter.runtime.secrets import SecretBox
from demeter.sdk import OperationKind

READ = "headend.read"
FIRMWARE = "headend.firmware"
"""The permission to bring firmware, and to give it to meters."""

MOST_OCTETS = 16 << 20
MOST_TEXT = 64
LIFE = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class UpgradeOrder:
    """What firmware a meter is to get, by its hash. ``activate_at``: None for as soon as it is verified."""

    sha256: str
    activate_at: datetime | None = None
    reason: str = ""
    idempotency_key: str = ""
    expires_in: timedelta | None = None


def keep_firmware(work: UnitOfWork, content: bytes, version: str, identifier: str = "") -> Firmware:
    """Keep an image; one that is kept is only returned.

    Raises:
        Denied: without ``headend.firmware``.
        Invalid: it is empty or too long, has no version, or is kept under another.
    """
    work.scope.require(FIRMWARE)
    identifier = identifier or version
    if not 0 < len(content) <= MOST_OCTETS:
        raise Invalid(f"an image has 1 to {MOST_OCTETS} octets, not {len(content)}", code="bad_image")
    if not (0 < len(version) <= MOST_TEXT and len(identifier.encode()) <= MOST_TEXT):
        raise Invalid(f"version and identifier have 1 to {MOST_TEXT} characters", code="bad_image")
    digest = sha256(content).hexdigest()
    new = Firmware(digest, identifier, version, len(content), work.now(), work.scope.actor)
    if store.insert_firmware(work, new, content):
        work.audit("headend.firmware", f"firmware:{digest}", {"version": version, "size": len(content)})
    known = firmware(work, digest)
    if (known.version, known.identifier) != (version, identifier):
        told = f"this image is kept as version {known.version} ({known.identifier})"
        raise Invalid(told, code="bad_image", hint="Name it as it is kept.")
    return known


def firmware(work: UnitOfWork, digest: str) -> Firmware:
    """Return an image's description.

    Raises:
        Denied: without ``headend.read``. NotFound: it is not kept.
    """
    work.scope.require(READ)
    found = next((each for each in firmwares(work) if each.sha256 == digest), None)
    if found is None:
        raise NotFound(f"there is no firmware image {digest}", hint="Keep it first.")
    return found


def firmwares(work: UnitOfWork) -> list[Firmware]:
    """Return the images that are kept, newest first.

    Raises:
        Denied: without ``headend.read``.
    """
    work.scope.require(READ)
    return store.firmwares(work)


def upgrade_order(work: UnitOfWork, meter_id: int, wanted: UpgradeOrder) -> Order:
    """Return the command that brings an image to a meter.

    Raises:
        NotFound: no such image, or meter in the scope. Invalid: the time of activation is over.
    """
    estate.meter(work, meter_id)
    kept = firmware(work, wanted.sha256)
    arguments: dict[str, object] = {
        "image": kept.sha256,
        "identifier": kept.identifier,
        "size": kept.size,
        "version": kept.version,
    }
    life = wanted.expires_in or LIFE
    if wanted.activate_at is not None:
        ahead = wanted.activate_at - work.now()
        if ahead <= timedelta():
            raise Invalid("the time of activation is over", hint="Leave it out to activate as soon as it is verified.")
        arguments["activate_at"] = wanted.activate_at.isoformat()
        life = wanted.expires_in or ahead + LIFE
    return Order(OperationKind.UPGRADE_FIRMWARE, arguments, wanted.reason, wanted.idempotency_key, None, life)


def materials(work: UnitOfWork, _secrets: SecretBox, command: Command) -> Mapping[str, bytes]:
    """Return the image a command names; nothing where it is not kept."""
    content = store.firmware_content(work, command.arguments["image"])
    return {} if content is None else {"image": content}
