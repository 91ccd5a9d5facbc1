"""Values as people type them: ``type:value``, JSON, or as the class writes them."""

from __future__ import annotations

import json
from typing import Any, Final

from demeter.drivers.dlms.cli.objects import Wanted
from demeter.kernel import Invalid
from demeter.protocols.dlms.classes import class_of, data_from_json, known_classes
from demeter.protocols.dlms.classes.data_json import TAGS_BY_NAME
from demeter.protocols.dlms.classes.shapes import Shape
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import DlmsError

_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}
_HINT: Final = "Write type:value (unsigned:7, octet-string:0a0b, visible-string:text, boolean:true), or JSON."


def typed(text: str) -> Data | None:
    """Return the value of ``type:value``, or of its JSON; None where the text is neither.

    Raises:
        Invalid: a type that cannot hold the value.
    """
    name, colon, value = text.partition(":")
    tag = TAGS_BY_NAME.get(name)
    shown: Any = None
    if tag is not None and (colon or tag in (Tag.NULL, Tag.DONT_CARE)):
        if tag is Tag.BOOLEAN and value.lower() not in _BOOLEANS:
            raise Invalid(f"{value!r} is neither true nor false", hint=_HINT)
        plain = _BOOLEANS[value.lower()] if tag is Tag.BOOLEAN else value
        shown = {"type": name, "value": plain}
    elif text.lstrip().startswith("{"):
        shown = _json(text)
        if not (isinstance(shown, dict) and "type" in shown):
            return None
    if shown is None:
        return None
    try:
        return data_from_json(shown)
    except DlmsError as error:
        raise Invalid(error.message, hint=_HINT) from error


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def data_of(place: Wanted, text: str) -> Data:
    """Return a value for an attribute.

    Raises:
        Invalid: it is neither typed nor what the class has there.
    """
    found = typed(text)
    return found if found is not None else _shaped(_attribute_shape(place), text)


def parameter_of(place: Wanted, text: str | None) -> Data | None:
    """Return the parameter of a method; none given: integer 0, which most take."""
    if text is None:
        return Data(Tag.INT8, 0)
    found = typed(text)
    if found is not None:
        return None if found.tag is Tag.NULL else found
    return _shaped(_method_shape(place), text)


def _shaped(shape: Shape[Any] | None, text: str) -> Data:
    if shape is None:
        raise Invalid(f"what type has {text!r}?", hint=_HINT)
    errors = []
    for shown in (_json(text), text):
        try:
            return shape.encode(shape.from_json(shown))
        except DlmsError as error:
            errors.append(error.message)
    raise Invalid(errors[0], hint=f"It is a {shape.label}. {_HINT}")


def _versions(class_id: int) -> list[int]:
    return sorted((version for known, version in known_classes() if known == class_id), reverse=True)


def _attribute_shape(place: Wanted) -> Shape[Any] | None:
    for version in _versions(place.class_id or 0):
        kind = class_of(place.class_id or 0, version)
        found = kind.interface.attributes.get(place.member or 0) if kind else None
        if found is not None:
            return None if found.shape.label == "CHOICE" else found.shape
    return None


def _method_shape(place: Wanted) -> Shape[Any] | None:
    for version in _versions(place.class_id or 0):
        kind = class_of(place.class_id or 0, version)
        found = kind.interface.methods.get(place.member or 0) if kind else None
        if found is not None:
            return None if found.shape.label == "CHOICE" else found.shape
    return None
