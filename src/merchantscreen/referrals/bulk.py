"""For work on a hundred thousand things at once: the collector of cyclic garbage stands still meanwhile.

A fold makes millions of small values and keeps all of them. Python's collector would look through them again and
again, which takes about as long as the fold, and find nothing: none of them points back to what points to it.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Run a block during which no cyclic garbage is collected; what counts references goes on as always."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
