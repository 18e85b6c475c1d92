"""Hubs: an identifier that very many accounts hold costs a count, in the cut as in the score.

The world of every test: a linked account and its sister share a phone; beside it 20,000 accounts share a hub, of which
the linked account is one. A hub is seen in transactions (a device) or declared (an agent): these are read differently.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from evidence_worlds import model
from frames import account_links, declared, flagged, traffic, transactions

from merchantscreen.engines import Frame
from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.evidence import Assessment, Links, assess, open_rounds, totals
from merchantscreen.links import count_links
from merchantscreen.neighbourhood import Neighbourhood, cut
from merchantscreen.numbering import Holders
from merchantscreen.tables import Breadths, Degrees, DomainLinks, Holdings, empty

HOLDERS = 20_000
LIMIT = 500
LINKED, SISTER = "A/0", "B/1"
CROWD = [f"A/{number}" for number in range(HOLDERS)]
FAMILY = [("phone", "P", LINKED), ("phone", "P", SISTER)]
KINDS = pytest.mark.parametrize("kind", ["device", "agent"])


class WatchedEngine(PolarsEngine):
    """Notes how many rows every compact result has that is brought home."""

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self.heights: list[int] = []

    def collect(self, frame: Frame) -> pl.DataFrame:
        """Bring a result home and note its size."""
        found = super().collect(frame)
        self.heights.append(found.height)
        return found


class World:
    """A linked account, its sister, and those who hold the hub; weighed through the public functions.

    Args:
        work: Folder for stages.
        kind: Where the hub is seen, `device` or `agent`; None for a world without it.
        holders: Who holds it.
        rounds: Rounds of the score.
    """

    def __init__(self, work: Path, kind: str | None, holders: list[str] | None = None, rounds: int = 2) -> None:
        crowd = CROWD if holders is None else holders
        self.model = model(hub_holder_count=LIMIT, account_rounds=rounds)
        self.engine = WatchedEngine(work)
        self.stated = declared(*FAMILY, *((kind, "HUB", who) for who in crowd if kind == "agent"))
        self.moved = transactions(*({"account_id": who, "device_token": "HUB"} for who in crowd if kind == "device"))
        found = account_links({"account_id": LINKED, "domain": "site.example"})
        nothing = Holders.of(empty(Holdings), empty(Degrees)), empty(Breadths)
        self.direct = Links(
            flagged({"domain": "site.example"}), empty(DomainLinks), found, *nothing, count_links(found)
        )

    def near(self) -> Neighbourhood:
        """Cut out the neighbourhood."""
        carried = open_rounds(self.direct, self.model).carried
        return cut(traffic(self.engine, self.moved), self.engine.load(self.stated), carried, self.model)

    def assessed(self) -> Assessment:
        """Weigh the evidence in it."""
        near, direct = self.near(), self.direct
        found = direct.domains, direct.domain_links, direct.account_links
        return assess(Links(*found, near.holders, near.breadths, direct.link_degrees), self.model)


def reached(near: Neighbourhood) -> dict[str, int]:
    """Return the accounts with the hop in which they were reached."""
    return dict(near.accounts.iter_rows())


def hub(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep what is said of the hub."""
    return frame.filter(pl.col("value") == "HUB")


@KINDS
def test_a_hub_costs_its_count_and_none_of_its_holders(tmp_path: Path, kind: str) -> None:
    """Its degree is that of the full data; nobody is looked at, and no row is kept, because of it."""
    near = World(tmp_path, kind).near()
    assert hub(near.degrees).to_dicts() == [{"kind": kind, "value": "HUB", "holder_count": HOLDERS}]
    assert reached(near) == {LINKED: 0, SISTER: 1}
    assert hub(near.holdings)["account_id"].to_list() == [LINKED]


@KINDS
def test_no_result_that_is_brought_home_grows_with_the_hub(tmp_path: Path, kind: str) -> None:
    """Whole-data steps bring home what the two accounts hold, however many hold the same."""
    world = World(tmp_path, kind)
    world.near()
    assert max(world.engine.heights) <= len(FAMILY) + 1


@KINDS
def test_a_hub_in_a_kind_of_its_own_changes_no_item(tmp_path: Path, kind: str) -> None:
    """With the hub and without it, everybody has the same items and the same score."""
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    with_hub = World(tmp_path / "with", kind).assessed()
    without = World(tmp_path / "without", None).assessed()
    assert with_hub.ledger.equals(without.ledger)
    assert with_hub.contributions.equals(without.contributions)
    assert totals(with_hub)["account_id"].to_list() == [LINKED, SISTER]


def test_a_hub_takes_its_part_and_passes_nothing_on(tmp_path: Path) -> None:
    """Beside another identifier of its kind a hub halves what that one gets; the half that it takes goes nowhere."""
    world = World(tmp_path, "agent")
    world.stated = world.stated.vstack(declared(("agent", "SMALL", LINKED), ("agent", "SMALL", "C/1")))
    found = world.assessed()
    agent = found.contributions.filter(pl.col("kind") == "agent").row(0, named=True)
    assert (agent["value"], agent["breadth_count"]) == ("SMALL", 2)
    assert agent["contribution_nano"] * 2 == agent["risk_nano"]
    assert set(totals(found)["account_id"]) == {LINKED, SISTER, "C/1"}


@KINDS
def test_a_hub_that_is_met_later_is_not_followed_either(tmp_path: Path, kind: str) -> None:
    """What the sister holds is counted and left alone as what the linked account holds is."""
    near = World(tmp_path, kind, [SISTER, *CROWD[1:]], rounds=3).near()
    assert reached(near) == {LINKED: 0, SISTER: 1}
    assert hub(near.degrees)["holder_count"].to_list() == [HOLDERS]
    assert hub(near.holdings)["account_id"].to_list() == [SISTER]


@pytest.mark.parametrize(("more", "accounts"), [(0, LIMIT + 1), (1, 2)])
@KINDS
def test_the_limit_is_the_policys(tmp_path: Path, kind: str, more: int, accounts: int) -> None:
    """As many holders as the policy allows are all looked at; with one more, none of them."""
    assert len(reached(World(tmp_path, kind, CROWD[: LIMIT + more]).near())) == accounts


def test_holders_are_accounts_and_no_transactions(tmp_path: Path) -> None:
    """Each holder counts once, however often it used the device."""
    world = World(tmp_path, "device", [*CROWD[:LIMIT], *CROWD[:100]])
    assert hub(world.near().degrees)["holder_count"].to_list() == [LIMIT]


def test_a_value_that_is_a_hub_of_another_kind_brings_none_of_its_holders(tmp_path: Path) -> None:
    """Values are numbers often enough: an agent may be called as somebody's tax id is."""
    world = World(tmp_path, "agent", CROWD[1:])
    world.stated = world.stated.vstack(declared(("tax_id", "HUB", LINKED), ("tax_id", "HUB", "C/1")))
    near = world.near()
    assert hub(near.degrees).rows() == [("tax_id", "HUB", 2)]
    assert reached(near) == {LINKED: 0, SISTER: 1, "C/1": 1}
    assert max(world.engine.heights) <= len(FAMILY) + 2
