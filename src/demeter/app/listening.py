"""The address the web pages and the API answer at."""

from __future__ import annotations

import errno
import socket

from demeter.kernel import Conflict, Invalid


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        Conflict: another program has it.
        Invalid: it is no address of this machine, or this user may not take it.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family)
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"port {port} of {host} is taken by another program",
                code="address_taken",
                hint="Stop that program, or choose another port with --port.",
            ) from error
        raise Invalid(
            f"cannot listen at {host}:{port}: {error}",
            code="bad_address",
            hint="Set http_host to an address of this machine and http_port to a free port from 1024 to 65535.",
        ) from error
