"""Merchant files: accounts, declared identifiers, tokens, repetitions, and files that cannot be used."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from intake_files import merchant, write_csv

from merchantscreen.errors import InputError
from merchantscreen.intake import Intake, reading, take_in
from merchantscreen.tables import Accounts, BlindSpots, DeclaredIdentifiers, Rejects

RICH = merchant(
    website_urls="https://amber.example/pay?x=1;WWW.Amber.Example;not a host",
    email="Info@Amber.Example",
    phone="+31 20 123 4567",
    address="Main Street 1, Amsterdam",
    settlement_account_token="sa-1",
    tax_id_token="tx-1",
    principal_tokens="p-1;p-2",
    agent_id="AG1",
    payment_facilitator_id="PF1",
    listing_codes="05;02;05",
)


def _take(tmp_path: Path, *rows: dict[str, str], name: str = "m.csv", **options: Any) -> Intake:
    return take_in([write_csv(tmp_path / name, rows)], [], tmp_path / f"run-{name}", **options)


def _codes(tmp_path: Path, *paths: Path) -> list[tuple[str, str]]:
    with pytest.raises(InputError) as caught:
        take_in(paths, [], tmp_path / "run")
    return [(problem.code, problem.where) for problem in caught.value.problems]


def test_an_account_keeps_its_codes_and_loses_its_contact_data(tmp_path: Path) -> None:
    """The account holds codes and names; contact data only lives on as tokens and domains."""
    intake = _take(tmp_path, RICH)
    account = Accounts.validate(pl.read_parquet(intake.accounts_file)).row(0, named=True)
    assert account["account_id"] == "400001/CAID0001/PF1"
    assert (account["mcc"], account["listing_codes"], account["website_count"]) == ("0742", "02;05", 2)
    stored = "".join(pl.read_parquet(path).write_json() for path in (intake.accounts_file, intake.declared_file))
    for raw in ("info@", "1234567", "main street", "/pay"):
        assert raw not in stored.lower()


def test_declared_identifiers_are_one_long_table(tmp_path: Path) -> None:
    """Every identifier of an account is a row: plain tokens, hosts, and keyed tokens."""
    intake = _take(tmp_path, RICH)
    declared = DeclaredIdentifiers.validate(pl.read_parquet(intake.declared_file))
    assert declared.equals(declared.sort("kind", "value", "account_id"))
    values = {kind: rows["value"].to_list() for (kind,), rows in declared.partition_by("kind", as_dict=True).items()}
    for kind, prefix in {"email": "em_", "phone": "ph_", "address": "ad_"}.items():
        (token,) = values.pop(kind)
        assert token.startswith(prefix)
        assert len(token) == len(prefix) + 32
    assert values == {
        "agent": ["AG1"],
        "email_domain": ["amber.example"],
        "payment_facilitator": ["PF1"],
        "principal": ["p-1", "p-2"],
        "settlement_account": ["sa-1"],
        "tax_id": ["tx-1"],
        "website": ["amber.example", "www.amber.example"],
    }


def test_equal_contacts_get_equal_tokens_and_the_key_decides_which(tmp_path: Path) -> None:
    """Tokens compare after normalisation; another key gives other tokens and another key id."""
    rows = [merchant(email="Info@Amber.Example"), merchant(card_acceptor_id="C2", email=" info@amber.example")]
    derived = _take(tmp_path, *rows)
    keyed = _take(tmp_path, *rows, name="keyed.csv", pseudonym_key=b"k" * 32)
    tokens = [pl.read_parquet(run.declared_file).filter(kind="email")["value"].unique() for run in (derived, keyed)]
    assert [len(values) for values in tokens] == [1, 1]
    assert tokens[0].item() != tokens[1].item()
    assert derived.pseudonym_key_id != keyed.pseudonym_key_id


def test_rows_in_any_order_and_any_number_of_files_give_the_same_tables(tmp_path: Path) -> None:
    """Shuffled rows and split files change nothing, not even the derived key."""
    rows = [{**RICH, "card_acceptor_id": f"C{n}", "email": f"shop{n % 3}@amber.example"} for n in range(6)]
    whole = _take(tmp_path, *rows)
    folder = tmp_path / "split"
    folder.mkdir()
    write_csv(folder / "a.csv", rows[:1:-1])
    write_csv(folder / "b.csv", rows[:2])
    split = take_in([folder], [], tmp_path / "run-split")
    assert split.accounts.equals(whole.accounts)
    assert split.declared_file.read_bytes() == whole.declared_file.read_bytes()
    assert split.blind_spots.equals(whole.blind_spots)
    assert split.pseudonym_key_id == whole.pseudonym_key_id


@pytest.mark.parametrize("key", [None, b"k" * 32])
def test_files_that_are_combined_in_a_process_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: bytes | None
) -> None:
    """Many rows in CSV, and files of both kinds together, come to what few rows in CSV come to."""
    rows = [{**RICH, "card_acceptor_id": f"C{n}", "email": f"shop{n % 3}@amber.example"} for n in range(6)]
    paths = [write_csv(tmp_path / "a.csv", [*rows[:4], rows[1]]), write_csv(tmp_path / "b.csv", [*rows[2:], rows[0]])]
    few = take_in(paths, [], tmp_path / "few", pseudonym_key=key)
    assert few.rejects.height == 4
    columns = pl.read_csv(paths[1], infer_schema=False)
    lists = pl.col("website_urls", "principal_tokens", "listing_codes").str.split(";")
    columns.with_columns(lists).write_parquet(tmp_path / "b.parquet")
    mixed = take_in([paths[0], tmp_path / "b.parquet"], [], tmp_path / "mixed", pseudonym_key=key)
    monkeypatch.setattr(reading, "FEW_BYTES", 0)
    many = take_in(paths, [], tmp_path / "many", pseudonym_key=key)
    for other in (mixed, many):
        assert other.accounts.equals(few.accounts)
        assert other.declared_file.read_bytes() == few.declared_file.read_bytes()
        assert other.rejects["code"].equals(few.rejects["code"])
        assert other.blind_spots.equals(few.blind_spots)
        assert other.pseudonym_key_id == few.pseudonym_key_id
    assert many.rejects.equals(few.rejects)


def test_a_repeated_row_counts_once(tmp_path: Path) -> None:
    """Of identical rows one is accepted and the others are rejected by name."""
    intake = _take(tmp_path, merchant(), merchant(card_acceptor_id="C2"), merchant())
    assert intake.accounts["account_id"].to_list() == ["400001/C2", "400001/CAID0001"]
    assert Rejects.validate(intake.rejects).select("line", "code").rows() == [(4, "MS-KEY-002")]


def test_rows_that_contradict_each_other_are_all_rejected(tmp_path: Path) -> None:
    """Nobody can know which of two different rows of one account is right, so none is taken."""
    intake = _take(tmp_path, merchant(), merchant(card_acceptor_id="C2"), merchant(mcc="5999"), merchant())
    assert intake.accounts["account_id"].to_list() == ["400001/C2"]
    assert intake.rejects.select("line", "code").rows() == [(2, "MS-KEY-001"), (4, "MS-KEY-001"), (5, "MS-KEY-001")]
    (source,) = intake.sources
    assert (source.rows_read, source.rows_accepted, source.rows_rejected) == (4, 1, 3)


def test_a_refused_row_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither tables, nor losses, nor the derived key depend on rows that contradict each other."""
    others = [
        {
            **RICH,
            "card_acceptor_id": number,
            "email": "a@other.example",
            "phone": phone,
            "website_urls": "other.example/a;?",
        }
        for number, phone in (("A", "+1 555"), ("A", "?"), ("Z", "+1 555"), ("Z", "+1 556"))
    ]
    alone = _take(tmp_path, RICH)
    among = _take(tmp_path, *others[:3], RICH, others[3], name="among.csv")
    assert among.rejects["line"].to_list() == [2, 3, 4, 6]
    assert among.accounts.equals(alone.accounts)
    assert among.declared_file.read_bytes() == alone.declared_file.read_bytes()
    assert among.blind_spots.equals(alone.blind_spots)
    assert among.pseudonym_key_id == alone.pseudonym_key_id


def test_an_acceptor_id_alone_is_not_the_key(tmp_path: Path) -> None:
    """The same card acceptor id at two acquirers, or under a facilitator, is two accounts."""
    rows = [merchant(), merchant(acquirer_id="400002"), merchant(payment_facilitator_id="PF", sub_merchant_id="S")]
    assert _take(tmp_path, *rows).accounts["account_id"].to_list() == [
        "400001/CAID0001",
        "400001/CAID0001/PF/S",
        "400002/CAID0001",
    ]


def test_what_was_cut_unreadable_or_absent_is_a_blind_spot(tmp_path: Path) -> None:
    """Cut URLs, unreadable hosts and e-mails, and absent columns are counted."""
    intake = _take(tmp_path, RICH, merchant(card_acceptor_id="C2", email="nobody", phone="-"))
    spots = {(kind, subject): count for kind, subject, count, _ in BlindSpots.validate(intake.blind_spots).iter_rows()}
    assert spots == {
        ("column_absent", "merchants.opened_on"): 2,
        ("field_stripped", "merchants.website_urls"): 1,
        ("field_unreadable", "merchants.email"): 1,
        ("field_unreadable", "merchants.phone"): 1,
        ("field_unreadable", "merchants.website_urls"): 1,
    }


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """A missing file, an empty one and one with wrong columns are named together."""
    (tmp_path / "empty.csv").touch()
    wrong = write_csv(tmp_path / "wrong.csv", [{"acquirer_id": "1", "colour": "red"}])
    assert _codes(tmp_path, tmp_path / "none.csv", tmp_path / "empty.csv", wrong) == [
        ("MS-FILE-001", "none.csv"),
        ("MS-FILE-010", "empty.csv"),
        ("MS-COL-001", "wrong.csv"),
        ("MS-COL-002", "wrong.csv"),
    ]


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    """Addresses, patterns, links, pipes, compressed and misnamed files are refused by their codes."""
    good = write_csv(tmp_path / "good.csv", [merchant()])
    (tmp_path / "link.csv").symlink_to(good)
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "packed.csv").write_bytes(gzip.compress(good.read_bytes()))
    pl.DataFrame([merchant()]).write_parquet(tmp_path / "really_parquet.csv")
    (tmp_path / "really_text.parquet").write_bytes(good.read_bytes())
    (tmp_path / "no_files").mkdir()
    names = ["link.csv", "pipe.csv", "packed.csv", "really_parquet.csv", "really_text.parquet", "no_files", "*.csv"]
    paths = [Path("https://amber.example/m.csv"), *(tmp_path / name for name in names)]
    assert [code for code, _ in _codes(tmp_path, *paths)] == [
        "MS-FILE-002",
        "MS-FILE-004",
        "MS-FILE-005",
        "MS-FILE-006",
        "MS-FILE-007",
        "MS-FILE-007",
        "MS-FILE-008",
        "MS-FILE-003",
    ]


def test_a_folder_holds_files_of_one_kind(tmp_path: Path) -> None:
    """CSV and Parquet side by side in a folder are refused, as one may be an export of the other."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    write_csv(folder / "m.csv", [merchant()])
    pl.DataFrame([merchant()]).write_parquet(folder / "m.parquet")
    assert _codes(tmp_path, folder) == [("MS-FILE-009", "mixed")]


def test_the_same_content_twice_is_refused(tmp_path: Path) -> None:
    """A copy under another name would count every row twice."""
    first = write_csv(tmp_path / "a.csv", [merchant()])
    second = write_csv(tmp_path / "b.csv", [merchant()])
    assert _codes(tmp_path, first, second) == [("MS-FILE-011", "b.csv")]


def test_values_of_a_headless_file_are_not_repeated(tmp_path: Path) -> None:
    """Where the header should be there may be data, which no message repeats."""
    path = tmp_path / "m.csv"
    path.write_text("400001,CAID0001,info@amber.example,0612345678\n1,2,3,4\n")
    with pytest.raises(InputError) as caught:
        take_in([path], [], tmp_path / "run")
    told = " ".join(map(str, caught.value.problems))
    assert "amber.example" not in told
    assert "0612345678" not in told
