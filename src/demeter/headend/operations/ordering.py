"""Commands that need more than arguments: what they name is kept in the same transaction."""

from __future__ import annotations

from demeter import estate
from demeter.headend.operations import store
from demeter.headend.operations.firmware import FIRMWARE, UpgradeOrder, upgrade_order
from demeter.headend.operations.model import Command
from demeter.headend.operations.plans import COMMAND, KEYS
from demeter.headend.operations.rekeying import KeyOrder, keep_new_keys, order_of
from demeter.headend.operations.service import request_command
from demeter.kernel import Conflict
from demeter.runtime.database import UnitOfWork
from demeter.runtime.secrets import SecretBox
from demeter.sdk import OperationKind


def upgrade_firmware(work: UnitOfWork, meter_id: int, wanted: UpgradeOrder) -> Command:
    """Ask for a meter's firmware to become an image that is kept; it is sent in shares, between the meter's reads.

    Raises:
        Denied: without ``headend.command`` and ``headend.firmware``. NotFound: no such meter in the scope, or image.
        Invalid: it cannot be called, or the time of activation is over. Conflict: another upgrade has not ended, or the
            idempotency key was used for another command.
    """
    work.scope.require(COMMAND)
    work.scope.require(FIRMWARE)
    meter = estate.meter(work, meter_id)
    for each in store.unended(work, meter.site_id, meter_id):
        same = wanted.idempotency_key and each.idempotency_key == wanted.idempotency_key
        if each.kind is OperationKind.UPGRADE_FIRMWARE and not same:
            raise Conflict(f"an upgrade of meter {meter.serial} has not ended", code="upgrade_open")
    return request_command(work, meter_id, upgrade_order(work, meter_id, wanted))


def change_keys(work: UnitOfWork, secrets: SecretBox, meter_id: int, wanted: KeyOrder) -> Command:
    """Ask for new keys of a meter: they are sealed now, transferred wrapped, and current once the meter has them.

    Raises:
        Denied: without ``headend.command`` and ``headend.keys``. NotFound: no such meter in the scope.
        Invalid: it cannot be called, its keys or its master key are not stored, or a given key does not fit.
        Conflict: another key change has not ended, or the idempotency key was used for another command.
    """
    work.scope.require(COMMAND)
    work.scope.require(KEYS)
    site_id = estate.meter(work, meter_id).site_id
    known = store.keyed(work, site_id, meter_id, wanted.idempotency_key) if wanted.idempotency_key else None
    if known is not None:
        if known.kind is not OperationKind.CHANGE_KEYS:
            raise Conflict(f"the key {wanted.idempotency_key!r} was used for another command", code="idempotency_key")
        return known
    return request_command(work, meter_id, order_of(wanted, keep_new_keys(work, secrets, meter_id, wanted)))
