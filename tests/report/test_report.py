"""The report: every number on it is in the bundle, and no text of the bundle can act on it."""

from __future__ import annotations

import base64
import hashlib
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
from report.page_reading import Page
from unit import small_run

from merchantscreen.bundle import Bundle, read_bundle, write_bundle
from merchantscreen.outputs.report import render
from merchantscreen.vocabulary import RuleOutcome, Tier

HOSTILE: Final = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='x", "</style><style>*{}", "<!--",
    "]]>", "&lt;b&gt;&#60;", "</svg><a href=javascript:x>", "{{ 7 * 7 }}{% raw %}", "ACME [/] LTD", "\x1b[2J", "\x00",
    "\u202eevil\u2066", "\u2028\u2029", "\ufeff\u200b", "\x85\x9b", "https://shop.example/x", "javascript:alert(1)",
    "</title>", "</table></main>", "a\r\nb", "`${x}`", "漢字" * 40, "x" * 5_000,
)  # fmt: skip
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
}
LISTS: Final = {
    "ranking": "referral_ids hotlines",
    "ledger": "referral_ids contributors",
    "domains": "referral_ids hotlines",
    "rules": "missing",
    "exceptions": "rule_ids",
}


@pytest.fixture(scope="session")
def sample(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Screen the sample data once."""
    data, out = repository / "sample_data", tmp_path_factory.mktemp("report") / "runs"
    ran = merchantscreen(
        "screen", "--referrals", data / "referrals.jsonl", "--merchants", data / "merchants.csv", "--transactions",
        data / "transactions.csv", "--rules", repository / "rules", "--as-of", "2026-11-01T00:00:00Z", "--out", out,
        "--run-id", "sample",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    return out / "sample"


@pytest.fixture
def small(tmp_path: Path) -> Bundle:
    """Give the run made by hand."""
    return read_bundle(write_bundle(tmp_path, small_run.facts(), small_run.RESULT, small_run.REJECTS))


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
    assert page.ids["tiers"].text.split()[:8] == [
        word for tier in Tier for word in (tier.value, f"{tiers[tier.value]:,}")
    ]
    assert [row[2:6] for row in page.cells("skew")] == [
        [f"{row['account_count']:,}", f"{row['case_count']:,}", _nano(row["account_share_nano"]),
         _nano(row["case_share_nano"])]
        for row in bundle.skew.to_dicts()
    ]  # fmt: skip
    ages = [int(cell) for row in page.cells("ages") for cell in row[1:]]
    assert sum(ages) == len(page.cells("domains")) == bundle.domains.filter(~pl.col("held")).height
    assert manifest.policy.digest in page.ids["digests"].text
    assert hashlib.sha256(manifest.canonical()).hexdigest() in page.ids["digests"].text


def test_the_list_is_the_ranking(bundle: Bundle) -> None:
    """Each account is listed once, with its place, score and exact points, in review order."""
    page = Page(render(bundle))
    listed = page.cells("ranked") + page.cells("watch")
    expected = [
        [f"={row['rank']}" if row["tied_with"] else str(row["rank"]), row["tier"], row["account_id"],
         f"{row['score']:.1f}", _nano(row["points_nano"]), str(len(row["rule_hits"]))]
        for row in bundle.ranking.to_dicts()
    ]  # fmt: skip
    assert [[row[0], row[1], row[2], row[5], row[6], row[8]] for row in listed] == expected


def test_every_item_of_every_case_is_a_row_of_the_ledger(bundle: Bundle) -> None:
    """Strength, points and shares are the ledger's, and the shares add up to E to the last digit."""
    page = Page(render(bundle, watch_cases=10_000))
    final = bundle.ledger.filter(pl.col("round") == bundle.manifest.model["account_rounds"])
    for number, row in enumerate(bundle.ranking.to_dicts(), start=1):
        *items, total = page.cells(f"items-{number}")
        rows = final.filter(pl.col("subject") == row["account_id"]).to_dicts()
        names = ("strength_nano", "points_nano", "kind_points_nano", "share_nano")
        assert sorted(item[3:7] for item in items) == sorted([_nano(it[name]) for name in names] for it in rows)
        assert total[1] == _nano(row["points_nano"])
        assert sum(Decimal(item[6]) for item in items) == Decimal(row["points_nano"]) / 10**9
        _check_rules(page, bundle, number, row["account_id"])


def _check_rules(page: Page, bundle: Bundle, number: int, account: str) -> None:
    """Count the rules per outcome, as the section says them."""
    text = page.ids[f"case-{number}"].text
    results = bundle.rules.filter(pl.col("account_id") == account, pl.col("exception_id").is_null())
    counts = Counter(results["outcome"])
    for title, outcome in (("Hit", RuleOutcome.HIT), ("No hit", RuleOutcome.NO_HIT)):
        said = re.search(rf"^{title}: (\d+)$", text, re.MULTILINE)
        assert (int(said[1]) if said else 0) == counts[outcome]
    drafts = Counter(bundle.shadow.filter(pl.col("account_id") == account)["outcome"])
    assert len(re.findall(r" would hit\b", text)) == drafts[RuleOutcome.HIT]


def test_shares_of_the_drawn_points_add_up(bundle: Bundle) -> None:
    """The numbers beside the bars add up to the number of the last bar."""
    text = render(bundle)
    for drawing in re.findall(r'<path class="axis".*?</svg>', text, re.DOTALL):
        numbers = [Decimal(n) for n in re.findall(r"\+([0-9.]+)</text>", drawing)]
        total = re.search(r"= ([0-9.]+)</text>", drawing)
        assert total
        assert sum(numbers, Decimal(0)) == Decimal(total[1])


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
    manifest = bundle.manifest.model_copy(update={"run_id": "run-1" + sting})
    return replace(bundle, manifest=manifest, **frames)


def test_no_text_changes_a_tag(small: Bundle) -> None:
    """Whatever stands in the text fields, tags and attributes are the same, and nothing acts."""
    calm = Page(render(_hostile(small, "")))
    for sting in HOSTILE:
        text = render(_hostile(small, sting), rejects=None)
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
            assert name != "href" or re.fullmatch(r"#[a-z]+-(head|[0-9]+)", value or ""), value
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
    assert all(dict(a).get("role") == "img" and "aria-labelledby" in dict(a) for t, a in page.tags if t == "svg")


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
    text = render(replace(bundle, sealed=hidden), watch_cases=10_000)
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
    text = render(read_bundle(sample), watch_cases=10_000)
    drawings = re.findall(r'<svg viewBox="0 0 1000 (\d+)"[^>]*aria-labelledby="graph-\d+">(.*?)</svg>', text, re.DOTALL)
    assert len(drawings) > 200
    for height, drawing in drawings:
        places = re.findall(r'<text x="(\d+)" y="(\d+)">', drawing)
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
