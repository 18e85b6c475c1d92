"""Exceptions: hits that are set aside with a reason, never a link, and never unseen."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from merchantscreen.errors import PolicyError
from merchantscreen.policy import exceptions
from merchantscreen.policy.evaluation import decide
from merchantscreen.policy.loading import load_files, load_policy
from merchantscreen.policy.model import RuleException
from merchantscreen.vocabulary import ExceptionState, RuleOutcome

DAY = date(2026, 11, 1)
POLICY = load_policy()
RULE = next(rule for rule in POLICY.rules if rule.id == "few-price-points")
FEATURES = pl.DataFrame(
    {"account_id": ["A/1", "A/2", "A/3"], "purchase_count": [50, 50, 50], "top3_price_share": [0.99, 0.99, 0.1]}
)
HOLDERS = pl.DataFrame({"kind": ["tax_id"] * 2, "value": ["tax-1"] * 2, "account_id": ["A/2", "Z/9"]})
BY_ACCOUNT = RuleException(
    id="club-shop", title="Club shop", version="1.0.0", rules=("few-price-points",), account_id="A/1", kind=None,
    value=None, owner="desk", approver=None, reason="Three sizes of one jersey.", effective_from=date(2026, 10, 1),
    expires_on=date(2026, 11, 1), file="exceptions/club-shop.yml",
)  # fmt: skip
BY_HOLDER = replace(BY_ACCOUNT, id="one-owner", account_id=None, kind="tax_id", value="tax-1")
TEXT = """
id: club-shop
title: Club shop with few sizes
version: 1.0.0
rules: [few-price-points]
account: A/1
owner: merchantscreen rule desk
approver: null
reason: Three sizes of one jersey at three prices.
effective_from: 2026-10-01
expires_on: 2027-10-01
"""


def _run(*entries: RuleException, day: date = DAY) -> tuple[pl.DataFrame, pl.DataFrame]:
    valid = exceptions.in_force(entries, day)
    targeted = exceptions.targets(valid, FEATURES["account_id"], HOLDERS)
    decided = decide([RULE], FEATURES, targeted)
    return decided, exceptions.results(entries, targeted, decided, day)


def test_a_hit_is_set_aside_and_stays_a_hit() -> None:
    """The outcome does not change; the exception stands beside it, for its account only."""
    decided, results = _run(BY_ACCOUNT)
    assert decided.select("account_id", "outcome", "exception_id").rows() == [
        ("A/1", RuleOutcome.HIT, "club-shop"),
        ("A/2", RuleOutcome.HIT, None),
        ("A/3", RuleOutcome.NO_HIT, None),
    ]
    assert results.select("exception_id", "state", "account_count", "hit_count").rows() == [
        ("club-shop", ExceptionState.APPLIED, 1, 1)
    ]


def test_an_identifier_means_its_holders_that_are_looked_at() -> None:
    """Holders outside the neighbourhood are none of the run's business."""
    decided, results = _run(BY_HOLDER)
    assert decided.filter(pl.col("exception_id").is_not_null())["account_id"].to_list() == ["A/2"]
    assert results["subject"].to_list() == ["holders of one tax_id"]


def test_of_two_exceptions_the_first_by_id_is_named_and_the_other_is_unused() -> None:
    """One hit is set aside once, so that counts add up."""
    decided, results = _run(replace(BY_ACCOUNT, id="b-second"), BY_ACCOUNT, replace(BY_ACCOUNT, id="a-first"))
    assert decided.row(0, named=True)["exception_id"] == "a-first"
    assert dict(results.select("exception_id", "state").iter_rows()) == {
        "a-first": "applied", "b-second": "unused", "club-shop": "unused",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("day", "state"),
    [
        (date(2026, 9, 30), "not_yet"),
        (date(2026, 10, 1), "applied"),
        (date(2026, 11, 1), "applied"),
        (date(2026, 11, 2), "expired"),
    ],
)
def test_an_exception_holds_from_its_first_day_to_its_last(day: date, state: str) -> None:
    """Both days are included; outside them nothing is set aside, and the reader is told."""
    decided, results = _run(BY_ACCOUNT, day=day)
    assert results["state"].to_list() == [state]
    assert decided["exception_id"].is_null().all() == (state != "applied")


def test_an_exception_for_nobody_is_told_as_unused() -> None:
    """An exception whose account is not near any domain is listed all the same."""
    _, results = _run(replace(BY_ACCOUNT, account_id="A/777"))
    assert results.select("state", "account_count", "hit_count").row(0) == ("unused", 0, 0)


# --------------------------------------------------------------------------- files


def _with(text: str) -> dict[str, bytes]:
    return {**POLICY.files, "exceptions/club-shop.yml": text.encode()}


def test_an_exception_is_a_file_of_the_policy() -> None:
    """It is loaded, part of the digest, and a document like any other."""
    policy = load_files(_with(TEXT))
    assert [entry.id for entry in policy.exceptions] == ["club-shop"]
    assert policy.digest != POLICY.digest
    assert policy.documents["exceptions/club-shop.yml"].owner == "merchantscreen rule desk"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("few-price-points", "declared-website-referred", "MS-POL-064"),
        ("few-price-points", "no-such-rule", "MS-POL-063"),
        ("expires_on: 2027-10-01", "expires_on: 2027-10-03", "MS-POL-065"),
        ("expires_on: 2027-10-01", "expires_on: 2026-10-01", "MS-POL-066"),
        ("account: A/1", "identifier: {kind: declared_website, value: a.example}", "MS-POL-067"),
        ("account: A/1", "", "MS-POL-022"),
        ("account: A/1", "account: A/1\nidentifier: {kind: tax_id, value: t}", "MS-POL-022"),
        ("approver: null", "approver: Merchantscreen  Rule Desk", "MS-POL-046"),
        ("id: club-shop", "id: other-shop", "MS-POL-049"),
        ("reason: Three", "because: Three", "MS-POL-020"),
    ],
)
def test_an_exception_that_could_hide_something_is_refused(old: str, new: str, code: str) -> None:
    """No exception from a link, none without end, none for nobody, none without a reason."""
    assert old in TEXT
    with pytest.raises(PolicyError) as refusal:
        load_files(_with(TEXT.replace(old, new, 1)))
    assert code in {problem.code for problem in refusal.value.problems}
    assert {problem.where for problem in refusal.value.problems} == {"exceptions/club-shop.yml"}
