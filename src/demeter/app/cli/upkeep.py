"""Commands that keep meters up: new keys and new firmware."""

from __future__ import annotations

import time
from datetime import datetime
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
from demeter.app.wiring import Wiring, opened
from demeter.headend import Command, KeyOrder, UpgradeOrder
from demeter.kernel import Invalid
from demeter.runtime.database import Scope
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


NOW = "now"
ActivateOption = Annotated[
    str, typer.Option("--activate", help="now (as soon as it is verified), or when: 2026-12-01T02:00+05:30.")
]
VersionOption = Annotated[
    str,
    typer.Option("--version", help="What the meter shows afterwards; left out: the file's name without its ending."),
]
IdentifierOption = Annotated[
    str, typer.Option("--identifier", help="What the image is called in the transfer; left out: the version.")
]


@meter_app.command("upgrade")
@output.command
def upgrade(
    context: typer.Context,
    meter: MeterArgument,
    image: Annotated[Path, typer.Option("--image", help="The firmware image, at most 16 MiB.")],
    version: VersionOption = "",
    identifier: IdentifierOption = "",
    activate: ActivateOption = NOW,
    reason: ReasonOption = "",
    expires: ExpiresOption = "",
    key: KeyOption = "",
    wait: WaitFlag = False,
    yes: YesFlag = False,
    organization: OrganizationOption = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Bring a meter new firmware: sent in shares between its reads, verified, activated, confirmed by its version."""
    manner = Manner(reason, expires, None, key, False, wait, yes, False, organization, as_json)
    content, shown = image.read_bytes(), version or image.stem
    at = _instant(activate)
    with opened(context.obj) as wiring:
        scope = owners_scope(wiring, organization)
        with wiring.database.unit_of_work(scope) as work:
            known = meter_named(work, meter)
        if not yes:
            when = "as soon as it is verified" if at is None else f"at {at.isoformat()}"
            question = f"Give meter {known.serial} the firmware {shown}, active {when}? A wrong image may disable it."
            typer.confirm(question, abort=True, err=True)
        with wiring.database.unit_of_work(scope) as work:
            kept = headend.keep_firmware(work, content, shown, identifier)
            life = duration(expires) if expires else None
            wanted = UpgradeOrder(kept.sha256, at, reason, key, life)
            asked = headend.upgrade_firmware(work, known.id, wanted)
        if wait:
            _watch(wiring, scope, asked)
        follow(wiring, scope, asked, known.serial, manner)


def _instant(text: str) -> datetime | None:
    if text == NOW:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"{text!r} is no time", hint="Write now, or 2026-12-01T02:00+05:30.") from error
    if at.tzinfo is None:
        raise Invalid(f"{text!r} needs its offset from UTC", hint="For example 2026-12-01T02:00+05:30.")
    return at


LOOK_EVERY_S = 2.0


def _watch(wiring: Wiring, scope: Scope, asked: Command) -> None:
    """Say how far a command is, until it has ended or can only be waited for."""
    said: object = None
    while True:
        with wiring.database.unit_of_work(scope) as work:
            found = headend.command(work, asked.id)
            now = work.now()
        if found.standing(now).final or now >= found.expires_at:
            return
        if found.progress is not None and found.progress != said:
            said = found.progress
            output.say(f"{said['doing']}: {said['done']} of {said['of']}")
        time.sleep(LOOK_EVERY_S)
