"""Opens many envelopes: where there are thousands, their signatures are checked in several processes.

Rules kept here:
* a child only vouches for signatures; every payload is parsed here, and whatever a child does not vouch for, or
  does not live to vouch for, is checked again here, so that one function says what is wrong with it;
* answers come in the order of the envelopes, the same with and without children.

Checking one signature takes longer than everything else that is done with a statement.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import chain
from multiprocessing import get_context
from typing import Final

from merchantscreen.referrals.admission import open_statement
from merchantscreen.referrals.envelope import STATEMENT_TYPE, Verified, verify
from merchantscreen.referrals.exchange_problems import EnvelopeError
from merchantscreen.referrals.keys import VerifyKey
from merchantscreen.referrals.statements import Statement, read_statement
from merchantscreen.referrals.trust import Trust

MANY: Final = 5_000
"""Envelopes from which children pay off: each takes a second to start."""
_PIECE: Final = 250
_MOST_CHILDREN: Final = 8

Opened = Statement | EnvelopeError
"""A statement, or why there is none."""

_Vouched = tuple[bytes, frozenset[str]] | None
"""A payload and the keys that signed it; None if somebody has to look."""


def open_all(envelopes: Sequence[bytes], trust: Trust, many: int = MANY) -> Iterator[Opened]:
    """Open envelopes as `open_statement` does, and yield what each came to.

    Args:
        envelopes: What was sent.
        trust: The trust file whose keys count.
        many: How many envelopes are worth other processes.
    """
    children = min(_processors(), _MOST_CHILDREN)
    vouched = _by_children(envelopes, trust.verify_keys, children) if len(envelopes) >= many and children > 1 else ()
    for place, found in enumerate(vouched):
        yield _opened(partial(_read, found, envelopes[place], trust))
    for data in envelopes[len(vouched) :]:
        yield _opened(partial(open_statement, data, trust))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _opened(read: Callable[[], Statement]) -> Opened:
    try:
        return read()
    except EnvelopeError as error:
        return error


def _read(found: _Vouched, data: bytes, trust: Trust) -> Statement:
    return open_statement(data, trust) if found is None else read_statement(Verified(*found))


# --------------------------------------------------------------------------- children


def _by_children(envelopes: Sequence[bytes], keys: Iterable[VerifyKey], children: int) -> list[_Vouched]:
    """Return what children vouch for, in order; less than all if one of them died."""
    pieces = [envelopes[start : start + _PIECE] for start in range(0, len(envelopes), _PIECE)]
    vouched: list[_Vouched] = []
    # Not forked: this process has the threads of others, and an open store.
    pool = ProcessPoolExecutor(children, get_context("spawn"), _begin, (tuple(keys),))
    try:
        vouched.extend(chain.from_iterable(pool.map(_checked, pieces)))
    except BrokenProcessPool:
        pass
    finally:
        pool.shutdown(cancel_futures=True)
    return vouched


_keys: tuple[VerifyKey, ...] = ()
"""Keys of the trust file, in a child."""


def _begin(keys: tuple[VerifyKey, ...]) -> None:
    global _keys  # noqa: PLW0603  # What a pool tells its children once.
    _keys = keys


def _checked(piece: Sequence[bytes]) -> list[_Vouched]:
    return [_vouched(data) for data in piece]


def _vouched(data: bytes) -> _Vouched:
    try:
        found = verify(data, STATEMENT_TYPE, _keys)
    except EnvelopeError:
        return None
    return found.payload, found.key_ids
