"""Which keys a meter may have while they are being changed: the old ones, the new ones, or a mixture."""

from __future__ import annotations

from collections.abc import Mapping

from demeter.sdk.driver import Credentials

SHOWN = ("encryption_key", "authentication_key")
"""The keys an association shows: with others it does not come about."""

ROTATED = (*SHOWN, "master_key")
FORMER = "former_"
"""Materials of a key change have the new keys by name, and under this prefix what they were before."""


OTHER_MASTER = "other_master_key_"
"""Materials under this prefix and a number: master keys the meter may have had, should it have none of the two."""


def key_sets(stored: Credentials, materials: Mapping[str, bytes]) -> tuple[Credentials, ...]:
    """Return the credentials that may open a meter whose keys were to be changed, the likeliest first.

    First the new ones, then as before, then those of a meter that took one key and not the other.
    """
    new = {name: materials[name] for name in ROTATED if name in materials}
    old = {name: materials[FORMER + name] for name in ROTATED if materials.get(FORMER + name)}
    sets = [{**stored.secrets, **old, **new}, {**stored.secrets, **old}]
    if all(name in new for name in SHOWN):
        sets += [{**sets[1], name: new[name]} for name in SHOWN]
    distinct: list[dict[str, bytes]] = []
    for each in sets:
        if each not in distinct:
            distinct.append(each)
    return tuple(Credentials(each, stored.key_version) for each in distinct)
