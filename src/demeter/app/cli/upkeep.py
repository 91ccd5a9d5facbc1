"""Commands that keep meters up: new keys and new firmware."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from demeter import headend
from demeter.app.cli import output
from demeter.app.cli.data import OrganizationOption, meter_app, owners_scope
from demeter.app.cli.discover import keys_of
from demeter.app.cli.meter import (
    ExpiresOption,
    KeyOption,
    Manner,
    MeterArgument,
    ReasonOption,
    WaitFlag,
    YesFlag,
    duration,
    follow,
    meter_named,
)
from demeter.app.wiring import opened
from demeter.headend import KeyOrder
from demeter.sdk import ROTATED

GIVEN_HELP = "A TOML file with the new encryption_key, authentication_key, master_key; what is left out is made."


@meter_app.command("change-keys")
@output.command
def change_keys(
    context: typer.Context,
    meter: MeterArgument,
    key_file: Annotated[Path | None, typer.Option("--key-file", help=GIVEN_HELP)] = None,
    with_master: Annotated[bool, typer.Option("--with-master", help="Make a new master key too.")] = False,
    reason: ReasonOption = "",
    expires: ExpiresOption = "",
    key: KeyOption = "",
    wait: WaitFlag = False,
    yes: YesFlag = False,
    organization: OrganizationOption = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Give a meter new keys: sealed here first, transferred wrapped, in force once the meter answers under them."""
    manner = Manner(reason, expires, None, key, False, wait, yes, False, organization, as_json)
    given = keys_of(key_file)[0] if key_file else {}
    wanted = KeyOrder(
        {name: value for name, value in given.items() if name in ROTATED},
        with_master,
        reason,
        key,
        duration(expires) if expires else None,
    )
    with opened(context.obj) as wiring:
        scope = owners_scope(wiring, organization)
        with wiring.database.unit_of_work(scope) as work:
            known = meter_named(work, meter)
        if not yes:
            typer.confirm(
                f"Give meter {known.serial} new keys? Everything else that calls it needs them.", abort=True, err=True
            )
        with wiring.database.unit_of_work(scope) as work:
            asked = headend.change_keys(work, wiring.secrets, known.id, wanted)
        follow(wiring, scope, asked, known.serial, manner)
