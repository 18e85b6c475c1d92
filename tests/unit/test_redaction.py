"""What a role does not let out is withheld by a name that still adds up, and the file says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from unit import small_run

from merchantscreen.bundle import Bundle
from merchantscreen.outputs.casefile import case_files
from merchantscreen.outputs.redaction import WITHHELD, Sight, acquirer_of, seen_with

OTHER = "mc:500002/M1"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Give the small run, in which the account that passes risk on is at another acquirer."""
    names = {"400001/M1": OTHER}
    made = small_run.bundle(tmp_path)
    ledger = made.ledger.with_columns(
        pl.col("subject").replace(names), contributors=pl.col("contributors").list.eval(pl.element().replace(names))
    )
    frames = {part: getattr(made, part).with_columns(pl.col("account_id").replace(names))
              for part in ("ranking", "contributions", "links", "rules", "facts")}  # fmt: skip
    return replace(made, ledger=ledger, **frames)


def test_a_lead_lets_out_what_the_run_holds(bundle: Bundle) -> None:
    """Nothing is changed, and contact data are said to be tokens, which they are for everybody."""
    seen = seen_with(bundle, Sight.WHOLE, for_account="400001/M2")
    assert seen.bundle is bundle
    assert seen.withheld == ("contact e-mail, phone and postal address: keyed tokens only, as in the run",)


def test_others_at_other_acquirers_are_numbered_and_sums_still_hold(bundle: Bundle) -> None:
    """The account at the other acquirer has one name everywhere, and the case file still adds up."""
    seen = seen_with(bundle, Sight.TOKENS, for_account="400001/M2")
    files = case_files(seen.bundle, "400001/M2", withheld=seen.withheld)
    everything = b"".join(files.values())
    assert b"500002" not in everything
    assert b"other-1" in everything
    assert b"accounts at other acquirers: numbered" in files["case.html"]
    assert b"1 at other acquirers" in files["summary.txt"]
    assert b"500002" in b"".join(case_files(bundle, "400001/M2").values())


def test_the_domain_of_a_contact_is_withheld_unless_it_is_the_flagged_one(bundle: Bundle) -> None:
    """Of two links by e-mail, the one to a host under the flagged domain loses that host and stays a link."""
    links = pl.concat([bundle.links.head(1)] * 2).with_columns(
        kind=pl.lit("email_domain"), domain=pl.lit("amber-shop.example"),
        seen_as=pl.Series(["amber-shop.example", "jan.amber-shop.example"]),
    )  # fmt: skip
    seen = seen_with(replace(bundle, links=links), Sight.TOKENS)
    assert seen.bundle.links["seen_as"].to_list() == ["amber-shop.example", WITHHELD]
    assert seen.withheld[1] == f"1 domain of contact e-mails that are no flagged domain: {WITHHELD}"


@pytest.mark.parametrize(("account", "acquirer"), [("400001/M1", "400001"), ("visa:400001/M1/PF/S", "400001")])
def test_the_acquirer_is_read_from_an_account_id(account: str, acquirer: str) -> None:
    """With or without the network before it."""
    assert acquirer_of(account) == acquirer
