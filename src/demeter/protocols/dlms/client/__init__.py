"""The client side of an association, sans-I/O: every exchange is a generator of APDUs.

An exchange yields an APDU to send, is sent the APDU that came back, and returns its result::

    exchange = client.get(7, Obis.parse("1.0.99.1.0.255"), 2, selection)
    apdu = next(exchange)
    while True:
        try:
            apdu = exchange.send(ask(apdu))
        except StopIteration as done:
            return done.value

Two things more may happen. An empty APDU (:data:`WAIT`) is yielded when nothing is to be sent and the next APDU is
awaited: after a notification the meter sent unasked, and within a window of general blocks. A :class:`Quiet` APDU is
sent without waiting for an answer, :data:`WAIT` is sent into the exchange at once; this happens only with a window of
more than one block. When nothing comes in time, :data:`WAIT` may be sent into the exchange too: a block transfer then
repeats its turn, anything else fails as ``Truncated``.

Errors are those of :mod:`demeter.protocols.dlms.errors`. After :class:`Refused` or :class:`ServiceError` the
association goes on; an exchange left in the middle leaves nothing behind here, but its late answer must not be fed to
the next.
"""

from demeter.protocols.dlms.association import PROPOSED, ClientSettings, Exchange
from demeter.protocols.dlms.client.carrier import MAX_VALUE, WAIT, Quiet
from demeter.protocols.dlms.client.facade import Client
from demeter.protocols.dlms.client.mixing import Access
from demeter.protocols.dlms.security import CipherMode

__all__ = [
    "MAX_VALUE",
    "PROPOSED",
    "WAIT",
    "Access",
    "CipherMode",
    "Client",
    "ClientSettings",
    "Exchange",
    "Quiet",
]
