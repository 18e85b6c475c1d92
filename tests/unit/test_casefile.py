"""The investigation file and the listing drafts: whole, private, told apart from a finding, and never sent."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from unit import small_run

from merchantscreen.errors import IntegrityError, UsageError
from merchantscreen.outputs.casefile import NOT_HELD, case_files
from merchantscreen.outputs.listingdrafts import STATUS, ListingKind, listing_draft
from merchantscreen.tables import CaseHistory

NAMES = {
    "case.html", "case.json", "summary.txt", "manifest.json", "evidence.csv", "contributions.csv",
    "linked_accounts.csv", "match_vector.csv", "activity.csv", "rules.csv", "links.csv", "domains.csv", "decisions.csv",
}  # fmt: skip
CODES = ("MATCH-03", "MATCH-13", "VMSS-23")


def _rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


# --------------------------------------------------------------------------- the investigation file


def test_the_manifest_holds_the_digest_of_every_file_and_of_the_run(tmp_path: Path) -> None:
    """Whoever holds the file can check it, and find the run it came from."""
    bundle = small_run.bundle(tmp_path)
    files = case_files(bundle, "400001/M2")
    assert files.keys() == NAMES
    manifest = json.loads(files["manifest.json"])
    stated = {name: one["sha256"] for name, one in manifest["files"].items()}
    assert stated == {n: hashlib.sha256(d).hexdigest() for n, d in files.items() if n != "manifest.json"}
    run_manifest = (bundle.folder / "manifest.json").read_bytes()
    assert manifest["run"]["manifest_sha256"] == hashlib.sha256(run_manifest).hexdigest()


def test_the_summary_says_what_it_is_for_and_what_it_is_not(tmp_path: Path) -> None:
    """The banner comes first, then the decision, then the arithmetic; what is not held is listed."""
    text = case_files(small_run.bundle(tmp_path), "400001/M2", "whether to ask the acquirer")["summary.txt"].decode()
    assert text.startswith("UNAPPROVED POLICY")
    assert "Meant for: whether to ask the acquirer\n" in text
    assert "linked, for review" in text
    assert "total: E = 1.279792497 + 0.186318445 + 0.00239589 = 1.468506832" in text
    assert "  · legal name\n" in text


def test_evidence_and_json_hold_the_items_of_the_ledger(tmp_path: Path) -> None:
    """Every item of the account in the last round is there with its exact numbers, and no other's."""
    files = case_files(small_run.bundle(tmp_path), "400001/M2")
    rows = _rows(files["evidence.csv"])
    assert [(row["kind"], row["points_nano"]) for row in rows] == [
        ("settlement_account", "1279792497"), ("phone", "186318445"), ("ip", "2395890"),
    ]  # fmt: skip
    case = json.loads(files["case.json"])
    assert [item["points_nano"] for item in case["evidence"]] == [1_279_792_497, 186_318_445, 2_395_890]
    assert case["account"]["points_nano"] == 1_468_506_832
    assert {row["rule_id"] for row in _rows(files["rules.csv"])} == {"prepaid-share", "new-account", "payer-night"}


def test_other_accounts_appear_by_id_alone_and_are_counted(tmp_path: Path) -> None:
    """A contributor is named by its id because the points rest on it; its name and trade are nowhere."""
    files = case_files(small_run.bundle(tmp_path), "400001/M2")
    everything = b"".join(files.values()).decode()
    assert "400001/M1" in everything
    assert "ACME" not in everything
    assert "400001/M3" not in everything
    assert json.loads(files["case.json"])["other_accounts"].startswith("1 other account named by account id alone")
    alone = json.loads(case_files(small_run.bundle(tmp_path / "b"), "400001/M1")["case.json"])
    assert alone["other_accounts"].startswith("none")


def test_no_domain_is_live_and_no_cell_is_a_formula(tmp_path: Path) -> None:
    """Domains are defanged in every file; what a merchant chose can start nothing in a spreadsheet or terminal."""
    links = small_run.LINKS.with_columns(seen_as=pl.lit("=cmd|' /C calc'!A0"))
    rules = small_run.RULES.with_columns(reason=pl.lit("\t=1+1"))
    files = case_files(small_run.bundle(tmp_path, replace(small_run.RESULT, links=links, rules=rules)), "400001/M2")
    everything = b"".join(files.values())
    assert b"old-shop.example" not in everything
    assert b"old-shop[.]example" in everything
    assert b"\x1b" not in everything
    cells = [value for n in files if n.endswith(".csv") for row in _rows(files[n]) for value in row.values()]
    assert not [cell for cell in cells if cell.lstrip()[:1] in {"=", "+", "@"}]
    assert _rows(files["links.csv"])[0]["seen_as"].startswith("'=")


def test_points_that_do_not_add_up_give_no_case_file(tmp_path: Path) -> None:
    """A ledger that disagrees with the ranking is not handed to anybody."""
    ranking = small_run.RANKING.with_columns(points_nano=pl.col("points_nano") + 1)
    with pytest.raises(IntegrityError):
        case_files(small_run.bundle(tmp_path, replace(small_run.RESULT, ranking=ranking)), "400001/M2")


def test_a_held_domain_is_not_in_the_case_file(tmp_path: Path) -> None:
    """Domains under a law-enforcement hold are left out, even where they share a referral."""
    domains = small_run.DOMAINS.with_columns(held=pl.col("domain") == "amber-shop.example")
    files = case_files(small_run.bundle(tmp_path, replace(small_run.RESULT, domains=domains)), "400001/M2")
    assert [row["domain"] for row in _rows(files["domains.csv"])] == ["old-shop[.]example"]


def test_what_an_investigation_asks_for_is_there_or_said_to_be_unknown(tmp_path: Path) -> None:
    """Matched fields, linked accounts with what they share, payments, and a plain word for what is not known."""
    files = case_files(small_run.bundle(tmp_path), "400001/M2")
    vector = {row["field"]: row["match"] for row in _rows(files["match_vector.csv"])}
    assert (vector["Settlement account"], vector["Phone"], vector["Declared website"]) == ("E", "E", "?")
    linked = _rows(files["linked_accounts.csv"])
    assert [(row["account_id"], row["attribute"], row["other_holder_count"]) for row in linked] == [
        ("400001/M1", "merchant-side network address", "399"), ("400001/M1", "contact phone", "2"),
        ("400001/M1", "settlement account", "1"),
    ]  # fmt: skip
    activity = {row["fact"]: (row["value"], row["standing"]) for row in _rows(files["activity.csv"])}
    assert activity["account_age_days"] == ("900.0", "known")
    assert activity["prepaid_share"] == ("", "not known from the data")
    assert activity["purchase_count"] == ("", "not measured, since no rule of this run asks for it")
    record = json.loads(files["case.json"])["record"]
    assert record["card acceptor id"] == "M2"
    assert {record[name] for name in (*NOT_HELD, "payment facilitator")} == {"not known"}


def test_decisions_are_those_of_the_account_as_known_today(tmp_path: Path) -> None:
    """The history of the run is used unless a newer one is given; the written reason is in neither."""
    row = {"account_id": "400001/M2", "number": "C-000002", "log_index": 7, "decided_at": small_run.AS_OF,
           "actor": "anna", "disposition": "refer_to_acquirer", "run_id": "run-1", "tier": "T3", "state": "decided",
           "new_items": []}  # fmt: skip
    history = small_run.frame(CaseHistory, [row, row | {"account_id": "400001/M1", "actor": "ben"}])
    bundle = small_run.bundle(tmp_path)
    assert _rows(case_files(bundle, "400001/M2")["decisions.csv"]) == []
    files = case_files(bundle, "400001/M2", history=history)
    assert [(one["actor"], one["disposition"]) for one in _rows(files["decisions.csv"])] == [
        ("anna", "refer_to_acquirer")
    ]
    page = files["case.html"].decode()
    assert "refer to acquirer" in page
    assert "ben" not in json.loads(files["case.json"])["decisions"][0].values()


def test_the_page_is_one_file_without_script_that_loads_nothing(tmp_path: Path) -> None:
    """One strict policy with the hash of its only style; no address, no script, no hidden part but the drawing's."""
    page = case_files(small_run.bundle(tmp_path), "400001/M1")["case.html"].decode()
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src &#39;none&#39;; style-src &#39;sha256-{digest}&#39;" in page.replace("'", "&#39;")
    assert not re.search(r"<script|<link|<img|<iframe|href=\"[^#]|src=|url\(|@import| on[a-z]+=", page)
    assert page.startswith("<!doctype html>")
    assert "UNAPPROVED POLICY" in page
    assert "ACME [/] LTD" in page


# --------------------------------------------------------------------------- drafts of listings


@pytest.mark.parametrize("kind", list(ListingKind))
def test_a_draft_says_so_and_has_no_reason_code_of_its_own(tmp_path: Path, kind: ListingKind) -> None:
    """However strong the evidence, the code is left to a person, and what is not held is listed as missing."""
    draft = listing_draft(small_run.bundle(tmp_path), "400001/M1", kind, CODES)
    assert draft["status"] == STATUS
    assert draft["warnings"]
    reason = {"match": "TerminationReasonCode", "vmss": "primaryListingReason"}[kind]
    assert reason in draft["missing"]
    assert reason not in draft["fields"]
    assert draft["reason_code_chosen_by_a_person"] is False
    assert not draft["fields"].keys() & draft["missing"].keys()


def test_a_draft_holds_what_the_run_holds_under_public_names(tmp_path: Path) -> None:
    """Names follow the public interfaces; websites are hosts, defanged; a null is missing, not empty."""
    bundle = small_run.bundle(tmp_path)
    match = listing_draft(bundle, "400001/M1", ListingKind.MATCH, CODES)["fields"]
    assert match == {
        "DoingBusinessAsName": "ACME [/] LTD", "Address": {"Country": "NL"}, "Url": ["amber-shop[.]example"],
        "UrlGroup": {"ExactMatchUrls": ["amber-shop[.]example"]}, "AddedByAcquirerID": "400001", "MCC": "5732",
        "MerchantId": "M1",
    }  # fmt: skip
    vmss = listing_draft(bundle, "400001/M3", ListingKind.VMSS, CODES)
    assert vmss["fields"] == {"cardAcceptorIDs": ["M3"], "acquirerBID": "400001"}
    assert {"DBAName", "merchantCategoryCodes", "webAddresses", "category"} <= vmss["missing"].keys()


def test_links_outside_validity_are_no_addresses(tmp_path: Path) -> None:
    """What counts for nothing in the ledger is not put on a draft either."""
    assert "webAddresses" in listing_draft(small_run.bundle(tmp_path), "400001/M2", ListingKind.VMSS, CODES)["missing"]


def test_a_person_may_choose_a_known_code_of_that_list_only(tmp_path: Path) -> None:
    """With or without the name of the list; a code of the other list is refused."""
    bundle = small_run.bundle(tmp_path)
    for given in ("03", "MATCH-03", "match-03"):
        draft = listing_draft(bundle, "400001/M1", ListingKind.MATCH, CODES, given)
        assert (draft["fields"]["TerminationReasonCode"], draft["reason_code_chosen_by_a_person"]) == ("03", True)
    for given in ("23", "VMSS-23", "", "99"):
        with pytest.raises(UsageError):
            listing_draft(bundle, "400001/M1", ListingKind.MATCH, CODES, given)
