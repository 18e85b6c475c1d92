"""The report: every number on it is in the bundle, and no text of the bundle can act on it."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import unicodedata
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
from cli.command import merchantscreen
from naughty import NAUGHTY
from report.page_reading import Page
from unit import small_run

from merchantscreen.bundle import Bundle, RunFacts, read_bundle, write_bundle
from merchantscreen.outputs.manifest import ComparedRun
from merchantscreen.outputs.report import Extent, Limits, render
from merchantscreen.outputs.text import visible
from merchantscreen.rundiff import Move, changes
from merchantscreen.tables import CaseHistory
from merchantscreen.vocabulary import RuleOutcome, Tier

HOSTILE: Final = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='x", "</style><style>*{}", "<!--",
    "]]>", "&lt;b&gt;&#60;", "</svg><a href=javascript:x>", "{{ 7 * 7 }}{% raw %}", "ACME [/] LTD", "\x1b[2J", "\x00",
    "\u202eevil\u2066", "\u2028\u2029", "\ufeff\u200b", "\x85\x9b", "https://shop.example/x", "javascript:alert(1)",
    "</title>", "</table></main>", "a\r\nb", "`${x}`", "漢字" * 40, "x" * 5_000,
)  # fmt: skip
ALL: Final = Extent(Limits(watch_cases=10_000))
FOREIGN: Final = {
    "ranking": "account_id acquirer_id card_acceptor_id dba_name mcc country strongest_link tier_reason",
    "ledger": "subject counterpart seen_as",
    "links": "account_id domain seen_as",
    "domains": "domain",
    "rules": "account_id rule_id rule_version reason",
    "shadow": "account_id rule_id rule_version reason",
    "facts": "account_id",
    "exceptions": "exception_id subject owner reason",
    "skew": "value",
    "blind_spots": "subject",
    "history": "account_id number actor disposition run_id tier confirmed_by state",
    "changes": "account_id counterpart",
}
LISTS: Final = {
    "ranking": "referral_ids hotlines",
    "ledger": "referral_ids contributors",
    "domains": "referral_ids hotlines",
    "rules": "missing",
    "exceptions": "rule_ids",
    "history": "new_items",
}


@pytest.fixture(scope="session")
def sample(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Screen the sample data once."""
    data, out = repository / "sample_data", tmp_path_factory.mktemp("report") / "runs"
    command = (
        "screen", "--referrals", data / "referrals.jsonl", "--merchants", data / "merchants.csv", "--transactions",
        data / "transactions.csv", "--rules", repository / "rules", "--out", out,
    )  # fmt: skip
    for run_id, moment, since in (("before", "2026-10-01", ()), ("sample", "2026-11-01", ("--since", out / "before"))):
        ran = merchantscreen(*command, "--run-id", run_id, "--as-of", moment, *since)
        assert ran.code == 0, ran.err
    return out / "sample"


@pytest.fixture
def small(tmp_path: Path) -> Bundle:
    """Give the run made by hand."""
    return read_bundle(write_bundle(tmp_path, _decided(), small_run.RESULT, small_run.REJECTS))


def _decided() -> RunFacts:
    """Give the facts of the run made by hand: one account decided on before, another whose case is new."""
    decided = {"account_id": "400001/M1", "number": "C-000001", "log_index": 7, "decided_at": small_run.SEEN_AT,
               "actor": "ana", "disposition": "no_action", "run_id": "run-0", "tier": "T2", "confirmed_by": "bo",
               "state": "reopened", "new_items": ["declared_website amber-shop.example"]}  # fmt: skip
    new = {"account_id": "400001/M2", "number": "C-000002", "state": "new", "new_items": list[str]()}
    return replace(small_run.facts(), history=small_run.frame(CaseHistory, [decided, new]))


@pytest.fixture(params=["small", "sample"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    """Give both runs."""
    given = request.getfixturevalue(request.param)
    return given if isinstance(given, Bundle) else read_bundle(given)


def _nano(amount: int) -> str:
    text = f"{Decimal(amount) / 10**9:.9f}".rstrip("0").rstrip(".")
    return text.replace("-", "−")


def test_the_head_is_counted_again(bundle: Bundle) -> None:
    """Inputs, tiers and skew of the page are those of the bundle."""
    page, manifest = Page(render(bundle)), bundle.manifest
    assert page.cells("inputs") == [
        [role, *(f"{n:,}" for n in (t.files, t.rows_read, t.rows_accepted, t.rows_rejected))]
        for role, t in ((role, manifest.totals[role]) for role in ("referrals", "merchants", "transactions"))
    ]
    tiers = Counter(bundle.ranking["tier"])
    said = re.findall(r"(T1|T2|T3|watch)\s+([0-9,]+)", page.ids["tiers"].text)
    assert said == [(tier.value, f"{tiers[tier.value]:,}") for tier in Tier]
    assert [row[2:6] for row in page.cells("skew")] == [
        [f"{row['account_count']:,}", f"{row['case_count']:,}", _nano(row["account_share_nano"]),
         _nano(row["case_share_nano"])]
        for row in bundle.skew.to_dicts()
    ]  # fmt: skip
    ages = [int(cell) for row in page.cells("ages") for cell in row[1:]]
    assert sum(ages) == len(page.cells("domains")) == bundle.domains.filter(~pl.col("held")).height
    assert manifest.policy.digest in page.ids["digests"].text
    for name, file in manifest.outputs.items():
        assert (file.sha256 in page.ids["digests"].text) == (name != "report.html"), name


def test_the_list_is_the_ranking(bundle: Bundle) -> None:
    """Each account is listed once, with its place, score and exact points, in review order."""
    page = Page(render(bundle))
    listed = page.cells("ranked") + page.cells("watch")
    expected = [
        [f"={row['rank']}" if row["tied_with"] else str(row["rank"]), row["tier"],
         row["account_id"] + (f" {visible(row['dba_name'])}" if row["dba_name"] else ""),
         f"{row['score']:.1f}", _nano(row["points_nano"]), str(len(row["rule_hits"]))]
        for row in bundle.ranking.to_dicts()
    ]  # fmt: skip
    assert [[row[0], row[1], row[2], row[4], row[5], row[7]] for row in listed] == expected


def test_every_item_of_every_case_is_a_row_of_the_ledger(bundle: Bundle) -> None:
    """Strength, points and shares are the ledger's, and the shares add up to E to the last digit."""
    page = Page(render(bundle, ALL))
    final = bundle.ledger.filter(pl.col("round") == bundle.manifest.model["account_rounds"])
    for number, row in enumerate(bundle.ranking.to_dicts(), start=1):
        *items, total = page.cells(f"items-{number}")
        rows = final.filter(pl.col("subject") == row["account_id"]).to_dicts()
        names = ("strength_nano", "points_nano", "kind_points_nano", "share_nano")
        assert sorted([item[3], item[4], item[5], item[2]] for item in items) == sorted(
            [_nano(it[name]) for name in names] for it in rows
        )
        assert total[2] == _nano(row["points_nano"])
        assert sum(Decimal(item[2]) for item in items) == Decimal(row["points_nano"]) / 10**9
        _check_rules(page, bundle, number, row["account_id"])


def _check_rules(page: Page, bundle: Bundle, number: int, account: str) -> None:
    """Count the rules per outcome, as the section says them, and compare the values they saw."""
    text = page.ids[f"case-{number}"].text
    every = bundle.rules.filter(pl.col("account_id") == account)
    counts = Counter(every.filter(pl.col("exception_id").is_null())["outcome"])
    drafts = Counter(bundle.shadow.filter(pl.col("account_id") == account)["outcome"])
    said = {"Hit": counts[RuleOutcome.HIT], "No hit": counts[RuleOutcome.NO_HIT],
            "Not evaluated, which is not clean": counts[RuleOutcome.NOT_EVALUATED]}  # fmt: skip
    for title, count in said.items():
        found = re.search(rf"^{title}: (\d+)", text, re.MULTILINE)
        assert (int(found[1]) if found else 0) == count, title
    trial = re.search(r"would hit: (\d+)", text)
    assert (int(trial[1]) if trial else 0) == drafts[RuleOutcome.HIT]
    seen: dict[str, Any] = {}
    for observed in every["observed"]:
        seen |= json.loads(observed)
    for name, value in seen.items():
        assert not value or f"{name} {_measured(value)}" in text, name


def _measured(value: Any) -> str:
    if isinstance(value, bool):
        return "yes"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}" if isinstance(value, float) else str(value)


def test_no_number_of_a_case_is_made_up(bundle: Bundle) -> None:
    """Every long decimal of a section is an amount of the account's rows, a value a rule saw, or in a rule's words."""
    page = Page(render(bundle, ALL))
    frames = ((bundle.ledger, "subject"), (bundle.changes, "account_id"), (bundle.ranking, "account_id"))
    for number, row in enumerate(bundle.ranking.to_dicts(), start=1):
        account, known = row["account_id"], set[str]()
        for frame, key in frames:
            own = frame.filter(pl.col(key) == account)
            for name in own.columns:
                known |= {_nano(n) for n in own[name].drop_nulls()} if name.endswith("_nano") else set()
        results = bundle.rules.filter(pl.col("account_id") == account)
        words = " ".join(results["reason"]) + " ".join(
            _measured(value) for text in results["observed"] for value in json.loads(text).values() if value is not None
        )
        facts = bundle.facts.filter(pl.col("account_id") == account).to_dicts()
        words += " ".join(_measured(value) for one in facts for value in one.values() if isinstance(value, float))
        for said in re.findall(r"\d+\.\d{3,}", page.ids[f"case-{number}"].text):
            assert said in known or said in words, (account, said)


def test_bars_of_a_waterfall_end_where_the_next_begins(bundle: Bundle) -> None:
    """Bars stack up to the whole length, and each is as long as its share, to a unit."""
    text = render(bundle)
    for table in re.findall(r"<table class=items.*?</table>", text, re.DOTALL):
        *bars, whole = [(int(x), int(w)) for x, w in re.findall(r"<rect class=\w+ x=(\d+) width=(\d+)", table)]
        assert whole == (0, 150)
        assert bars[0][0] == 0
        for (start, length), (following, _) in itertools.pairwise(bars):
            assert start + length - 2 <= following <= start + length


def test_what_changed_is_the_part_changes(sample: Path) -> None:
    """Sums, table and marks are those of `changes`, which is what comparing the two runs gives."""
    bundle = read_bundle(sample)
    old = read_bundle(sample.parent / "before")
    assert bundle.changes.equals(changes(old, bundle))
    assert bundle.manifest.compared_with == ComparedRun(run_id="before", manifest_sha256=old.manifest.sha256)
    page = Page(render(bundle, ALL))
    accounts = bundle.changes.filter(pl.col("family").is_null())
    counts = Counter(accounts["move"])
    assert [int(row[1]) for row in page.cells("moves")] == [counts[move.value] for move in Move]
    moved = accounts.filter(pl.col("tier_before").ne_missing(pl.col("tier_after")))
    assert [(row[0], row[2], row[3]) for row in page.cells("moved")] == [
        (row["account_id"], row["tier_before"] or "–", row["tier_after"] or "–") for row in moved.to_dicts()
    ]
    marked = {row[2].split()[0] for row in page.cells("ranked") + page.cells("watch") if row[-1]}
    assert marked == set(accounts["account_id"]) & set(bundle.ranking["account_id"])


def test_decisions_are_told_and_what_is_new_is_marked(small: Bundle) -> None:
    """The history of a case, its state and what the decision had not seen stand in its section and in the list."""
    page = Page(render(small))
    assert "no action on 2026-09-01 by ana, confirmed by bo run run-0, then T2; log event 7" in page.ids["past-1"].text
    text = page.ids["case-1"].text
    assert "Case C-000001: reopened" in text
    assert "Not seen at the latest decision: declared_website amber-shop[.]example" in text
    assert "declared website: amber-shop[.]example new" in " ".join(page.ids["items-1"].text.split())
    assert "Case C-000002: new, no decision yet" in page.ids["case-2"].text
    assert [row[9] for row in page.cells("ranked")] == ["reopened", "new"]


def test_a_long_run_is_cut_and_says_so(sample: Path) -> None:
    """Accounts beyond the limit are counted on the page, with the file that holds them."""
    bundle = read_bundle(sample)
    page = Page(render(bundle, Extent(Limits(cases=5, watched=7, watch_cases=2))))
    cases = bundle.ranking.filter(pl.col("tier") != "watch").height
    assert len(page.cells("ranked")) == 5
    assert len(page.cells("watch")) == 7
    assert page.ids["further"].text.startswith(f"{cases - 5} further accounts")
    assert "see ranking.csv" in page.ids["further"].text
    assert sum(name.startswith("case-") for name in page.ids) == 7


def test_the_page_of_the_bundle_is_made_of_its_parts(sample: Path) -> None:
    """The page a run was written with is the one that its parts give again."""
    assert (sample / "report.html").read_text(encoding="utf-8") == render(read_bundle(sample))


def _hostile(bundle: Bundle, sting: str) -> Bundle:
    """Put a sting behind every foreign text, the same everywhere, so that keys still meet."""
    frames: dict[str, Any] = {}
    for name, columns in FOREIGN.items():
        given = getattr(bundle, name)
        lists = [pl.col(c).list.eval(pl.element() + sting) for c in LISTS.get(name, "").split()]
        frames[name] = given.with_columns(pl.col(columns.split()) + sting, *lists)
    for name in ("rules", "shadow"):
        observed = json.dumps({"mcc" + sting: sting, "account_age_days": 12})
        frames[name] = frames[name].with_columns(observed=pl.lit(observed))
    compared = ComparedRun(run_id="run-0" + sting, manifest_sha256="a" * 64)
    manifest = bundle.manifest.model_copy(update={"run_id": "run-1" + sting, "compared_with": compared})
    return replace(bundle, manifest=manifest, **frames)


def test_no_text_changes_a_tag(small: Bundle) -> None:
    """Whatever stands in the text fields, tags and attributes are the same, and nothing acts."""
    calm = Page(render(_hostile(small, "")))
    for sting in dict.fromkeys((*HOSTILE, *NAUGHTY)):
        text = render(_hostile(small, sting))
        assert Page(text).tags == calm.tags, sting
        acting = {sign for sign in text if unicodedata.category(sign) in {"Cc", "Cf", "Zl", "Zp", "Cs"}}
        assert acting <= {"\n"}, sting


def test_the_page_loads_nothing_and_admits_only_its_own(bundle: Bundle) -> None:
    """No address leads out, no attribute runs anything, and the hashes are those of style and script."""
    page = Page(render(bundle))
    for tag, attributes in page.tags:
        for name, value in attributes:
            assert not name.startswith("on"), (tag, name)
            assert name not in {"src", "style", "srcset", "action", "xlink:href", "data"}, (tag, name)
            assert name != "href" or re.fullmatch(r"#([a-z]+-(head|[0-9]+)|[krt][0-9]+|rules|columns)", value or ""), (
                value
            )
    policy = next(dict(a)["content"] for tag, a in page.tags if dict(a).get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.texts[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
        assert "url(" not in page.texts[kind]
        assert "://" not in page.texts[kind]


def test_the_page_can_be_read_by_ear(bundle: Bundle) -> None:
    """Headings go down one step at a time, tables have captions and scopes, targets of labels are there."""
    page = Page(render(bundle))
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    tags = Counter(tag for tag, _ in page.tags)
    assert tags["table"] == tags["caption"]
    assert all("scope" in dict(attributes) for tag, attributes in page.tags if tag == "th")
    assert {"main", "header", "nav", "footer"} <= tags.keys()
    for _, attributes in page.tags:
        given = dict(attributes)
        for target in (given.get("aria-labelledby"), (given.get("href") or "").removeprefix("#")):
            assert not target or target in page.ids, target


def test_names_are_defanged_and_the_banner_is_there(small: Bundle) -> None:
    """No domain stands as it could be opened; an unapproved policy is told first."""
    text = render(small)
    assert "amber-shop.example" not in text
    assert "amber-shop[.]example" in text
    assert "UNAPPROVED POLICY" in text
    assert "ACME [/] LTD" in text


def test_sealed_accounts_are_only_counted(sample: Path) -> None:
    """What an account weighs with referrals under a hold is nowhere on the page, nor is a domain under a hold."""
    bundle = read_bundle(sample)
    hidden = bundle.sealed.with_columns(account_id=pl.lit("400009/SEALED"), dba_name=pl.lit("Sealed Shop"))
    text = render(replace(bundle, sealed=hidden), ALL)
    assert hidden.height == bundle.manifest.sealed_count == 1
    assert "SEALED" not in text
    assert "Sealed Shop" not in text
    assert _nano(hidden["points_nano"][0]) not in text
    for name in bundle.domains.filter("held")["domain"]:
        assert name.replace(".", "[.]") not in text
    assert "1 account for the law-enforcement liaison only" in text


def test_the_same_bundle_gives_the_same_page(sample: Path) -> None:
    """Two renderings agree byte for byte."""
    assert render(read_bundle(sample)) == render(read_bundle(sample))


def test_drawings_stay_inside_their_sheet(sample: Path) -> None:
    """No node lies over another, none outside the drawing, and none has more than 60."""
    text = render(read_bundle(sample), ALL)
    drawings = re.findall(r'<svg class=g viewBox="0 0 1000 (\d+)"><use (.*?)</svg>', text, re.DOTALL)
    assert len(drawings) > 200
    for height, drawing in drawings:
        places = re.findall(r"<text x=(\d+) y=(\d+)>", drawing)
        assert 1 < len(places) <= 60
        assert len(set(places)) == len(places)
        assert all(int(y) + 23 <= int(height) for _, y in places)


def test_the_command_writes_beside_the_run(sample: Path, tmp_path: Path) -> None:
    """By default beside the folder, which stays as it was; never inside it, never over somebody's file."""
    ran = merchantscreen("report", sample)
    assert ran.code == 0, ran.err
    page = sample.parent / "sample.report.html"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert merchantscreen("verify", sample).code == 0
    assert merchantscreen("report", sample, "--out", page).code == 0
    assert merchantscreen("report", sample, "--out", sample / "report.html").code == 2
    (tmp_path / "mine.html").write_text("mine", encoding="utf-8")
    assert merchantscreen("report", sample, "--out", tmp_path / "mine.html").code == 73
    assert (tmp_path / "mine.html").read_text(encoding="utf-8") == "mine"
