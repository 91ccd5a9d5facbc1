"""The tree a frame becomes: named nodes that know where in the octets they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

Value = int | bool | str | bytes | None
"""What a node without parts holds. Octets are ``bytes``; read back from JSON or XML they are hexadecimal text."""


@dataclass(slots=True)
class Node:
    """One element: its name in the ASN.1 of IEC 62056-5-3, where it stands, and its value or its parts.

    ``offset`` and ``length`` count octets of the whole input; those of deciphered content are the octets of the
    ciphertext it stands in (AES-GCM keeps places). ``meaning`` is for people. ``hints`` say what an encoder needs to
    write the very same octets where a sender was freer than the rules ask for. ``derived`` parts are not in the octets
    themselves: what was deciphered, or put together from blocks. ``broken``: reading stopped inside this node.
    """

    name: str
    offset: int = 0
    length: int = 0
    value: Value = None
    items: list[Node] | None = None
    meaning: str = ""
    hints: dict[str, int] = field(default_factory=dict)
    derived: bool = False
    broken: bool = False

    def add(self, node: Node) -> Node:
        """Append a part and return it."""
        if self.items is None:
            self.items = []
        self.items.append(node)
        return node

    @property
    def parts(self) -> list[Node]:
        """The parts that stand in the octets."""
        return [item for item in self.items or () if not item.derived]

    def find(self, name: str) -> Node | None:
        """Return the first part of that name, derived ones too."""
        return next((item for item in self.items or () if item.name == name), None)

    def walk(self) -> Iterator[Node]:
        """Yield this node and everything below it."""
        yield self
        for item in self.items or ():
            yield from item.walk()
