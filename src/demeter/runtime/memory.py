"""How the process keeps the memory it has freed.

Decoding a batch of profiles takes and frees arrays of megabytes, again and again. The C library of Linux gives each
back to the kernel and takes it anew, page by page, which costs as much as the decoding. A long-running process of ours
therefore keeps what it has freed, up to a bound.
"""

from __future__ import annotations

import ctypes
from typing import Final

KEPT: Final = 64 * 1024 * 1024
"""Octets of freed memory that a process keeps at most."""

_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_THRESHOLD: Final = -3


def keep_freed() -> bool:
    """Let this process keep freed memory up to :data:`KEPT`; tell whether the C library can (glibc, mallopt(3))."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = ((_MMAP_THRESHOLD, KEPT // 2), (_TRIM_THRESHOLD, KEPT), (_TOP_PAD, KEPT // 16))
    return all(mallopt(name, value) == 1 for name, value in wanted)
