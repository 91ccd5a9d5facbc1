"""The address the web pages and the API answer at."""

from __future__ import annotations

import errno
import socket

from demeter.kernel import Conflict, Invalid

LAST_PORT = 65_535


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        Conflict: another program has it.
        Invalid: it is no address of this machine, or this user may not take it.
    """
    if not 1 <= port <= LAST_PORT:  # the resolver takes any number and keeps its last 16 bits
        raise Invalid(f"there is no port {port}", code="bad_address", hint=f"Set http_port to 1024 to {LAST_PORT}.")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
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
