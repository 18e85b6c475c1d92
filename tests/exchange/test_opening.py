"""Many envelopes at once: other processes check the signatures, and nothing depends on them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import pytest
from exchange import network

from merchantscreen.errors import Problem
from merchantscreen.referrals import opening
from merchantscreen.referrals.opening import Opened, open_all
from merchantscreen.referrals.statements import Statement

TRUST = network.trust()


def _sent() -> list[bytes]:
    """Return good envelopes, and between them every way in which one can be wrong."""
    north = network.north()
    good = [north.states(referral_id=f"R-{number}") for number in range(600)]
    altered = json.loads(good[0])
    altered["payload"] = base64.b64encode(b"{}").decode()
    others = network.Hotline("hotline-north", [network.key("stranger")])
    good[10:10] = [b"no envelope", json.dumps(altered).encode(), others.states(), good[1] + b" x"]
    return good


def _words(opened: Sequence[Opened]) -> list[bytes | tuple[Problem, ...]]:
    return [one.payload if isinstance(one, Statement) else one.problems for one in opened]


@pytest.fixture(scope="module")
def sent() -> list[bytes]:
    """Make the envelopes once."""
    return _sent()


def test_children_change_nothing(sent: list[bytes]) -> None:
    """With and without other processes: the same statements and the same problems, in the same order."""
    alone, together = list(open_all(sent, TRUST)), list(open_all(sent, TRUST, many=1))
    assert _words(together) == _words(alone)
    assert [one.key_ids for one in together if isinstance(one, Statement)] == [
        one.key_ids for one in alone if isinstance(one, Statement)
    ]
    assert sum(isinstance(one, Statement) for one in alone) == 600


def test_a_child_that_dies_is_done_without(sent: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """What it did not vouch for is checked here: nothing is lost, and nothing is taken in unchecked."""
    monkeypatch.setattr(opening, "_begin", exit)
    assert _words(list(open_all(sent, TRUST, many=1))) == _words(list(open_all(sent, TRUST)))
