"""Changing a meter's keys: transferred wrapped, then proved by an association of their own.

The materials of the operation are the new keys (``encryption_key``, ``authentication_key``, perhaps ``master_key``) and
``former_*``: the same names as they were when the change was asked for. The meter may have any mixture of both: an
association shows which encryption and authentication key it has, and only a transfer shows its master key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from demeter.drivers.dlms.operations.line import Line
from demeter.protocols.dlms.errors import DlmsError, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import KeyId, transfer_data
from demeter.protocols.dlms.security.rekey import KEY_TRANSFER, SECURITY_SETUP, UTILITY_SETUP
from demeter.sdk import OTHER_MASTER, FailureKind, Operation, OperationRefused, ReadFailure, Report, Words, key_sets

CURRENT_SETUP: Final = Obis(0, 0, 43, 0, 0, 255)
"""The security setup of the association in use, where the meter has none for the utility client of its own."""

KEYS: Final[Mapping[str, KeyId]] = {
    "encryption_key": KeyId.UNICAST_ENCRYPTION,
    "authentication_key": KeyId.AUTHENTICATION,
    "master_key": KeyId.MASTER,
}
OLD, NEW = "old", "new"


async def observe_keys(line: Line, operation: Operation) -> Words:
    """Tell which keys the meter answers under; its master key is tried out, which changes nothing."""
    secrets, version = line.credentials.secrets, operation.arguments["version"]
    given = {name: operation.materials[name] for name in KEYS if name in operation.materials}
    if not given:
        return {"version": version - 1}
    told = {name: NEW if secrets.get(name) == key else OLD for name, key in given.items() if name != "master_key"}
    if "master_key" in given and NEW in told.values():
        told["master_key"] = await _master(line, operation)
    elif "master_key" in given:
        told["master_key"] = OLD
    return {**told, "version": version if set(told.values()) == {NEW} else version - 1}


async def _master(line: Line, operation: Operation) -> str:
    """Transfer the authentication key the meter has once more, wrapped with the new master key."""
    same = {KeyId.AUTHENTICATION: line.credentials.secrets["authentication_key"]}
    try:
        await _transfer(line, same, operation.materials["master_key"], "trying the new master key")
    except ReadFailure as failure:
        if not isinstance(failure.__cause__, Refused):
            raise
        return OLD
    return NEW


async def change_keys(line: Line, operation: Operation, seen: Words, report: Report) -> None:
    """Transfer the new keys, all at once, wrapped with the master key the meter has.

    Whatever comes of it, the next look at this meter is through an association of its own.

    Raises:
        OperationRefused: ``no_keys``, ``no_master_key``, ``key_size``; nothing was sent.
    """
    materials = operation.materials
    new = {key_id: materials[name] for name, key_id in KEYS.items() if name in materials}
    if not new:
        raise OperationRefused("no_keys", "the new keys are not kept any more; ask for new ones")
    masters = _masters(materials, seen)
    if not masters:
        raise OperationRefused("no_master_key", "no master key is stored for this meter; without it no key is changed")
    report("transferring the keys", 0, len(new))
    line.expect(key_sets(line.credentials, materials))
    try:
        await _wrapped(line, new, masters)
    except ReadFailure as failure:
        # Only a refusal inside a protected answer is certain: then the meter has the keys it had.
        if isinstance(failure.__cause__, Refused):
            line.expect(())
        raise
    report("transferring the keys", len(new), len(new))


def _masters(materials: Mapping[str, bytes], seen: Words) -> list[bytes]:
    """Return the master keys to wrap with, the likeliest first."""
    first = ["master_key", "former_master_key"] if seen.get("master_key") == NEW else ["former_master_key"]
    others = sorted(name for name in materials if name.startswith(OTHER_MASTER))
    return list(dict.fromkeys(materials[name] for name in (*first, *others) if materials.get(name)))


async def _wrapped(line: Line, new: Mapping[KeyId, bytes], masters: Sequence[bytes]) -> None:
    """Transfer keys wrapped with the first master key that the meter does not refuse."""
    refusal: ReadFailure | None = None
    for master in masters:
        try:
            await _transfer(line, new, master, "transferring the keys")
        except ReadFailure as failure:
            if not isinstance(failure.__cause__, Refused):
                raise
            refusal = failure
        else:
            return
    raise refusal or OperationRefused("no_master_key", "there is no master key to wrap new keys with")


async def _transfer(line: Line, keys: Mapping[KeyId, bytes], master: bytes, doing: str) -> None:
    try:
        parameter = transfer_data(keys, master)
    except (DlmsError, ValueError) as error:
        raise OperationRefused("key_size", f"{doing}: {error}") from error
    try:
        await line.run(line.client.action(SECURITY_SETUP, UTILITY_SETUP, KEY_TRANSFER, parameter), doing)
    except ReadFailure as failure:
        if failure.kind is not FailureKind.NOT_SUPPORTED:
            raise
        await line.run(line.client.action(SECURITY_SETUP, CURRENT_SETUP, KEY_TRANSFER, parameter), doing)
