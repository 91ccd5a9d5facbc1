"""The client: one association with one meter, and every service on it."""

from __future__ import annotations

from collections.abc import Sequence

from demeter.protocols.dlms import acse
from demeter.protocols.dlms.apdu import AttributeRef, MethodRef, Notification, Selection
from demeter.protocols.dlms.client.acting import invoke_many, invoke_one, value_of
from demeter.protocols.dlms.client.association import associate, release
from demeter.protocols.dlms.client.line import Line, refusal
from demeter.protocols.dlms.client.mixing import Access, access
from demeter.protocols.dlms.client.reading import read_many, read_one
from demeter.protocols.dlms.client.settings import ClientSettings, Exchange
from demeter.protocols.dlms.client.writing import write_many, write_one
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DataAccessResult, Refused
from demeter.protocols.dlms.obis import Obis


class Client:
    """One association with one meter. Exchanges are used one after the other, never two at a time."""

    __slots__ = ("_line",)

    def __init__(self, settings: ClientSettings) -> None:
        self._line = Line(settings)

    @property
    def invocation_counter(self) -> int:
        """The counter the next protected APDU will use; keep it for the next association."""
        return self._line.counters.sent + 1

    @property
    def server_counter(self) -> int:
        """The highest counter seen from the meter (-1: none)."""
        return self._line.counters.received

    @property
    def server_title(self) -> bytes | None:
        """The meter's system title, once it has told it in a protected association."""
        return None if self._line.channel is None else self._line.channel.peer

    @property
    def negotiated(self) -> acse.InitiateResponse | None:
        """What the meter agreed to."""
        return self._line.server

    def take_notifications(self) -> list[Notification]:
        """Take what the meter sent unasked while answers were awaited (the last 64), oldest first."""
        taken = list(self._line.notifications)
        self._line.notifications.clear()
        return taken

    def associate(self) -> Exchange[None]:
        """Open the association, with all passes of the mechanism.

        Raises:
            AssociationRejected: the meter says no (password, context, mechanism), or does not answer the challenge.
            TagCheckFailed: the meter has other keys; ``Replayed``: it has seen our counter, or we its.
        """
        return associate(self._line)

    def release(self) -> Exchange[None]:
        """Release the association; the connection may be closed afterwards.

        Raises:
            ServiceError, Malformed: the meter answered something else; the association is over all the same.
        """
        return release(self._line)

    def get(self, class_id: int, obis: Obis, attribute: int, selection: Selection = None) -> Exchange[bytes]:
        """Read one attribute; returns its A-XDR octets, put together from blocks and deciphered.

        ``selection`` is a ``RangeSelection`` or ``EntrySelection`` (see :mod:`demeter.protocols.dlms.profile`), or the
        access selector octet and its A-XDR parameters.

        Raises:
            Refused: with the meter's data-access-result.
        """
        reference = AttributeRef.of(class_id, obis, attribute, selection)
        result = yield from read_one(self._line, reference)
        if isinstance(result, DataAccessResult):
            raise refusal(result, reference)
        return result

    def get_many(self, attributes: Sequence[AttributeRef]) -> Exchange[list[bytes | Refused]]:
        """Read several attributes with as few requests as the meter's APDU size allows.

        A meter that did not agree to multiple references is asked one by one. Refusals stand in the list.
        """
        return read_many(self._line, attributes)

    def set(
        self, class_id: int, obis: Obis, attribute: int, value: bytes, selection: Selection = None
    ) -> Exchange[None]:
        """Write one attribute, in blocks where it is long; ``value`` is A-XDR.

        Raises:
            Refused: with the meter's data-access-result.
            Unsupported: longer than the meter's APDU size, and it agreed to no block transfer.
        """
        reference = AttributeRef.of(class_id, obis, attribute, selection)
        result = yield from write_one(self._line, reference, value)
        if result is not DataAccessResult.SUCCESS:
            raise refusal(result, reference)

    def set_many(self, writes: Sequence[tuple[AttributeRef, bytes]]) -> Exchange[list[Refused | None]]:
        """Write several attributes, in order, with as few requests as possible; refusals stand in the list.

        Raises:
            Unsupported: as :meth:`set`.
        """
        return write_many(self._line, writes)

    def action(self, class_id: int, obis: Obis, method: int, parameter: bytes | None = None) -> Exchange[bytes | None]:
        """Invoke one method, in blocks where its parameter is long; it and the value returned are A-XDR.

        Raises:
            Refused: with the meter's action-result (its numbers are those of data-access-result).
            Unsupported: longer than the meter's APDU size, and it agreed to no block transfer.
        """
        target = MethodRef(class_id, obis, method)
        value = value_of((yield from invoke_one(self._line, target, parameter)), target)
        if isinstance(value, Refused):
            raise value
        return value

    def action_many(self, calls: Sequence[tuple[MethodRef, bytes | None]]) -> Exchange[list[bytes | Refused | None]]:
        """Invoke several methods, in order, with as few requests as possible; refusals stand in the list.

        Raises:
            Unsupported: as :meth:`action`.
        """
        return invoke_many(self._line, calls)

    def access(
        self, parts: Sequence[Access], *, break_on_error: bool = False, at: CosemDateTime | None = None
    ) -> Exchange[list[bytes | Refused | None]]:
        """Read, write and invoke in one ACCESS request, in order.

        Returns for each part the A-XDR octets read or returned, None, or the refusal. With ``break_on_error`` what
        follows the first refusal is not carried out (and refused); ``at`` is our time, where the meter wants it.

        Raises:
            Unsupported: the meter did not agree to ACCESS, or the request is longer than it receives.
        """
        octets = b"" if at is None else at.to_bytes()
        return access(self._line, parts, octets, break_on_error=break_on_error)
