"""What to read, write or invoke for a purpose: pure functions that return steps, and judge what was read back.

Nothing here talks to a meter. A step names its object and carries its A-XDR payload; whoever holds the association
sends it, with audit, expiry and exactly-once effect. Purposes: :mod:`.supply` (relay, load limit), :mod:`.clock`,
:mod:`.tariff` (calendar, special days, billing reset), :mod:`.image` (firmware), :mod:`.keys`, :mod:`.push`,
:mod:`.discovery`.
"""

from demeter.protocols.dlms.classes.commands.steps import Invoke, Read, Step, Write

__all__ = ["Invoke", "Read", "Step", "Write"]
