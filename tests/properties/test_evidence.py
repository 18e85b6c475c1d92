"""The properties of the evidence score, on random small worlds.

Numbers in the names of the sections are those of the method's own list of properties.
"""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import polars as pl
import pytest
from evidence_reference import World, evid2
from evidence_worlds import ACCOUNTS, DOMAINS, LINK_KINDS, SHARED_KINDS, as_links, model, scores, worlds
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen import nano
from merchantscreen.evidence import assess, totals
from merchantscreen.policy.model import NANO
from merchantscreen.vocabulary import EvidenceFamily

MODEL = model()
accounts = st.sampled_from(ACCOUNTS)


def lower(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """Return the accounts whose score fell."""
    return [account for account, total in before.items() if after.get(account, 0) < total]


# --------------------------------------------------------------------------- 13: two implementations


@given(worlds(), st.sampled_from([1, 2, 3]), st.sampled_from([1, 1_000_000]))
def test_package_and_plain_python_reference_agree_to_the_last_nano_unit(world: World, rounds: int, floor: int) -> None:
    """The shipped frames and a second, plain implementation give the same integers."""
    parameters = model(account_rounds=rounds, floor_nano=floor)
    assert scores(world, parameters) == evid2(world, parameters)


# --------------------------------------------------------------------------- 1, 5: referrals


@given(worlds(), st.sampled_from(DOMAINS), st.sampled_from([1, NANO // 3, NANO]))
def test_adding_or_raising_a_referral_lowers_nobody(world: World, domain: str, confidence: int) -> None:
    """With frozen tables, one more or a more certain referral never lowers a score."""
    if domain not in world.confidence:
        domain = next(iter(world.confidence))
    more = replace(world, confidence={**world.confidence, domain: max(confidence, world.confidence[domain])})
    assert lower(scores(world, MODEL), scores(more, MODEL)) == []


@given(worlds(), st.sampled_from(DOMAINS))
def test_retracting_a_referral_restores_the_earlier_scores(world: World, domain: str) -> None:
    """A referral that came and went leaves no trace."""
    before = scores(world, MODEL)
    with_it = replace(world, confidence={**world.confidence, domain: NANO})
    scores(with_it, MODEL)
    without = {name: c for name, c in with_it.confidence.items() if name in world.confidence} | world.confidence
    assert scores(replace(world, confidence=without), MODEL) == before


# --------------------------------------------------------------------------- 2, 4: form does not matter


@given(worlds(), st.randoms())
def test_order_of_rows_and_ends_of_domain_links_do_not_matter(world: World, random: Random) -> None:
    """Shuffled rows and swapped ends of domain links give equal scores."""
    shuffled = replace(
        world,
        links=random.sample(world.links, len(world.links)),
        holdings=random.sample(world.holdings, len(world.holdings)),
        domain_links=[(b, a, kind) for a, b, kind in world.domain_links],
    )
    distinct = {frozenset((a, b)) | {kind} for a, b, kind in world.domain_links}
    if len(distinct) == len(world.domain_links):
        assert scores(shuffled, MODEL) == scores(world, MODEL)


@given(worlds())
def test_repeating_a_domain_link_changes_nothing(world: World) -> None:
    """What a hotline says twice counts once."""
    twice = replace(world, domain_links=[*world.domain_links, *((b, a, kind) for a, b, kind in world.domain_links)])
    assert scores(twice, MODEL) == scores(world, MODEL)


@given(worlds())
def test_renaming_accounts_renames_the_result_and_nothing_else(world: World) -> None:
    """Scores follow accounts through a renaming that reverses their order."""
    names = {account: f"ACQ9/{9999 - i}" for i, account in enumerate(ACCOUNTS)}
    renamed = replace(
        world,
        links=[(names[a], d, k, m) for a, d, k, m in world.links],
        holdings=[(k, v, names[a]) for k, v, a in world.holdings],
    ).freeze()
    assert scores(renamed, MODEL) == {names[account]: total for account, total in scores(world, MODEL).items()}


# --------------------------------------------------------------------------- 3, 9: strangers and dilution


@given(worlds(), st.integers(1, 5))
def test_accounts_that_share_nothing_change_nothing(world: World, count: int) -> None:
    """Unrelated merchants, with links and identifiers of their own, leave every score bit-equal."""
    strangers = [("phone", f"stranger-{i // 2}", f"ACQ2/{i}") for i in range(count)]
    assert scores(replace(world, holdings=[*world.holdings, *strangers]).freeze(), MODEL) == scores(world, MODEL)


@given(worlds(), accounts, st.integers(1, 20))
def test_fresh_identifiers_of_its_own_do_not_dilute_an_account(world: World, account: str, count: int) -> None:
    """Identifiers that nobody else holds change no score, neither up nor down."""
    own = [(kind, f"own-{i}", account) for i in range(count) for kind in SHARED_KINDS]
    assert scores(replace(world, holdings=[*world.holdings, *own]).freeze(), MODEL) == scores(world, MODEL)


# --------------------------------------------------------------------------- 6, 7, 8: bounds, hubs, chance


@given(worlds())
def test_scores_stay_in_bounds_and_need_a_path(world: World) -> None:
    """0 <= S < 1, and an account without a way to a confirmed domain has no item at all."""
    table = totals(assess(as_links(world), MODEL))
    assert table.filter((pl.col("score_nano") < 0) | (pl.col("score_nano") >= NANO)).is_empty()
    reachable = {account for account, *_ in world.links}
    for _ in range(MODEL.account_rounds):
        shared = {(kind, value) for kind, value, account in world.holdings if account in reachable}
        reachable |= {account for kind, value, account in world.holdings if (kind, value) in shared}
    assert set(table["account_id"]) <= (reachable if any(world.confidence.values()) else set())


def one_hub(size: int) -> World:
    """Build a hub: one account with a link, and `size` accounts on its IP address."""
    members = [("ip", "hub", f"ACQ1/{i:05d}") for i in range(size)]
    link = ("ACQ1/00000", "site.example", "declared_website", "exact")
    return World({"site.example": NANO}, [], [link], members).freeze()


@pytest.mark.parametrize("size", [2, 3, 11, 101, 1001])
def test_a_lone_flagged_member_of_a_hub_gives_what_the_formula_says(size: int) -> None:
    """One linked account among n others: s = w (rho - pi n) / (kappa + n^(3/4)) for each of them."""
    parameters = model(floor_nano=1)
    others = size - 1
    rho = 0.8 * 0.95
    excess = (rho - 1e-4 * others) / (1 + others**0.75)
    strength = 0.3 * max(excess, 0.05 * rho / (1 + others))
    assert scores(one_hub(size), parameters)["ACQ1/00001"] == pytest.approx(-math.log(1 - strength) * NANO, abs=20)


def test_a_larger_hub_never_gives_more() -> None:
    """Points through a hub fall, or stay, as it grows, and vanish below the floor."""
    given_points = [scores(one_hub(size), MODEL).get("ACQ1/00001", 0) for size in (2, 4, 8, 32, 128, 512, 4096)]
    assert given_points == sorted(given_points, reverse=True)
    assert given_points[-1] == 0


def test_what_chance_explains_gives_nothing_beyond_the_residual() -> None:
    """With the residual off, a group no more flagged than the base rate has no item."""
    hub = one_hub(50)
    base = {name: replace(weight, base_rate_nano=20_000_000) for name, weight in MODEL.kinds.items()}
    assert "ACQ1/00001" not in scores(hub, model(kinds=base, residual_nano=0, floor_nano=1))
    assert "ACQ1/00001" in scores(hub, model(residual_nano=0, floor_nano=1))


@given(worlds())
def test_no_item_is_stronger_than_the_weight_of_its_kind(world: World) -> None:
    """s <= w for every item of every round."""
    ledger = assess(as_links(world), MODEL).ledger
    assert ledger.filter(pl.col("strength_nano") > pl.col("weight_nano")).is_empty()


def test_a_hub_beyond_the_limit_is_no_evidence_at_all() -> None:
    """Whatever is flagged on it, an identifier with more holders than the policy allows adds nothing."""
    parameters = model(floor_nano=1, hub_holder_count=10)
    assert "ACQ1/00001" in scores(one_hub(10), parameters)
    assert "ACQ1/00001" not in scores(one_hub(11), parameters)


# --------------------------------------------------------------------------- 10: caps and roots


@given(st.integers(1, 400))
def test_copies_of_one_kind_never_exceed_its_cap(count: int) -> None:
    """However many domains of one kind: at most the cap, and so never more than 1 - e^-3."""
    domains = {f"site-{i}.example": NANO for i in range(count)}
    links = [("ACQ1/1", domain, "declared_website", "exact") for domain in domains]
    assert scores(World(domains, [], links, []).freeze(), MODEL)["ACQ1/1"] <= 3 * NANO


@given(st.integers(1, 60))
def test_equal_identifiers_of_one_kind_add_up_like_a_root(count: int) -> None:
    """n equal items of one kind of identifier give sqrt(n) times the points of one."""

    def with_phones(number: int) -> int:
        phones = [("phone", f"p{i}", f"ACQ1/{who}") for i in range(number) for who in ("seller", "other")]
        breadths = {("phone", "ACQ1/seller"): 1, ("phone", "ACQ1/other"): 1}
        link = ("ACQ1/seller", "site.example", "declared_website", "exact")
        world = World({"site.example": NANO}, [], [link], phones).freeze()
        return scores(replace(world, breadths=breadths), MODEL)["ACQ1/other"]

    expected = min(3 * NANO, with_phones(1) * math.sqrt(count))
    assert with_phones(count) == pytest.approx(expected, abs=1)


# --------------------------------------------------------------------------- 11: monotone in the numbers


@given(worlds(), st.sampled_from(LINK_KINDS + SHARED_KINDS), st.integers(1, NANO // 20))
def test_a_higher_weight_lowers_nobody(world: World, kind: str, more: int) -> None:
    """Scores are monotone in every weight."""
    weight = MODEL.kinds[kind]
    raised = {**MODEL.kinds, kind: replace(weight, weight_nano=min(990_000_000, weight.weight_nano + more))}
    assert lower(scores(world, MODEL), scores(world, model(kinds=raised))) == []


@given(worlds(), st.integers(0, 100_000_000))
def test_carrying_more_on_lowers_nobody(world: World, more: int) -> None:
    """Scores are monotone in both carry shares."""
    raised = model(indirect_carry_nano=200_000_000 + more, direct_carry_nano=800_000_000 + more)
    assert lower(scores(world, MODEL), scores(world, raised)) == []


@given(worlds())
def test_without_carry_only_direct_links_remain(world: World) -> None:
    """lambda = 0: any number of rounds equals the first."""
    none = {"indirect_carry_nano": 0, "direct_carry_nano": 0}
    assert scores(world, model(account_rounds=3, **none)) == scores(world, model(account_rounds=1, **none))


# --------------------------------------------------------------------------- additions, with frozen tables


@given(worlds(), accounts, st.sampled_from(SHARED_KINDS), st.sampled_from(["a", "b", "c"]))
def test_one_more_shared_identifier_lowers_nobody(world: World, account: str, kind: str, value: str) -> None:
    """With frozen degrees and breadths, a further holding never lowers a score."""
    if (kind, value) not in world.degrees or (kind, value, account) in world.holdings:
        return
    breadths = {(kind, account): 1} | world.breadths
    more = replace(world, holdings=[*world.holdings, (kind, value, account)], breadths=breadths)
    assert lower(scores(world, MODEL), scores(more, MODEL)) == []


@given(worlds(), accounts, st.sampled_from(DOMAINS), st.sampled_from(LINK_KINDS))
def test_one_more_direct_link_lowers_nobody(world: World, account: str, domain: str, kind: str) -> None:
    """With frozen link degrees, a further link never lowers a score."""
    taken = {(a, d, k) for a, d, k, _ in world.links}
    if domain not in world.confidence or (account, domain, kind) in taken:
        return
    degrees = {(domain, kind): 1} | world.link_degrees
    more = replace(world, links=[*world.links, (account, domain, kind, "exact")], link_degrees=degrees)
    assert lower(scores(world, MODEL), scores(more, MODEL)) == []


# --------------------------------------------------------------------------- 12: the ledger adds up


@given(worlds())
def test_shares_of_items_add_up_to_the_points_of_their_kind(world: World) -> None:
    """Attribution is exact: parts sum to the kind, kinds sum to the account."""
    assessment = assess(as_links(world), MODEL)
    group = ["round", "subject", "family", "kind"]
    parts = assessment.ledger.group_by(group).agg(pl.col("share_nano").sum(), pl.col("kind_points_nano").first())
    assert parts.filter(pl.col("share_nano") != pl.col("kind_points_nano")).is_empty()
    final = parts.filter(pl.col("round") == assessment.final_round)
    summed = final.group_by("subject").agg(pl.col("share_nano").sum())
    stated = totals(assessment).select("account_id", "points_nano")
    assert (
        summed.join(stated, left_on="subject", right_on="account_id")
        .filter(pl.col("share_nano") != pl.col("points_nano"))
        .is_empty()
    )
    assert summed.height == stated.height


def shares_by_hand(total: int, parts: list[int]) -> list[int]:
    """Split a total in plain Python: whole shares, then one unit each for the largest remainders."""
    shares = [total * part // sum(parts) for part in parts]
    order = sorted(range(len(parts)), key=lambda place: (-(total * parts[place] % sum(parts)), place))
    for place in order[: total - sum(shares)]:
        shares[place] += 1
    return shares


splits = st.tuples(st.integers(0, 10**11), st.lists(st.integers(1, 10**20), min_size=1, max_size=30))


@given(st.lists(splits, min_size=1, max_size=5), st.sampled_from([1, 10**19]))
def test_splitting_loses_nothing(groups: list[tuple[int, list[int]]], alike: int) -> None:
    """Totals are split into parts that add up, largest remainders first and equal ones by position."""
    rounded = [(total, [-(-part // alike) for part in parts]) for total, parts in groups]
    rows = [(place, total, part) for place, (total, parts) in enumerate(rounded) for part in parts]
    schema = {"group": pl.Int64, "total": pl.Int64, "part": pl.Int128}
    shares = nano.split_exactly(pl.DataFrame(rows, schema=schema, orient="row"), "group").to_list()
    assert shares == [share for total, parts in rounded for share in shares_by_hand(total, parts)]
    assert sum(shares) == sum(total for total, _ in rounded)


@given(worlds())
def test_typology_never_enters_what_is_carried(world: World) -> None:
    """Every item of the rounds is a link or an identifier; rule hits come later and only to their own account."""
    families = set(assess(as_links(world), MODEL).ledger["family"])
    assert families <= {EvidenceFamily.LINK.value, EvidenceFamily.IDENTIFIER.value}
