"""The difference between two runs: what came, went and moved, told without judging."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from rich.console import Console
from unit import small_run

from merchantscreen.bundle import Bundle, RunFacts, read_bundle, write_bundle
from merchantscreen.outputs.rundiff import difference_values, show_account, show_difference
from merchantscreen.rundiff import AccountChange, Move, RunDifference, State, difference
from merchantscreen.screening import ScreenResult
from merchantscreen.tables import BlindSpots


def _bundle(folder: Path, name: str, result: ScreenResult = small_run.RESULT, facts: RunFacts | None = None) -> Bundle:
    stated = replace(facts or small_run.facts(), run_id=name)
    return read_bundle(write_bundle(folder, stated, _adding_up(result), small_run.REJECTS))


def _adding_up(result: ScreenResult) -> ScreenResult:
    """Give the first item of each account what is missing to its points: no run is written that does not add up."""
    final = pl.col("round") == pl.col("round").max()
    points = result.ranking.select(subject="account_id", goal="points_nano")
    stated = result.ledger.with_row_index("at").filter(final).join(points, on="subject")
    missing = stated.group_by("subject").agg(
        pl.col("at").min(), gap=pl.col("goal").first() - pl.col("share_nano").sum()
    )
    shares = result.ledger.with_row_index("at").join(
        missing.select("at", "gap"), on="at", how="left", maintain_order="left"
    )
    whole = shares.with_columns(share_nano=pl.col("share_nano") + pl.col("gap").fill_null(0)).drop("at", "gap")
    return replace(result, ledger=whole)


def _compared(folder: Path, facts: RunFacts | None = None, **changed: pl.DataFrame) -> RunDifference:
    new = _bundle(folder, "new", replace(small_run.RESULT, **cast("dict[str, Any]", changed)), facts)
    return difference(_bundle(folder, "old"), new)


def _one(found: RunDifference, account: str) -> AccountChange:
    return next(one for one in found.accounts if one.account_id == account)


def _set(frame: pl.DataFrame, where: pl.Expr, **values: Any) -> pl.DataFrame:
    return frame.with_columns(
        pl.when(where).then(pl.lit(value, dtype=frame.schema[name])).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def _shown(found: RunDifference, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False, emoji=False)
    show_difference(console, found, ("runs/old", "runs/new"))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_a_run_does_not_differ_from_itself(tmp_path: Path) -> None:
    """The same result under another name has no difference, and every account is counted as before."""
    found = _compared(tmp_path)
    assert (found.accounts, found.referrals, found.domains, found.blind_spots, found.facts) == ((), (), (), (), ())
    assert (found.unchanged_count, found.needs_a_look) == (4, False)
    assert {one.state for one in found.files} == {State.SAME}


def test_accounts_that_are_ranked_in_one_run_only_entered_or_left(tmp_path: Path) -> None:
    """Who comes and who goes is told with all items, and one that went is not called clean."""
    old = _bundle(tmp_path, "old", replace(small_run.RESULT, ranking=small_run.RANKING.filter(rank=1)))
    new = _bundle(tmp_path, "new")
    entered, left = difference(old, new), difference(new, old)
    assert (entered.count(Move.ENTERED), left.count(Move.LEFT)) == (3, 3)
    assert (entered.needs_a_look, left.needs_a_look) == (True, False)
    assert next(one.account_id for one in entered.accounts) == "400001/M2"
    text = _shown(left)
    assert "not ranked" in text
    assert "clean" not in text.partition("Could not be tested")[0]


def test_a_change_of_tier_is_a_move_up_or_down(tmp_path: Path) -> None:
    """Tiers are compared in their order; both ends are told."""
    up = _set(small_run.RANKING, pl.col("account_id") == "400001/M2", tier="T1")
    found = _compared(tmp_path, ranking=up)
    one = _one(found, "400001/M2")
    assert (one.move, one.before and one.before.tier, one.after and one.after.tier) == (Move.MOVED_UP, "T3", "T1")
    down = difference(_bundle(tmp_path, "up", replace(small_run.RESULT, ranking=up)), _bundle(tmp_path, "again"))
    assert _one(down, "400001/M2").move is Move.MOVED_DOWN


def test_who_enters_above_pushes_nobody(tmp_path: Path) -> None:
    """A place moves only against accounts that were in the tier before."""
    without = small_run.RANKING.filter(pl.col("rank") != 2).with_columns(
        rank=pl.when(pl.col("rank") == 3).then(2).otherwise("rank").cast(pl.Int64)
    )
    found = difference(_bundle(tmp_path, "old", replace(small_run.RESULT, ranking=without)), _bundle(tmp_path, "new"))
    assert [one.account_id for one in found.accounts if one.move is Move.PLACE] == []
    swapped = _set(small_run.RANKING, pl.col("account_id") == "400001/M4", rank=4)
    moved = _compared(tmp_path / "b", ranking=swapped)
    assert [(one.account_id, one.move) for one in moved.accounts] == [("400001/M4", Move.PLACE)]


def test_items_appear_disappear_and_change(tmp_path: Path) -> None:
    """Each ledger item of the last round is told with what differs, and no other round is."""
    last, held = pl.col("round") == 2, pl.col("subject") == "400001/M2"
    ledger = small_run.LEDGER.filter(~(last & held & (pl.col("kind") == "ip")))
    ledger = _set(ledger, last & held & (pl.col("kind") == "phone"), others_count=3, points_nano=100)
    ledger = _set(ledger, last & held & (pl.col("kind") == "settlement_account"), counterpart="acct-2")
    items = {(one.kind, one.counterpart): one for one in _one(_compared(tmp_path, ledger=ledger), "400001/M2").items}
    assert {key: one.state for key, one in items.items()} == {
        ("ip", "ip-1"): State.DISAPPEARED, ("phone", "tel-1"): State.CHANGED,
        ("settlement_account", "acct-1"): State.DISAPPEARED, ("settlement_account", "acct-2"): State.APPEARED,
    }  # fmt: skip
    assert {(f.name, f.before, f.after) for f in items["phone", "tel-1"].fields} == {
        ("others_count", 2, 3), ("points_nano", 186_318_445, 100),
    }  # fmt: skip


def test_dates_of_activity_are_compared(tmp_path: Path) -> None:
    """New activity on an old link is a change, written as every output writes moments."""
    is_link = (pl.col("round") == 2) & (pl.col("family") == "link")
    ledger = _set(small_run.LEDGER, is_link, last_at=small_run.AS_OF, transaction_count=4)
    (item,) = _one(_compared(tmp_path, ledger=ledger), "400001/M1").items
    assert [(f.name, f.after) for f in item.fields] == [("transaction_count", 4), ("last_at", "2026-11-01T00:00:00Z")]


def test_contact_tokens_under_another_key_are_not_compared(tmp_path: Path) -> None:
    """They would all seem gone and new; what can be compared is their number and points."""
    facts = replace(small_run.facts(), pseudonym_key_id="key-2")
    phones = pl.col("kind") == "phone"
    same = _compared(tmp_path, facts, ledger=_set(small_run.LEDGER, phones, counterpart="tel-9"))
    assert (same.tokens_comparable, same.accounts) == (False, ())
    assert "contact tokens" in _shown(same)
    gone = _compared(tmp_path / "b", facts, ledger=small_run.LEDGER.filter(~phones))
    (item,) = _one(gone, "400001/M2").items
    assert (item.state, item.kind, item.counterpart) == (State.NOT_COMPARABLE, "phone", "")
    assert next((f.name, f.before, f.after) for f in item.fields) == ("item_count", 1, 0)


def test_rules_doubts_and_referrals_of_an_account(tmp_path: Path) -> None:
    """A rule that decides otherwise, a doubt that came, a referral that went: each is told."""
    rules = _set(small_run.RULES, pl.col("rule_id") == "prepaid-share", outcome="hit", reason="Many are prepaid.")
    ranking = small_run.RANKING.with_columns(
        pl.lit([["expired"]]).list.first().alias("counter_evidence"),
        pl.lit([["R-2"]]).list.first().alias("referral_ids"),
    )
    one = _one(_compared(tmp_path, rules=rules, ranking=ranking), "400001/M2")
    assert [(r.rule_id, r.outcome_before, r.outcome_after) for r in one.rules] == [
        ("prepaid-share", "not_evaluated", "hit")
    ]
    assert (one.doubts_came, one.doubts_went) == (("expired",), ("single_hotline",))
    assert (one.referrals_came, one.referrals_went) == (("R-2",), ("R-1",))
    assert one.move is Move.EVIDENCE


def test_a_referral_that_no_longer_counts_is_told_with_its_reason_but_never_a_hold(tmp_path: Path) -> None:
    """Retracted is said; a law-enforcement hold is not, and its referral is not named."""
    for kind, why in (("referral_retracted", "referral_retracted"), ("held_for_law_enforcement", None)):
        spots = small_run.frame(
            BlindSpots, [{"kind": kind, "subject": "R-1", "count": 1, "detail": "so"}]
        )  # fmt: skip
        found = _compared(tmp_path / kind, domains=small_run.DOMAINS.head(0), blind_spots=spots)
        assert [(one.state, one.key, one.why) for one in found.referrals] == [(State.DISAPPEARED, ("R-1",), why)]
        assert [one.state for one in found.domains] == [State.DISAPPEARED] * 2
        assert found.blind_spots[0].key == (kind, "R-1" if why else "")


def test_what_the_runs_worked_with(tmp_path: Path) -> None:
    """Moment, policy and files that differ are told; files are told apart by content, not by name."""
    sources = (replace(small_run.SOURCES[2], sha256="f" * 64), *small_run.SOURCES[:2])
    policy = replace(small_run.POLICY, digest="e" * 64)
    facts = replace(
        small_run.facts(), sources=sources, policy=policy, as_of=small_run.AS_OF + timedelta(days=7)
    )  # fmt: skip
    found = _compared(tmp_path, facts)
    assert {one.name for one in found.facts} == {"as_of", "policy"}
    states = {one.state: one.sha256 for one in found.files if one.state is not State.SAME}
    assert states == {State.APPEARED: "f" * 64, State.DISAPPEARED: "a" * 64}
    assert "merchantscreen rules diff runs/old runs/new" in _shown(found)


@pytest.mark.parametrize("width", [30, 60, 80, 120, 180])
def test_the_page_fits_and_nothing_foreign_acts(tmp_path: Path, width: int) -> None:
    """Lines fit the terminal, hostile names are escaped, accounts are whole where there is room, sites defanged."""
    old = _bundle(tmp_path, "old", replace(small_run.RESULT, ranking=small_run.RANKING.head(0)))
    text = _shown(difference(old, _bundle(tmp_path, "new")), width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    assert "amber-shop.example" not in text
    assert "400001/M2" in text
    if width >= 60:
        assert "ACME [/] LTD" in text
        assert "UNAPPROVED POLICY" in text


def test_json_holds_everything_and_one_account_can_be_asked_for(tmp_path: Path) -> None:
    """The values are JSON, complete, and can be cut down to one account; so can the page."""
    old = _bundle(tmp_path, "old", replace(small_run.RESULT, ranking=small_run.RANKING.head(1)))
    found = difference(old, _bundle(tmp_path, "new"))
    values = json.loads(json.dumps(difference_values(found)))
    assert values["counts"]["entered"] == len(values["accounts"]) == 3
    assert [one["account_id"] for one in difference_values(found, "400001/M3")["accounts"]] == ["400001/M3"]
    console = Console(file=io.StringIO(), width=80)
    show_account(console, found, "400001/M1")
    assert "nothing differs" in console.file.getvalue()  # type: ignore[attr-defined]
