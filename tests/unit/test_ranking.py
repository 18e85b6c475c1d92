"""Ranking: what the ledger says of an account, which tier that is, and that equals are shown as equals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from frames import account_links, accounts, flagged, frame

from merchantscreen.evidence import Links, add_typology, assess
from merchantscreen.features import FACT_TYPES
from merchantscreen.links import count_links
from merchantscreen.numbering import Holders
from merchantscreen.policy.loading import load_policy
from merchantscreen.ranking import Evidence, facts, rank
from merchantscreen.tables import (
    COLUMN_DTYPES,
    Breadths,
    Degrees,
    DomainLinks,
    Holdings,
    Ranking,
    RuleOutcomes,
    empty,
    schema_of,
)

POLICY = load_policy(None)
SEVERITIES = {rule.id: str(rule.severity) for rule in POLICY.rules}
SELLER, SISTER, OTHER = "ACQ1/seller", "ACQ1/sister", "ACQ1/other"
AMBER = {"domain": "amber.example"}
PLATFORM = {"domain": "amber.example", "dedicated": "no", "caveats": ["not_dedicated", "shared_host"]}

Holding = tuple[str, str, str]


def link(account: str, domain: str = "amber.example", **details: Any) -> dict[str, Any]:
    """Link an account to a domain: by its declared website, unless said otherwise."""
    return {"account_id": account, "domain": domain, **details}


def hit(account: str, rule_id: str = "prepaid-share", **details: Any) -> dict[str, Any]:
    """State that a rule hit."""
    return {"account_id": account, "rule_id": rule_id, "severity": SEVERITIES.get(rule_id, "low"), **details}


def moved(origin: str, target: str) -> pl.DataFrame:
    """State that a site moved."""
    return frame(
        DomainLinks, [{"from_domain": origin, "to_domain": target}], kind="moved_to", referral_ids=["R-000001"]
    )


def evidence(
    domains: pl.DataFrame,
    links: Sequence[dict[str, Any]] = (),
    holdings: Sequence[Holding] = (),
    hits: Sequence[dict[str, Any]] = (),
    domain_links: pl.DataFrame | None = None,
) -> Evidence:
    """Assess a small world with the policy that the tool brings along; degrees are those of the world."""
    known = account_links(*links)
    results = frame(
        RuleOutcomes, list(hits), rule_version="1.0.0", status="active", typology="transaction-pattern", role="rank",
        outcome="hit",
    )  # fmt: skip
    pairs = empty(DomainLinks) if domain_links is None else domain_links
    world = Links(domains, pairs, known, *_shared(holdings), count_links(known))
    assessment = add_typology(assess(world, POLICY.evidence), results, POLICY.evidence)
    everyone = {row["account_id"] for row in links} | {account for _, _, account in holdings}
    merchants = accounts(*({"account_id": account} for account in sorted(everyone)))
    return Evidence(assessment, domains, known, results, merchants)


def _shared(holdings: Sequence[Holding]) -> tuple[Holders, pl.DataFrame]:
    holders = Counter((kind, value) for kind, value, _ in holdings)
    breadths = Counter((kind, account) for kind, value, account in holdings if holders[kind, value] >= 2)
    held = pl.DataFrame(list(holdings), schema=schema_of(Holdings), orient="row")
    degrees = pl.DataFrame([(*key, n) for key, n in holders.items()], schema=schema_of(Degrees), orient="row")
    return (
        Holders.of(held, degrees),
        pl.DataFrame([(*key, n) for key, n in breadths.items()], schema=schema_of(Breadths), orient="row"),
    )


def ranked(*world: Any, **more: Any) -> dict[str, dict[str, Any]]:
    """Rank a small world and return its rows by account, in review order."""
    table = rank(evidence(*world, **more), POLICY.tiers, POLICY.evidence)
    assert table.schema == schema_of(Ranking)
    return {row["account_id"]: row for row in table.iter_rows(named=True)}


def stated(account: str, *world: Any, **more: Any) -> dict[str, Any]:
    """Return the facts of one account."""
    (row,) = facts(evidence(*world, **more)).filter(account_id=account).to_dicts()
    return row


# --------------------------------------------------------------------------- facts


def test_facts_are_those_the_policy_may_ask_for_and_none_is_null() -> None:
    """Every fact of the catalogue is there in its type, whatever little is known of an account."""
    table = facts(
        evidence(
            flagged(AMBER),
            [link(SELLER), link(OTHER, in_window=False)],
            [("phone", "P", SELLER), ("phone", "P", SISTER)],
            [hit("ACQ1/elsewhere")],
        )
    )
    assert table["account_id"].to_list() == [OTHER, SELLER, SISTER]
    types = {name: COLUMN_DTYPES[kind] for name, kind in FACT_TYPES.items()}
    assert {name: table.schema[name] for name in types} == types
    assert table.null_count().sum_horizontal().item() == 0


def test_nothing_found_is_an_empty_ranking() -> None:
    """Without links there are no facts and no rows, and no error either."""
    assert ranked(flagged(AMBER)) == {}
    assert ranked(flagged()) == {}


def test_certainty_is_weight_times_match_times_confidence_before_sharing() -> None:
    """How many others share the domain lowers the strength, and leaves the certainty of the link alone."""
    crowd = [link(f"ACQ1/{i}") for i in range(9)]
    half = flagged({**AMBER, "confidence_nano": 500_000_000})
    fact = stated(SELLER, half, [link(SELLER, match="close"), *crowd])
    assert fact["direct_certainty"] == pytest.approx(0.95 * 0.5 * 0.5)
    assert fact["direct_dedicated_certainty"] == fact["direct_certainty"]
    assert fact["direct_linked_count"] == 10


def test_links_to_a_site_that_a_referral_only_leads_to_are_kept_apart() -> None:
    """A domain that was not confirmed itself gives linked, never direct, certainty."""
    domains = flagged(AMBER, {"domain": "new.example", "confirmed": False, "confidence_nano": 0})
    fact = stated(SELLER, domains, [link(SELLER, "new.example")], domain_links=moved("amber.example", "new.example"))
    assert (fact["direct_certainty"], fact["direct_kind_count"], fact["direct_forgeable"]) == (0, 0, False)
    assert 0.1 < fact["linked_domain_certainty"] < 0.95


def test_strengths_are_stated_per_class_of_identifier() -> None:
    """The strongest item of each class, and how many kinds there are."""
    kinds = ["settlement_account", "phone", "address", "ip"]
    holdings = [(kind, "V", account) for kind in kinds for account in (SELLER, SISTER)]
    fact = stated(SISTER, flagged(AMBER), [link(SELLER)], holdings)
    assert fact["hard_strength"] > fact["medium_strength"] > fact["soft_strength"] > 0
    assert fact["identifier_kind_count"] == 4


def test_only_hits_of_ranking_rules_count_and_open_questions_count_apart() -> None:
    """Context hits and rules without data are no hits."""
    hits = [
        hit(SELLER), hit(SELLER, "new-account", role="context"), hit(SELLER, "undeclared-url", outcome="not_evaluated"),
        hit(SELLER, "few-price-points", outcome="no_hit"),
    ]  # fmt: skip
    fact = stated(SELLER, flagged(AMBER), [link(SELLER)], hits=hits)
    assert (fact["rule_hit_count"], fact["not_evaluated_count"]) == (1, 1)


# --------------------------------------------------------------------------- tiers


def test_a_dedicated_domain_declared_by_the_account_is_the_first_tier() -> None:
    """No rule has to agree where the account itself names a confirmed, dedicated domain."""
    row = ranked(flagged(AMBER), [link(SELLER)])[SELLER]
    assert row["tier"] == "T1"
    assert row["tier_reason"].startswith("t1-dedicated-domain: ")
    assert (row["rank"], row["hops"], row["tied_with"]) == (1, 1, 0)


@pytest.mark.parametrize(("others", "tier"), [(24, "T1"), (25, "watch")])
def test_a_domain_that_very_many_accounts_use_is_not_one_business(others: int, tier: str) -> None:
    """From twenty-six accounts on, a domain is shared whatever the referral says of it."""
    crowd = [link(f"ACQ1/{i:02d}") for i in range(others)]
    assert ranked(flagged(AMBER), [link(SELLER), *crowd])[SELLER]["tier"] == tier


def test_a_merchant_id_seen_on_the_site_is_the_first_tier_even_on_a_shared_domain() -> None:
    """What the hotline saw on the payment page singles the account out."""
    row = ranked(flagged(PLATFORM), [link(SELLER, kind="clue_merchant_id")])[SELLER]
    assert (row["tier"], row["tier_reason"].split(":")[0]) == ("T1", "t1-merchant-id-clue")


def test_a_merchant_id_that_many_accounts_have_singles_out_nobody() -> None:
    """Merchant ids are unique within one acquirer only."""
    crowd = [link(f"ACQ{i}/1", kind="clue_merchant_id") for i in range(26)]
    assert {row["tier"] for row in ranked(flagged(PLATFORM), crowd).values()} == {"watch"}


@pytest.mark.parametrize(
    ("details", "hits", "tier"),
    [
        ({"kind": "email_domain", "match": "label"}, [hit(SELLER)], "T2"),
        ({"kind": "email_domain", "match": "label"}, [], "watch"),
        ({"kind": "email_domain"}, [], "T1"),
        ({"match": "label"}, [], "watch"),
    ],
)
def test_a_weaker_link_to_a_dedicated_domain_needs_a_rule(
    details: dict[str, Any], hits: list[dict[str, Any]], tier: str
) -> None:
    """Below a certainty of 0.6 a link waits for something that speaks for it."""
    assert ranked(flagged(AMBER), [link(SELLER, **details)], hits=hits)[SELLER]["tier"] == tier


def test_a_site_that_moved_needs_a_rule_as_well() -> None:
    """The new address was not confirmed itself: two steps away, second tier with a hit, on watch without."""
    domains = flagged(AMBER, {"domain": "new.example", "confirmed": False, "confidence_nano": 0})
    there = moved("amber.example", "new.example")
    with_hit = ranked(domains, [link(SELLER, "new.example")], hits=[hit(SELLER)], domain_links=there)[SELLER]
    without = ranked(domains, [link(SELLER, "new.example")], domain_links=there)[SELLER]
    assert (with_hit["tier"], without["tier"]) == ("T2", "watch")
    assert with_hit["hops"] == 2


@pytest.mark.parametrize(("kind", "tier"), [("settlement_account", "T3"), ("principal", "T3"), ("phone", "watch")])
def test_a_sister_account_by_a_checked_identifier_is_the_third_tier_when_a_rule_agrees(kind: str, tier: str) -> None:
    """Acquirer-checked identifiers lead one step further; softer ones stay on watch."""
    holdings = [(kind, "V", SELLER), (kind, "V", SISTER)]
    rows = ranked(flagged(AMBER), [link(SELLER)], holdings, [hit(SISTER)])
    assert (rows[SISTER]["tier"], rows[SISTER]["hops"]) == (tier, 2)
    assert ranked(flagged(AMBER), [link(SELLER)], holdings)[SISTER]["tier"] == "watch"


def test_a_disputed_referral_never_gives_the_first_tier() -> None:
    """Neither a declared website nor a merchant id is enough; with a rule that agrees it is the second tier."""
    domains = flagged({**AMBER, "caveats": ["disputed"]})
    links = [link(SELLER), link(SELLER, kind="clue_merchant_id")]
    assert ranked(domains, links)[SELLER]["tier"] == "watch"
    assert ranked(domains, links, hits=[hit(SELLER)])[SELLER]["tier"] == "T2"
    assert stated(SELLER, domains, links)["disputed"] is True


def test_a_dispute_of_one_domain_leaves_another_alone() -> None:
    """An undisputed domain counts, whatever is said of a second one."""
    domains = flagged({**AMBER, "caveats": ["disputed"]}, {"domain": "blue.example"})
    row = ranked(domains, [link(SELLER), link(SELLER, "blue.example")])[SELLER]
    assert row["tier"] == "T1"
    assert row["counter_evidence"] == ["disputed"]


# --------------------------------------------------------------------------- shared hosts


def test_one_kind_of_link_to_a_shared_domain_stays_on_watch() -> None:
    """A tenant next door is not placed by one link, even when rules agree."""
    row = ranked(flagged(PLATFORM), [link(SELLER)], hits=[hit(SELLER), hit(SELLER, "new-account")])[SELLER]
    assert row["tier"] == "watch"
    assert row["points_nano"] > 0
    assert row["counter_evidence"] == ["not_dedicated", "shared_host"]


def test_a_second_kind_of_link_and_a_rule_together_suffice_for_the_second_tier() -> None:
    """Declared and seen in payments: two kinds; without a rule that agrees they still stay on watch."""
    links = [link(SELLER), link(SELLER, kind="observed_requestor_url")]
    assert ranked(flagged(PLATFORM), links)[SELLER]["tier"] == "watch"
    row = ranked(flagged(PLATFORM), links, hits=[hit(SELLER)])[SELLER]
    assert (row["tier"], row["tier_reason"].split(":")[0]) == ("T2", "t2-two-kinds-and-behaviour")


# --------------------------------------------------------------------------- what anyone can set


@pytest.mark.parametrize("count", [1, 2, 10, 50])
@pytest.mark.parametrize("kinds", [["phone"], ["website"], ["phone", "email", "address", "website", "descriptor"]])
def test_contact_data_put_on_flagged_accounts_does_not_place_their_innocent_owner(count: int, kinds: list[str]) -> None:
    """Up to fifty flagged accounts that claim somebody's contact data leave that somebody on watch."""
    framing = [f"ACQ9/{i:02d}" for i in range(count)]
    domains = flagged(*({"domain": f"site-{i}.example"} for i in range(count)))
    links = [link(account, f"site-{i}.example") for i, account in enumerate(framing)]
    holdings = [(kind, "innocent's own", account) for kind in kinds for account in (SELLER, *framing)]
    rows = ranked(domains, links, holdings, [hit(SELLER, rule.id) for rule in POLICY.rules])
    assert rows[SELLER]["tier"] == "watch"
    assert {rows[account]["tier"] for account in framing} == {"T1"}


def test_descriptor_and_price_on_a_flagged_page_never_give_the_first_tier() -> None:
    """Anyone can show another shop's descriptor and price on a page."""
    links = [link(SELLER, kind="clue_descriptor"), link(SELLER, kind="clue_amount")]
    world = (flagged(AMBER), links, (), [hit(SELLER, rule.id) for rule in POLICY.rules])
    assert ranked(*world)[SELLER]["tier"] != "T1"
    fact = stated(SELLER, *world)
    assert fact["direct_forgeable"] is True
    assert fact["direct_dedicated_certainty"] == 0


def test_links_anyone_can_set_do_not_discount_those_nobody_can() -> None:
    """A descriptor clue beside the account's own website does not make the website forgeable."""
    links = [link(SELLER, kind="clue_descriptor"), link(SELLER)]
    assert stated(SELLER, flagged(AMBER), links)["direct_forgeable"] is False
    assert ranked(flagged(AMBER), links)[SELLER]["tier"] == "T1"


# --------------------------------------------------------------------------- outside the validity


def test_links_outside_the_validity_are_shown_on_watch_without_points() -> None:
    """Such an account closes the list, with the reason and with the counter-evidence."""
    rows = ranked(flagged(AMBER), [link(SELLER), link(OTHER, in_window=False)])
    assert list(rows) == [SELLER, OTHER]
    row = rows[OTHER]
    assert (row["tier"], row["points_nano"], row["score"], row["hops"]) == ("watch", 0, 0.0, 1)
    assert row["tier_reason"] == "linked only outside the validity of the referral"
    assert row["counter_evidence"] == ["outside_validity"]
    assert row["strongest_link"] == "declared website: amber[.]example"
    assert row["referral_ids"] == ["R-000001"]


def test_rules_do_not_give_points_to_an_account_outside_the_validity() -> None:
    """Behaviour supports a link and never replaces one."""
    row = ranked(flagged(AMBER), [link(OTHER, in_window=False)], hits=[hit(OTHER)])[OTHER]
    assert (row["points_nano"], row["tier"], row["rule_hits"]) == (0, "watch", ["prepaid-share"])


# --------------------------------------------------------------------------- order and ties


def test_tiers_come_before_points() -> None:
    """An account of the first tier stands above one with more points of a lower tier."""
    domains = flagged(
        {"domain": "amber.example", "confidence_nano": 700_000_000}, {**PLATFORM, "domain": "host.example"}
    )
    rich = [link(OTHER, "host.example", kind=kind) for kind in ("declared_website", "observed_requestor_url")]
    rows = ranked(domains, [link(SELLER), *rich])
    assert list(rows) == [SELLER, OTHER]
    assert rows[SELLER]["points_nano"] < rows[OTHER]["points_nano"]


def test_equal_accounts_share_a_place_and_the_next_place_is_left_free() -> None:
    """Two equal accounts are both first, each tied with one other; the third is third."""
    domains = flagged(AMBER, {"domain": "blue.example"}, {"domain": "cyan.example", "confidence_nano": 900_000_000})
    rows = ranked(domains, [link("ACQ1/z"), link("ACQ1/a", "blue.example"), link("ACQ1/k", "cyan.example")])
    assert {account: (row["rank"], row["tied_with"]) for account, row in rows.items()} == {
        "ACQ1/a": (1, 1), "ACQ1/z": (1, 1), "ACQ1/k": (3, 0),
    }  # fmt: skip


def test_the_account_id_never_decides_a_place() -> None:
    """Exchanged names exchange the rows and nothing else."""
    domains = flagged(AMBER, {"domain": "blue.example", "confidence_nano": 800_000_000}, {"domain": "cyan.example"})
    names = ["ACQ1/a", "ACQ1/b", "ACQ1/c"]
    sites = ["amber.example", "blue.example", "cyan.example"]
    places = []
    for order in (names, names[::-1]):
        rows = ranked(domains, [link(account, site) for account, site in zip(order, sites, strict=True)])
        places.append([(rows[account]["rank"], rows[account]["tied_with"]) for account in order])
    assert places[0] == places[1] == [(1, 1), (3, 0), (1, 1)]


def test_more_hotlines_decide_between_equal_points() -> None:
    """Tie-breakers are declared: two hotlines come before one where all else is equal."""
    domains = flagged(AMBER, {"domain": "blue.example", "hotlines": ["hotline-north", "hotline-south"]})
    rows = ranked(domains, [link("ACQ1/a"), link("ACQ1/b", "blue.example")])
    assert rows["ACQ1/a"]["points_nano"] == rows["ACQ1/b"]["points_nano"]
    assert [(account, row["rank"], row["tied_with"]) for account, row in rows.items()] == [
        ("ACQ1/b", 1, 0), ("ACQ1/a", 2, 0),
    ]  # fmt: skip


def test_points_and_score_are_those_of_the_ledger() -> None:
    """Points are nano-units over a billion, the score is in percent and does not reach a hundred."""
    row = ranked(flagged(AMBER), [link(SELLER)])[SELLER]
    assert row["points"] == row["points_nano"] / 1e9 == pytest.approx(2.995732274)
    assert row["score"] == pytest.approx(95.0)


# --------------------------------------------------------------------------- who says so


def test_referrals_behind_an_account_are_those_of_its_own_links() -> None:
    """Where an account has links of its own, what its neighbours brought is not mixed in."""
    domains = flagged(AMBER, {"domain": "blue.example", "hotlines": ["hotline-south"]})
    holdings = [("settlement_account", "S", SELLER), ("settlement_account", "S", SISTER)]
    rows = ranked(domains, [link(SELLER), link(SISTER, "blue.example")], holdings)
    assert (rows[SELLER]["referral_ids"], rows[SELLER]["hotlines"]) == (["R-000001"], ["hotline-north"])
    assert (rows[SISTER]["referral_ids"], rows[SISTER]["hotlines"]) == (["R-000002"], ["hotline-south"])


def test_without_links_of_its_own_the_referrals_of_its_neighbours_stand_behind_an_account() -> None:
    """A sister account names all referrals that reach it over what it shares, each hotline once."""
    domains = flagged(AMBER, {"domain": "blue.example", "hotlines": ["hotline-south"], "assurance": "signed"})
    holdings = [("settlement_account", "S", account) for account in (SELLER, OTHER, SISTER)]
    rows = ranked(domains, [link(SELLER), link(OTHER, "blue.example")], holdings)
    assert rows[SISTER]["referral_ids"] == ["R-000001", "R-000002"]
    assert rows[SISTER]["hotlines"] == ["hotline-north", "hotline-south"]
    assert rows[SISTER]["assurance"] == "signed"


def test_the_best_proof_of_origin_is_shown() -> None:
    """Of several referrals the best-proven one gives the assurance."""
    domains = flagged({**AMBER, "assurance": "transcribed"}, {"domain": "blue.example", "assurance": "signed-2org"})
    assert ranked(domains, [link(SELLER), link(SELLER, "blue.example")])[SELLER]["assurance"] == "signed-2org"


def test_the_strongest_link_is_named_and_its_domain_cannot_be_clicked() -> None:
    """Kind and counterpart of the item with most points, dots in brackets."""
    links = [
        link(SELLER, "pay.amber.example", kind="observed_requestor_url"),
        link(SELLER, "pay.amber.example", kind="email_domain"),
    ]
    row = ranked(flagged({"domain": "pay.amber.example"}), links)[SELLER]
    assert row["strongest_link"] == "website seen in 3-D Secure messages: pay[.]amber[.]example"


def test_rules_are_listed_by_what_came_of_them() -> None:
    """Hits and open questions each have a sorted list; rules that did not hit are in neither."""
    hits = [
        hit(SELLER, "prepaid-share"), hit(SELLER, "few-price-points"),
        hit(SELLER, "undeclared-url", outcome="not_evaluated"), hit(SELLER, "new-account", outcome="no_hit"),
    ]  # fmt: skip
    row = ranked(flagged(AMBER), [link(SELLER)], hits=hits)[SELLER]
    assert row["rule_hits"] == ["few-price-points", "prepaid-share"]
    assert row["not_evaluated"] == ["undeclared-url"]


# --------------------------------------------------------------------------- what speaks against it


@pytest.mark.parametrize("caveat", ["single_hotline", "expired", "site_down", "mixed_script", "shared_host"])
def test_caveats_of_the_domain_stand_beside_the_account(caveat: str) -> None:
    """What is to be said against a referral is said with every account it reaches, sisters included."""
    holdings = [("settlement_account", "S", SELLER), ("settlement_account", "S", SISTER)]
    rows = ranked(flagged({**AMBER, "caveats": [caveat]}), [link(SELLER)], holdings)
    assert rows[SELLER]["counter_evidence"] == [caveat]
    assert rows[SISTER]["counter_evidence"] == [caveat]


def test_an_expired_referral_is_a_fact_only_if_nothing_else_stands() -> None:
    """Expired holds when every referral behind the account has expired."""
    domains = flagged({**AMBER, "caveats": ["expired"]}, {"domain": "blue.example"})
    assert stated(SELLER, domains, [link(SELLER)])["expired"] is True
    assert stated(SELLER, domains, [link(SELLER), link(SELLER, "blue.example")])["expired"] is False


@pytest.mark.parametrize(
    ("matches", "noted"), [(["label"], True), (["close", "label"], True), (["exact", "label"], False)]
)
def test_near_matches_alone_are_noted(matches: list[str], noted: bool) -> None:
    """An account without any exact match says so."""
    sites = [f"site-{i}.example" for i in range(len(matches))]
    links = [link(SELLER, site, match=match) for site, match in zip(sites, matches, strict=True)]
    row = ranked(flagged(*({"domain": site} for site in sites)), links)[SELLER]
    assert row["counter_evidence"] == (["near_match_only"] if noted else [])


@pytest.mark.parametrize(("holders", "noted"), [(49, False), (50, True)])
def test_widely_shared_identifiers_are_noted(holders: int, noted: bool) -> None:
    """From fifty holders on, an identifier is named as widely shared."""
    holdings = [
        ("settlement_account", "S", SELLER),
        *(("settlement_account", "S", f"ACQ1/{i:02d}") for i in range(1, holders)),
    ]
    row = ranked(flagged(AMBER), [link(SELLER)], holdings)["ACQ1/01"]
    assert ("widely_shared_identifier" in row["counter_evidence"]) is noted


def test_activity_inside_and_outside_the_validity_is_both_shown() -> None:
    """An account keeps its tier, with a note that some of its activity does not count."""
    row = ranked(flagged(AMBER), [link(SELLER), link(SELLER, in_window=False)])[SELLER]
    assert (row["tier"], row["counter_evidence"]) == ("T1", ["outside_validity"])


# --------------------------------------------------------------------------- what must not decide or hide


def test_a_link_without_weight_is_not_called_outside_the_validity() -> None:
    """A hotline may confirm with no confidence at all: inside the validity, and without points."""
    row = ranked(flagged({**AMBER, "confidence_nano": 0}), [link(SELLER)])[SELLER]
    assert (row["tier"], row["points_nano"]) == ("watch", 0)
    assert row["tier_reason"] != "linked only outside the validity of the referral"


def test_referrals_that_give_the_points_are_named() -> None:
    """An own link outside the validity does not hide the referral that the points come from."""
    domains = flagged(AMBER, {"domain": "blue.example"})
    holdings = [("settlement_account", "S", SELLER), ("settlement_account", "S", SISTER)]
    rows = ranked(domains, [link(SELLER), link(SISTER, "blue.example", in_window=False)], holdings)
    assert rows[SISTER]["points_nano"] > 0
    assert "R-000001" in rows[SISTER]["referral_ids"]


def test_names_of_contributors_do_not_decide_who_stands_behind_an_account() -> None:
    """Twelve equal neighbours bring twelve referrals, and every hotline among them counts."""
    domains = flagged(*({"domain": f"site-{i:02d}.example"} for i in range(12)))
    holders = [f"ACQ1/{i:02d}" for i in range(12)]
    links = [link(account, f"site-{i:02d}.example") for i, account in enumerate(holders)]
    rows = ranked(domains, links, [("settlement_account", "S", account) for account in (*holders, SISTER)])
    assert len(rows[SISTER]["referral_ids"]) == 12


@pytest.mark.parametrize("domain", [AMBER, PLATFORM], ids=["dedicated", "shared"])
def test_descriptor_and_price_on_a_flagged_page_place_nobody(domain: dict[str, Any]) -> None:
    """What anyone can put on a page is no second kind of link."""
    links = [link(SELLER, kind="clue_descriptor"), link(SELLER, kind="clue_amount")]
    assert ranked(flagged(domain), links, hits=[hit(SELLER)])[SELLER]["tier"] == "watch"


def test_a_shared_website_cannot_be_clicked_either() -> None:
    """Hosts are defanged wherever they stand."""
    rows = ranked(
        flagged(AMBER), [link(SELLER)], [("website", "blue.example", account) for account in (SELLER, SISTER)]
    )
    assert rows[SISTER]["strongest_link"] == "website: blue[.]example"
