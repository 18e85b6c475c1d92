"""The explanation of an account: the worked example of docs/method.md, line by line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit import small_run

from merchantscreen.errors import IntegrityError
from merchantscreen.identifiers import BY_NAME
from merchantscreen.outputs.explanation import Case, CaseFrames, case_of, explain, nano
from merchantscreen.paths import strongest_paths
from merchantscreen.tables import Ledger

FRAMES = CaseFrames(small_run.LEDGER, small_run.CONTRIBUTIONS, small_run.LINKS, small_run.RULES, small_run.SHADOW)
NUMBERS = {
    "account_rounds": 2, "residual_nano": 50_000_000, "kind_cap_nano": 3_000_000_000, "typology_cap_nano": 500_000_000,
    "indirect_carry_nano": 200_000_000, "direct_carry_nano": 800_000_000,
}  # fmt: skip


def _case(account: str, **changed: object) -> Case:
    row = small_run.RANKING.filter(account_id=account).to_dicts()[0] | changed
    paths = strongest_paths(small_run.LEDGER, small_run.CONTRIBUTIONS, account)
    return case_of(row, FRAMES, paths, NUMBERS)


def _text(account: str) -> str:
    return "\n".join(line.plain for line in explain(_case(account)))


def test_a_direct_link_is_shown_as_arithmetic() -> None:
    """The formula stands with its numbers, then the stored result, then where the risk comes from."""
    text = _text("400001/M1")
    assert "s = w·g·f·ρ / √deg = 0.95·1·1·1 / √1 = 0.95" in text
    assert "e = −ln(1 − s) = −ln(1 − 0.95) = 2.995732274" in text
    assert "ρ: amber-shop[.]example is confirmed by a hotline" in text
    assert "score     95.0 of 100, 2.995732274 points, 1 step away" in text


def test_a_shared_identifier_is_shown_with_its_contributions() -> None:
    """k is the sum of listed terms, and u is written out for a calculator."""
    text = _text("400001/M2")
    assert "= min(1, max((0.76 − 0.0001·2) / (1 + 2^¾), 0.05·0.76 / (1 + 2)))" in text
    assert "s = w·g·u = 0.6·1·u = 0.169990759" in text
    assert "0.76 / 1 = 0.76  from 400001/M1" in text
    assert "n: 399 other accounts with it, in all data" in text


def test_the_parts_add_up_to_the_total() -> None:
    """The kinds are added up in the open, to the total that ranks the account."""
    assert "total: E = 1.279792497 + 0.186318445 + 0.00239589 = 1.468506832" in _text("400001/M2")


def test_parts_that_do_not_add_up_are_no_explanation() -> None:
    """Where ledger and ranking disagree by one nano-unit, there is an error instead of a story."""
    with pytest.raises(IntegrityError) as caught:
        _case("400001/M2", points_nano=1_468_506_833)
    assert caught.value.problems[0].code == "MS-RUN-016"


def test_several_items_of_a_kind_are_combined_in_the_open() -> None:
    """Two links of one kind show the norm that combines them, with the cap."""
    link = small_run.LEDGER.filter(round=2, subject="400001/M1").to_dicts()[0]
    half = {
        "strength_nano": 500_000_000,
        "points_nano": 693_147_181,
        "kind_points_nano": 1_100_302_559,
        "risk_nano": 526_315_789,
    }
    ledger = small_run.frame(Ledger, [link | half, link | half | {"counterpart": "other-shop.example"}])
    row = small_run.RANKING.to_dicts()[0] | {"points_nano": 1_100_302_559}
    case = case_of(row, replace(FRAMES, ledger=ledger), (), NUMBERS)
    text = "\n".join(line.plain for line in explain(case))
    assert "declared website: E = min(3, (0.693147181^1.5 + 0.693147181^1.5)^(2/3)) = 1.100302559" in text


def test_the_risk_of_a_linked_domain_is_followed_back() -> None:
    """A domain that no hotline confirmed shows which confirmed domain it got its risk from."""
    link = small_run.LEDGER.filter(round=2, subject="400001/M1").to_dicts()[0]
    onward = link | {"counterpart": "next-shop.example", "from_confirmed": False}
    moved = link | {
        "round": 0, "subject": "next-shop.example", "kind": "moved_to", "counterpart": "amber-shop.example",
        "match": None, "seen_as": None,
    }  # fmt: skip
    ledger = small_run.frame(Ledger, [moved, onward])
    row = small_run.RANKING.to_dicts()[0]
    case = case_of(row, replace(FRAMES, ledger=ledger), (), NUMBERS)
    text = "\n".join(line.plain for line in explain(case))
    assert "next-shop[.]example is not confirmed itself" in text
    assert "domain the site moved to: amber-shop[.]example, s = 0.95·1·1 / √1 = 0.95" in text


def test_rules_show_three_outcomes_with_what_they_saw() -> None:
    """A rule without data is not a rule that found nothing, and what it lacked is named."""
    text = _text("400001/M2")
    assert "no hit        new-account 1.0.0" in text
    assert "not evaluated prepaid-share 1.0.0" in text
    assert "observed prepaid_share = not known" in text
    assert "prepaid-share: prepaid_share not known; that is not a clean result" in text


def test_doubts_stand_beside_the_evidence() -> None:
    """What speaks against a link, and an old link outside the validity, are part of the explanation."""
    text = _text("400001/M2")
    assert "· one hotline only" in text
    assert "old-shop[.]example (2026-09-01 to 2026-11-01): outside the validity of the referral, worth nothing" in text


@pytest.mark.parametrize("kind", ["settlement_account", "phone", "ip", "observed_requestor_url"])
def test_every_kind_present_brings_its_innocent_explanation(kind: str) -> None:
    """For each kind of link or identifier there is the lawful reason to rule out first."""
    assert BY_NAME[kind].innocent in _text("400001/M2")


def test_paths_lead_from_the_domain_to_the_account() -> None:
    """The strongest path reads from the confirmed domain to the account, domains defanged."""
    text = _text("400001/M2")
    assert (
        "amber-shop[.]example → declared website → 400001/M1 → settlement account acct-1 → 400001/M2  (strength 0.686)"
        in text
    )


def test_a_hostile_name_is_only_shown() -> None:
    """Escape sequences of a trading name do not reach the terminal."""
    assert r"name      =HYPERLINK(1)\x1b[2J" in _text("400001/M2")


@given(st.integers(-(10**18), 10**18))
def test_nano_units_are_written_exactly(amount: int) -> None:
    """A decimal number written from nano-units reads back as the same amount."""
    text = nano(amount).replace("−", "-")
    whole, _, fraction = text.lstrip("-").partition(".")
    back = int(whole) * 10**9 + int(fraction.ljust(9, "0"))
    assert (-back if text.startswith("-") else back) == amount
