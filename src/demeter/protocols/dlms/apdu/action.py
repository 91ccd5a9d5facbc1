"""ACTION with logical names (IEC 62056-5-3, Green Book 9.4, 9.5): all forms, blocks both ways.

What the blocks carry together: in a request the A-XDR parameter of one method or the sequence of parameters of a list,
in a response one :class:`ActionReply` or the sequence of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.apdu.fields import (
    MAX_REFERENCES,
    ActionResult,
    DataBlock,
    MethodRef,
    Outcome,
    action_result,
    decode_values,
    encode_list,
    end_of_value,
    finish,
    number32,
    outcome,
    present,
    read_block,
    read_list,
    read_method,
    read_outcome,
    u32,
)
from demeter.protocols.dlms.errors import Malformed

ACTION_REQUEST: Final = 0xC3
ACTION_RESPONSE: Final = 0xC7


@dataclass(frozen=True, slots=True)
class ActionReply:
    """Action-Response-With-Optional-Data: what became of one method and what it returned, if anything."""

    result: ActionResult
    value: Outcome | None = None

    def encode(self) -> bytes:
        """Encode as A-XDR."""
        return bytes((self.result,)) + (b"\x00" if self.value is None else b"\x01" + outcome(self.value))


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """Action-Request-Normal; ``parameter`` is A-XDR."""

    invoke: int
    method: MethodRef
    parameter: bytes | None = None

    def encode(self) -> bytes:
        """Encode the APDU."""
        tail = b"\x00" if self.parameter is None else b"\x01" + self.parameter
        return bytes((ACTION_REQUEST, 1, self.invoke)) + self.method.encode() + tail


@dataclass(frozen=True, slots=True)
class ActionNext:
    """Action-Request-Next-Pblock: asks for the block of the response after ``block``."""

    invoke: int
    block: int

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((ACTION_REQUEST, 2, self.invoke)) + u32(self.block)


@dataclass(frozen=True, slots=True)
class ActionListRequest:
    """Action-Request-With-List; one A-XDR parameter for each method (null-data where it takes none)."""

    invoke: int
    methods: tuple[MethodRef, ...]
    parameters: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Encode the APDU."""
        head = bytes((ACTION_REQUEST, 3, self.invoke))
        return head + encode_list([method.encode() for method in self.methods]) + encode_list(self.parameters)


@dataclass(frozen=True, slots=True)
class ActionFirstBlock:
    """Action-Request-With-First-Pblock."""

    invoke: int
    method: MethodRef
    block: DataBlock

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((ACTION_REQUEST, 4, self.invoke)) + self.method.encode() + self.block.encode()


@dataclass(frozen=True, slots=True)
class ActionListFirstBlock:
    """Action-Request-With-List-And-First-Pblock."""

    invoke: int
    methods: tuple[MethodRef, ...]
    block: DataBlock

    def encode(self) -> bytes:
        """Encode the APDU."""
        head = bytes((ACTION_REQUEST, 5, self.invoke))
        return head + encode_list([method.encode() for method in self.methods]) + self.block.encode()


@dataclass(frozen=True, slots=True)
class ActionBlock:
    """Action-Request-With-Pblock: the second and further blocks, of one method or of a list."""

    invoke: int
    block: DataBlock

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((ACTION_REQUEST, 6, self.invoke)) + self.block.encode()


@dataclass(frozen=True, slots=True)
class ActionResponse:
    """Action-Response-Normal; ``value`` is what the method returned, if it returns anything."""

    invoke: int
    result: ActionResult
    value: Outcome | None = None

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((ACTION_RESPONSE, 1, self.invoke)) + ActionReply(self.result, self.value).encode()


@dataclass(frozen=True, slots=True)
class ActionResponseBlock:
    """Action-Response-With-Pblock: a piece of the response."""

    invoke: int
    block: DataBlock

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((ACTION_RESPONSE, 2, self.invoke)) + self.block.encode()


@dataclass(frozen=True, slots=True)
class ActionListResponse:
    """Action-Response-With-List."""

    invoke: int
    replies: tuple[ActionReply, ...]

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((ACTION_RESPONSE, 3, self.invoke)) + encode_replies(self.replies)


@dataclass(frozen=True, slots=True)
class ActionBlockResponse:
    """Action-Response-Next-Pblock: block ``number`` of the request has come, the next is due."""

    invoke: int
    number: int

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((ACTION_RESPONSE, 4, self.invoke)) + u32(self.number)


def encode_replies(replies: Sequence[ActionReply]) -> bytes:
    """Encode a list of replies, as a with-list response or its blocks carry it."""
    return encode_list([reply.encode() for reply in replies])


def decode_reply(buffer: bytes) -> ActionReply:
    """Decode the one reply ``buffer`` consists of.

    Raises:
        Truncated, Malformed, Unsupported: with the offset.
    """
    reply, end = _read_reply(buffer, 0)
    finish(buffer, end)
    return reply


def decode_replies(buffer: bytes, offset: int = 0) -> tuple[ActionReply, ...]:
    """Decode a list of replies that ends with ``buffer``; raises as :func:`decode_reply`."""
    replies, end = read_list(buffer, offset, _read_reply, least=2)
    finish(buffer, end)
    return replies


def _read_reply(apdu: bytes, offset: int) -> tuple[ActionReply, int]:
    result = action_result(apdu, offset)
    if not present(apdu, offset + 1):
        return ActionReply(result), offset + 2
    value, end = read_outcome(apdu, offset + 2)
    return ActionReply(result, value), end


def read_request(apdu: bytes) -> ActionRequest:
    """Read Action-Request-Normal."""
    method, at = read_method(apdu, 3)
    if not present(apdu, at):
        finish(apdu, at + 1)
        return ActionRequest(apdu[2], method)
    finish(apdu, end_of_value(apdu, at + 1))
    return ActionRequest(apdu[2], method, apdu[at + 1 :])


def read_next(apdu: bytes) -> ActionNext:
    """Read Action-Request-Next-Pblock."""
    number = number32(apdu, 3)
    finish(apdu, 7)
    return ActionNext(apdu[2], number)


def read_list_request(apdu: bytes) -> ActionListRequest:
    """Read Action-Request-With-List.

    Raises:
        Malformed: there are more or fewer parameters than methods.
    """
    methods, at = read_list(apdu, 3, read_method, least=9, most=MAX_REFERENCES)
    parameters = decode_values(apdu, at)
    if len(parameters) != len(methods):
        raise Malformed(f"{len(parameters)} parameters for {len(methods)} methods", offset=at)
    return ActionListRequest(apdu[2], methods, parameters)


def read_first_block(apdu: bytes) -> ActionFirstBlock:
    """Read Action-Request-With-First-Pblock."""
    method, at = read_method(apdu, 3)
    return ActionFirstBlock(apdu[2], method, read_block(apdu, at))


def read_list_first_block(apdu: bytes) -> ActionListFirstBlock:
    """Read Action-Request-With-List-And-First-Pblock."""
    methods, at = read_list(apdu, 3, read_method, least=9, most=MAX_REFERENCES)
    return ActionListFirstBlock(apdu[2], methods, read_block(apdu, at))


def read_next_block(apdu: bytes) -> ActionBlock:
    """Read Action-Request-With-Pblock."""
    return ActionBlock(apdu[2], read_block(apdu, 3))


def read_response(apdu: bytes) -> ActionResponse:
    """Read Action-Response-Normal."""
    reply, end = _read_reply(apdu, 3)
    finish(apdu, end)
    return ActionResponse(apdu[2], reply.result, reply.value)


def read_response_block(apdu: bytes) -> ActionResponseBlock:
    """Read Action-Response-With-Pblock."""
    return ActionResponseBlock(apdu[2], read_block(apdu, 3))


def read_list_response(apdu: bytes) -> ActionListResponse:
    """Read Action-Response-With-List."""
    return ActionListResponse(apdu[2], decode_replies(apdu, 3))


def read_block_response(apdu: bytes) -> ActionBlockResponse:
    """Read Action-Response-Next-Pblock."""
    number = number32(apdu, 3)
    finish(apdu, 7)
    return ActionBlockResponse(apdu[2], number)
