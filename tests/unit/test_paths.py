"""Strongest paths: from a confirmed domain to an account, as a person would draw them."""

from __future__ import annotations

import pytest
from evidence_reference import World
from evidence_worlds import as_links, model

from merchantscreen.evidence import Assessment, assess
from merchantscreen.paths import strongest_paths
from merchantscreen.policy.model import NANO
from merchantscreen.records import EvidencePath


def assessed() -> Assessment:
    """Assess a seller, its sister by settlement account and by phone, and a domain the site moved to."""
    return assess(
        as_links(
            World(
                confidence={"old.example": NANO, "new.example": 0},
                domain_links=[("old.example", "new.example", "moved_to")],
                links=[
                    ("A/seller", "old.example", "declared_website", "exact"),
                    ("A/mover", "new.example", "declared_website", "exact"),
                ],
                holdings=[
                    ("settlement_account", "S", "A/seller"), ("settlement_account", "S", "A/sister"),
                    ("phone", "P", "A/seller"), ("phone", "P", "A/sister"),
                ],
            ).freeze()
        ),
        model(),
    )  # fmt: skip


def paths_to(account: str, limit: int = 3) -> tuple[EvidencePath, ...]:
    """Find the paths to one account of that world."""
    found = assessed()
    return strongest_paths(found.ledger, found.contributions, account, limit)


def test_a_direct_link_is_a_path_of_one_step() -> None:
    """Confirmed domain, link, account."""
    (path,) = paths_to("A/seller")
    assert [step.what for step in path.steps] == ["domain", "link", "account"]
    assert path.strength == pytest.approx(0.95)


def test_a_sister_is_reached_over_each_shared_identifier_strongest_first() -> None:
    """The settlement account comes before the phone."""
    paths = paths_to("A/sister")
    assert [path.steps[3].what for path in paths] == ["settlement account", "contact phone"]
    assert paths[0].strength > paths[1].strength


def test_a_moved_site_leads_over_the_domain_it_moved_to() -> None:
    """The path starts at the confirmed domain, not at the linked one."""
    (path,) = paths_to("A/mover")
    assert [step.value for step in path.steps if step.what == "domain"] == ["old.example", "new.example"]


def test_no_more_paths_than_asked_for_and_none_for_a_stranger() -> None:
    """The limit holds, and an account without evidence has no path."""
    assert len(paths_to("A/sister", limit=1)) == 1
    assert paths_to("A/stranger") == ()
