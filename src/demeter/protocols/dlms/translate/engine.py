"""Reading and writing by one description: each :class:`Kind` knows both ways.

Reading fills the tree as it goes, so that what was understood before an error stays. Errors are those of
:mod:`demeter.protocols.dlms.errors`, their offset counted in the whole input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from demeter.protocols.dlms.axdr import encode_length
from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.translate.context import Context
from demeter.protocols.dlms.translate.node import Node

MAX_NESTING: Final = 8
"""APDUs inside APDUs: signed, ciphered, in blocks."""

LENGTH_OCTETS: Final = "lengthOctets"
"""Hint: octets of a length written longer than need be."""


class Walk:
    """A place to read from: ``octets`` up to ``end``; ``base`` is where their first one stands in the whole input."""

    __slots__ = ("base", "context", "depth", "end", "octets")

    def __init__(self, octets: bytes, context: Context, base: int = 0, end: int | None = None, depth: int = 0) -> None:
        self.octets = octets
        self.context = context
        self.base = base
        self.end = len(octets) if end is None else end
        self.depth = depth

    def until(self, end: int) -> Walk:
        """The same octets, ending earlier."""
        return Walk(self.octets, self.context, self.base, end, self.depth)

    def inside(self, octets: bytes, at: int) -> Walk:
        """Other octets that stand for those at ``at``: deciphered, or put together."""
        return Walk(octets, self.context, self.base + at, None, self.depth)

    def nested(self, at: int) -> Walk:
        """One APDU deeper.

        Raises:
            Malformed: too deep.
        """
        if self.depth >= MAX_NESTING:
            raise Malformed(f"more than {MAX_NESTING} APDUs inside each other", offset=self.base + at)
        return Walk(self.octets, self.context, self.base, self.end, self.depth + 1)

    def take(self, at: int, size: int) -> bytes:
        """Return ``size`` octets.

        Raises:
            Truncated: there are fewer.
        """
        if at + size > self.end:
            left = max(self.end - at, 0)
            needed = "1 octet is" if size == 1 else f"{size} octets are"
            raise Truncated(f"{needed} needed, {left or 'none'} left", offset=self.base + at)
        return self.octets[at : at + size]

    def number(self, at: int, size: int = 1, *, signed: bool = False) -> int:
        """Return ``size`` octets as a number."""
        return int.from_bytes(self.take(at, size), "big", signed=signed)

    def length(self, at: int, node: Node) -> tuple[int, int]:
        """Read a length and return it and the place behind it; a form longer than need be is noted at ``node``."""
        size, start = self.number(at), at + 1
        if size >= 0x80:
            count = size & 0x7F
            if not 1 <= count <= 4:
                raise self.fail(Malformed, f"a length of {count} octets", at)
            size, start = self.number(start, count), start + count
        if start - at != len(encode_length(size)):
            node.hints[LENGTH_OCTETS] = start - at
        return size, start

    def fail(self, kind: type[DlmsError], message: str, at: int) -> DlmsError:
        """Return the error to raise."""
        return kind(message, offset=self.base + at)

    def finish(self, at: int, what: str) -> None:
        """Refuse octets behind ``what``."""
        if at != self.end:
            raise self.fail(Malformed, f"{self.end - at} octets follow {what}", at)

    def read(self, parent: Node, name: str, kind: Kind, at: int, skip: int = 0) -> int:
        """Read a part of ``parent`` and return the place behind it; what was read before an error stays.

        ``skip``: octets of its tag, which belong to it and were looked at already.
        """
        node = parent.add(Node(name, self.base + at))
        try:
            end = kind.read(self, at + skip, node)
        except DlmsError as error:
            node.broken = True
            reached = self.base + at if error.offset is None else error.offset
            node.length = max(0, min(reached, self.base + self.end) - node.offset)
            raise
        node.length = end - at
        return end


@dataclass(slots=True)
class Out:
    """Where octets are written to."""

    context: Context
    octets: bytearray = field(default_factory=bytearray)

    def length(self, size: int, node: Node) -> None:
        """Write a length, in the form noted at ``node``."""
        wanted = node.hints.get(LENGTH_OCTETS, 0)
        if not wanted:
            self.octets += encode_length(size)
            return
        if not 2 <= wanted <= 5 or size >= 1 << 8 * (wanted - 1):
            raise Malformed(f"{node.name}: a length of {size} has no form of {wanted} octets")
        self.octets += bytes((0x80 | (wanted - 1),)) + size.to_bytes(wanted - 1, "big")

    def apart(self) -> Out:
        """Another place, for what is needed whole before it is written."""
        return Out(self.context)

    def number(self, node: Node, size: int, *, signed: bool = False) -> None:
        """Write the number a node holds."""
        value = as_int(node)
        try:
            self.octets += value.to_bytes(size, "big", signed=signed)
        except OverflowError:
            raise Malformed(f"{node.name}: {value} does not fit {size} octets") from None


def as_int(node: Node) -> int:
    """Return the whole number a node holds.

    Raises:
        Malformed: it holds something else.
    """
    value = node.value
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            pass
    elif isinstance(value, int):
        return int(value)
    raise Malformed(f"{node.name}: {value!r:.40} is no whole number")


def as_octets(node: Node) -> bytes:
    """Return the octets a node holds.

    Raises:
        Malformed: it holds something else.
    """
    value = node.value
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        try:
            return bytes.fromhex(value)
        except ValueError:
            pass
    raise Malformed(f"{node.name}: {value!r:.40} is no hexadecimal text")


class Kind(Protocol):
    """One type of the grammar."""

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read into ``node`` what stands at ``at``; return the place behind it."""
        ...

    def write(self, out: Out, node: Node) -> None:
        """Write what ``node`` holds."""
        ...


Words = Callable[[int], str]
OctetWords = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Number:
    """A number of fixed size. ``words`` tell its meaning; with ``only``, other numbers than those are refused."""

    size: int = 1
    words: Words | None = None
    signed: bool = False
    only: Mapping[int, str] | None = None

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read the number."""
        value = walk.number(at, self.size, signed=self.signed)
        if self.only is not None and value not in self.only:
            raise walk.fail(Malformed, f"{node.name} {value} is not defined", at)
        node.value = value
        if self.only is not None:
            node.meaning = self.only[value]
        elif self.words is not None:
            node.meaning = self.words(value)
        return at + self.size

    def write(self, out: Out, node: Node) -> None:
        """Write the number."""
        out.number(node, self.size, signed=self.signed)


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean of one octet: zero is false. Other numbers than 0 and 1 stay numbers, so that nothing is lost."""

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read it."""
        value = walk.number(at)
        node.value = bool(value) if value < 2 else value
        node.meaning = "" if value < 2 else "true"
        return at + 1

    def write(self, out: Out, node: Node) -> None:
        """Write it."""
        words = {"true": 1, "false": 0}
        value = node.value
        if isinstance(value, str) and value.lower() in words:
            out.octets.append(words[value.lower()])
            return
        out.number(node, 1)


@dataclass(frozen=True, slots=True)
class Octets:
    """An octet-string: its length, then its octets; ``sizes`` are the ones allowed."""

    words: OctetWords | None = None
    sizes: tuple[int, ...] = ()

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read them."""
        size, start = walk.length(at, node)
        if self.sizes and size not in self.sizes:
            raise walk.fail(Malformed, f"{node.name} has {' or '.join(map(str, self.sizes))} octets, not {size}", at)
        node.value = walk.take(start, size)
        node.meaning = self.words(node.value) if self.words else ""
        return start + size

    def write(self, out: Out, node: Node) -> None:
        """Write them."""
        octets = as_octets(node)
        out.length(len(octets), node)
        out.octets += octets


@dataclass(frozen=True, slots=True)
class Fixed:
    """Octets without a length; ``size`` None: all that are left."""

    size: int | None = None
    words: OctetWords | None = None

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read them."""
        size = walk.end - at if self.size is None else self.size
        node.value = walk.take(at, size)
        node.meaning = self.words(node.value) if self.words else ""
        return at + size

    def write(self, out: Out, node: Node) -> None:
        """Write them."""
        octets = as_octets(node)
        if self.size is not None and len(octets) != self.size:
            raise Malformed(f"{node.name} has {self.size} octets, not {len(octets)}")
        out.octets += octets


@dataclass(frozen=True, slots=True)
class LogicalName:
    """The six octets of a logical name, shown as an OBIS code."""

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read it."""
        obis = Obis.from_bytes(walk.take(at, 6))
        node.value = str(obis)
        node.meaning = walk.context.name_of(obis)
        return at + 6

    def write(self, out: Out, node: Node) -> None:
        """Write it."""
        if not isinstance(node.value, str):
            raise Malformed(f"{node.name}: {node.value!r:.40} is no OBIS code")
        out.octets += Obis.parse(node.value).to_bytes()


@dataclass(frozen=True, slots=True)
class Part:
    """A named part of a sequence. ``optional``: a presence flag stands before it."""

    name: str
    kind: Kind
    optional: bool = False


Explain = Callable[[Node, Walk], None]
Learn = Callable[[Node, Context], None]


class Sequence:
    """Parts one after the other.

    ``explain`` may add meanings and derived parts once all are read; ``learn`` takes from them, read or written, what
    is needed for those that follow.
    """

    def __init__(self, *parts: Part, explain: Explain | None = None, learn: Learn | None = None) -> None:
        self._parts = parts
        self._names = frozenset(part.name for part in parts)
        self._explain = explain
        self._learn = learn

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read all parts."""
        node.items = []
        for part in self._parts:
            if part.optional:
                present = walk.number(at)
                if present > 1:
                    raise walk.fail(Malformed, f"presence flag {present} of {part.name}", at)
                at += 1
                if not present:
                    continue
            at = walk.read(node, part.name, part.kind, at)
        if self._explain is not None:
            self._explain(node, walk)
        if self._learn is not None:
            self._learn(node, walk.context)
        return at

    def write(self, out: Out, node: Node) -> None:
        """Write all parts."""
        given = {item.name: item for item in node.parts}
        for item in node.parts:
            if item.name not in self._names:
                raise Malformed(f"{node.name} has no part {item.name}")
        if len(given) != len(node.parts):
            raise Malformed(f"{node.name} has a part twice")
        for part in self._parts:
            found = given.get(part.name)
            if part.optional:
                out.octets.append(found is not None)
            elif found is None:
                raise Malformed(f"{node.name} lacks {part.name}")
            if found is not None:
                part.kind.write(out, found)
        if self._learn is not None:
            self._learn(node, out.context)


class ListOf:
    """A number of elements, then they, each called ``name``; there are at most ``most``."""

    def __init__(self, name: str, kind: Kind, most: int | None = None) -> None:
        self._name = name
        self._kind = kind
        self._most = most

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read the elements."""
        node.items = []
        count, start = walk.length(at, node)
        if self._most is not None and count > self._most:
            raise walk.fail(Malformed, f"{count} elements in one list", at)
        if count > walk.end - start:
            raise walk.fail(Truncated, f"{count} elements cannot follow", start)
        for _ in range(count):
            start = walk.read(node, self._name, self._kind, start)
        return start

    def write(self, out: Out, node: Node) -> None:
        """Write the elements."""
        out.length(len(node.parts), node)
        for item in node.parts:
            if item.name != self._name:
                raise Malformed(f"{node.name} is made of {self._name}, not {item.name}")
            self._kind.write(out, item)


class Choice:
    """One of several, told apart by a first octet; the only part of the node is called as what was chosen."""

    def __init__(self, options: Mapping[int, Part], error: type[DlmsError] = Malformed) -> None:
        self._options = options
        self._tags = {part.name: tag for tag, part in options.items()}
        self._error = error

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read what was chosen."""
        node.items = []
        part = self._options.get(walk.number(at))
        if part is None:
            raise walk.fail(self._error, f"choice {walk.number(at)} of {node.name} is not defined", at)
        return walk.read(node, part.name, part.kind, at, skip=1)

    def write(self, out: Out, node: Node) -> None:
        """Write what was chosen."""
        item = only_part(node)
        tag = self._tags.get(item.name)
        if tag is None:
            raise Malformed(f"{node.name} is none of {', '.join(self._tags)}: {item.name}")
        out.octets.append(tag)
        self._options[tag].kind.write(out, item)


@dataclass(frozen=True, slots=True)
class Exactly:
    """An octet-string that holds exactly one value of a kind, which becomes the node's own."""

    kind: Kind

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read length and content."""
        size, start = walk.length(at, node)
        walk.take(start, size)
        inner = walk.until(start + size)
        inner.finish(self.kind.read(inner, start, node), node.name)
        return start + size

    def write(self, out: Out, node: Node) -> None:
        """Write length and content."""
        content = out.apart()
        self.kind.write(content, node)
        out.length(len(content.octets), node)
        out.octets += content.octets


def only_part(node: Node) -> Node:
    """Return the one part a node has.

    Raises:
        Malformed: it has none or several.
    """
    parts = node.parts
    if len(parts) != 1:
        raise Malformed(f"{node.name} has one part, not {len(parts)}")
    return parts[0]
