"""Script tables (class 9): prepared actions on the meter's own objects, run by command, schedule or limiter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from demeter.protocols.dlms.axdr import encode
from demeter.protocols.dlms.classes import Attribute, CosemObject, Method, ScriptTable
from demeter.protocols.dlms.classes.timing import Script, ScriptAction, ScriptService
from demeter.protocols.dlms.data import Data, i8
from demeter.protocols.dlms.obis import Obis
from demeter.simulator.model.objects import TypedObject, refused

Invoke = Callable[[int, Obis, int, bytes], None]
Write = Callable[[int, Obis, int, Data], None]


def running(kind: type[CosemObject], obis: Obis, method: Method[Any], parameter: Data | None = None) -> ScriptAction:
    """Return the action that invokes a method of an object."""
    value = i8(0) if parameter is None else parameter
    return ScriptAction(ScriptService.EXECUTE_METHOD, kind.interface.class_id, obis, method.number, value)


def writing(kind: type[CosemObject], obis: Obis, attribute: Attribute[Any], value: Any) -> ScriptAction:
    """Return the action that writes an attribute of an object."""
    number = attribute.number
    return ScriptAction(ScriptService.WRITE_ATTRIBUTE, kind.interface.class_id, obis, number, attribute.encode(value))


def script_table(
    obis: Obis, scripts: Mapping[int, Sequence[ScriptAction]], invoke: Invoke, write: Write
) -> TypedObject:
    """Return a table of scripts by their number; ``invoke`` and ``write`` reach the meter's own objects."""
    table = tuple(Script(number, tuple(actions)) for number, actions in scripts.items())

    def execute(number: int) -> None:
        if number not in scripts:
            raise refused(f"{obis} has no script {number}")
        for action in scripts[number]:
            if action.service == ScriptService.WRITE_ATTRIBUTE:
                write(action.class_id, action.logical_name, action.index, action.parameter)
            else:
                invoke(action.class_id, action.logical_name, action.index, encode(action.parameter))

    return TypedObject(ScriptTable, obis, {ScriptTable.scripts: lambda: table}, methods={ScriptTable.execute: execute})
