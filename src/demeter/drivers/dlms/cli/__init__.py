"""Read, write and understand DLMS/COSEM meters: read, set, action, translate, push.

The tools need no installation, database or data directory.
"""

from __future__ import annotations

import typer

from demeter.drivers.dlms.cli.commands import action, read, write
from demeter.drivers.dlms.cli.pushing import push
from demeter.drivers.dlms.cli.translating import translate

app = typer.Typer(
    help="Tools for DLMS/COSEM meters. They need no installation, database or data directory.\n\n"
    "demeter dlms read 192.0.2.7:4059 --key-file meter.toml 1.0.1.8.0.255",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(read)
app.command("set")(write)
app.command()(action)
app.command()(translate)
app.command()(push)

__all__ = ["app"]
