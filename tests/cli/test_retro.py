"""Looking back into the index: who would have been found, since when, and which run could have shown it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli.command import AS_OF, REFERRAL, Inputs, merchantscreen

COLUMNS = "transaction_id,occurred_at,acquirer_id,card_acceptor_id,amount_minor,currency,descriptor,requestor_url"
HOST = "hidden-lamps.example"


def day_file(folder: Path, day: int, *rows: tuple[str, str, str]) -> Path:
    """Write a day's file of (card acceptor id, descriptor, URL)."""
    lines = [
        f"d{day}-{number},2026-10-{day:02d}T12:00:00Z,400001,{acceptor},1999,EUR,{descriptor},{url}"
        for number, (acceptor, descriptor, url) in enumerate(rows)
    ]
    path = folder / f"day-{day:02d}.csv"
    path.write_text("\n".join([COLUMNS, *lines]) + "\n", encoding="utf-8")
    return path


def referral(folder: Path, domain: str, **changes: Any) -> Path:
    """Write a confirmation that came at the end of October, of a site that was seen in September."""
    late = {"received_at": "2026-10-30T09:00:00Z", "confirmed_at": "2026-10-30T10:00:00Z"}
    said = json.loads(REFERRAL) | late | {"issued_at": late["confirmed_at"], "domain": domain, "referral_id": "R-9"}
    path = folder / f"{domain}.jsonl"
    path.write_text(json.dumps(said | changes) + "\n", encoding="utf-8")
    return path


def merchants_of(folder: Path) -> Path:
    """Write the merchant file."""
    return Inputs.good(folder).folder / "merchants.csv"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Give three days: the seller shows its site on the second and the third, a tenant only in its descriptor."""
    return [
        day_file(tmp_path, 5, ("M1", "SHOP", "")),
        day_file(tmp_path, 6, ("M2", "SHOP", f"https://{HOST}/pay"), ("M1", "SHOP", "")),
        day_file(tmp_path, 7, ("M2", "SHOP", f"https://{HOST}"), ("M3", f"PAY*{HOST.upper()}", "")),
    ]


def index_of(tmp_path: Path, files: list[Path]) -> Path:
    """Index some files."""
    assert merchantscreen("index", "--index", tmp_path / "ix", "--transactions", *files).code == 0
    return tmp_path / "ix"


def looked_back(index: Path, referrals: Path, *more: str | Path) -> dict[str, Any]:
    """Look back and return what is said."""
    ran = merchantscreen("retro", "--index", index, "--referrals", referrals, "--as-of", AS_OF, "--json", *more)
    assert (ran.code, ran.err) == (0, "")
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_links_come_with_count_and_dates(tmp_path: Path, files: list[Path]) -> None:
    """Every account that used the name is listed with its kind, count, first and last time; the others are not."""
    found = looked_back(index_of(tmp_path, files), referral(tmp_path, HOST))
    told = [
        (row["account_id"], row["kind"], row["transaction_count"], row["first_at"], row["last_at"], row["run_id"])
        for row in found["links"]
    ]
    assert told == [
        ("400001/M2", "observed_requestor_url", 2, "2026-10-06T12:00:00Z", "2026-10-07T12:00:00Z", None),
        ("400001/M3", "descriptor_domain", 1, "2026-10-07T12:00:00Z", "2026-10-07T12:00:00Z", None),
    ]
    assert {row["domain"] for row in found["links"]} == {HOST}
    assert (found["domain_count"], found["file_count"], found["files_outside_count"]) == (1, 3, 0)


def test_the_first_run_that_had_read_it_is_named(tmp_path: Path, files: list[Path]) -> None:
    """Not a run before, not one that had not read the file; and what it said of the account then."""
    known = referral(tmp_path, "amber-shop.example")
    merchants = merchants_of(tmp_path)
    for run_id, read, as_of in (
        ("early", files[:1], "2026-10-08T00:00:00Z"),
        ("second", files[:2], "2026-10-09T00:00:00Z"),
        ("third", files, "2026-10-10T00:00:00Z"),
    ):
        ran = merchantscreen(
            "screen", "--referrals", known, "--merchants", merchants, "--transactions", *read,
            "--as-of", as_of, "--out", tmp_path / "past", "--run-id", run_id,
        )  # fmt: skip
        assert ran.code == 0
    found = looked_back(index_of(tmp_path, files), referral(tmp_path, HOST), "--runs", tmp_path / "past")
    runs = {row["account_id"]: (row["run_id"], row["run_as_of"], row["run_tier"]) for row in found["links"]}
    assert runs == {
        "400001/M2": ("second", "2026-10-09T00:00:00Z", None),
        "400001/M3": ("third", "2026-10-10T00:00:00Z", None),
    }


def test_the_tier_of_then_is_told(tmp_path: Path, files: list[Path]) -> None:
    """An account that was ranked for another reason says so, with the tier it had."""
    confirmed = {"received_at": "2026-09-09T09:00:00Z", "confirmed_at": "2026-09-10T09:00:00Z"}
    known = referral(tmp_path, "sister-shop.example", issued_at="2026-09-10T09:00:00Z", **confirmed)
    ran = merchantscreen(
        "screen", "--referrals", known, "--merchants", merchants_of(tmp_path), "--transactions", *files,
        "--as-of", "2026-10-10T00:00:00Z", "--out", tmp_path / "past", "--run-id", "then",
    )  # fmt: skip
    assert ran.code == 0
    tier = json.loads((tmp_path / "past" / "then" / "ranking.jsonl").read_text().splitlines()[0])["tier"]
    found = looked_back(index_of(tmp_path, files), referral(tmp_path, HOST), "--runs", tmp_path / "past")
    assert [row["run_tier"] for row in found["links"] if row["account_id"] == "400001/M2"] == [tier]


def test_the_period_is_kept(tmp_path: Path, files: list[Path]) -> None:
    """Files without a transaction in the period are counted and not searched; nor is anything before its start."""
    found = looked_back(index_of(tmp_path, files), referral(tmp_path, HOST), "--days", "25")
    assert [(row["account_id"], row["transaction_count"]) for row in found["links"]] == [
        ("400001/M2", 1), ("400001/M3", 1),
    ]  # fmt: skip
    assert (found["file_count"], found["files_outside_count"]) == (1, 2)


def test_a_domain_under_a_hold_is_left_out_and_counted(tmp_path: Path, files: list[Path]) -> None:
    """What law enforcement works on is in no list."""
    found = looked_back(index_of(tmp_path, files), referral(tmp_path, HOST, le_hold=True))
    assert (found["links"], found["held_count"], found["domain_count"]) == ([], 1, 0)


def test_a_person_reads_what_was_not_looked_at(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are defanged, the words accuse nobody, and merchant files are said to be left to a screen."""
    monkeypatch.setenv("COLUMNS", "160")
    ran = merchantscreen(
        "retro", "--index", index_of(tmp_path, files), "--referrals", referral(tmp_path, HOST), "--as-of", AS_OF
    )
    assert (ran.code, ran.err) == (0, "")
    assert "hidden-lamps[.]example" in ran.out
    assert HOST not in ran.out
    assert "2 links (linked, for review" in ran.out
    assert "Not looked at: merchant files" in ran.out


def test_a_run_that_was_altered_is_a_problem_and_no_run(tmp_path: Path, files: list[Path]) -> None:
    """It is said on stderr and never taken for a witness."""
    known = referral(tmp_path, "amber-shop.example")
    ran = merchantscreen(
        "screen", "--referrals", known, "--merchants", merchants_of(tmp_path), "--transactions", *files,
        "--as-of", "2026-10-10T00:00:00Z", "--out", tmp_path / "past", "--run-id", "then",
    )  # fmt: skip
    assert ran.code == 0
    ranking = tmp_path / "past" / "then" / "ranking.jsonl"
    ranking.write_bytes(ranking.read_bytes() + b"\n")
    ran = merchantscreen(
        "retro", "--index", index_of(tmp_path, files), "--referrals", referral(tmp_path, HOST), "--as-of", AS_OF,
        "--runs", tmp_path / "past", "--json",
    )  # fmt: skip
    assert ran.code == 0
    assert ran.codes == ["MS-RUN-012"]
    assert {row["run_id"] for row in json.loads(ran.out)["links"]} == {None}


def test_without_an_index_one_line_says_what_to_do(tmp_path: Path) -> None:
    """No index named, or a folder that is none."""
    named = referral(tmp_path, HOST)
    assert merchantscreen("retro", "--referrals", named).codes == ["MS-IDX-006"]
    ran = merchantscreen("retro", "--referrals", named, "--index", tmp_path)
    assert (ran.code, ran.codes) == (2, ["MS-IDX-001"])
