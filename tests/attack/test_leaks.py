"""Secrets planted in every input come out nowhere: terminal, bundle, rejects, crash file, temporary folder."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
from attack.canaries import Canary, canaries, texts_under, traces
from cli.command import AS_OF, MERCHANT_COLUMNS, MERCHANTS, REFERRAL, Inputs, Ran, merchantscreen

from merchantscreen.cli import screen as screen_command
from merchantscreen.referrals.events import FORBIDDEN_FIELDS, ReferralEvent
from merchantscreen.referrals.reading import CSV_COLUMNS
from merchantscreen.tables import MerchantRows, TransactionRows, schema_of

KEYS: Final = ("network", "acquirer_id", "card_acceptor_id", "payment_facilitator_id", "sub_merchant_id", "agent_id",
               "terminal_id")  # fmt: skip
UNKNOWABLE: Final = {(name, kind) for name in KEYS for kind in ("path", "address")} | {
    ("dba_name", "address"), ("descriptor", "address"),
}  # fmt: skip
"""An id or a name may look like a postal address, and an id may hold a dot and a slash; nobody can tell."""
MERCHANT: Final = {
    "acquirer_id": "400001", "dba_name": "Shop", "mcc": "5732", "country": "NL", "opened_on": "2026-09-01",
    "website_urls": "https://amber-shop.example/", "settlement_account_token": "acct-1",
}  # fmt: skip
TRANSACTION: Final = {
    "acquirer_id": "400001", "occurred_at": "2026-10-02T12:00:00Z", "amount_minor": "1000", "currency": "EUR",
    "descriptor": "SHOP",
}  # fmt: skip

Rows = list[dict[str, str]]


def _plant(columns: list[str]) -> tuple[list[tuple[str, Canary]], int]:
    number, plants = 1000, []
    for column in columns:
        number += 1
        plants += [(column, canary) for canary in canaries(number) if (column, canary.kind) not in UNKNOWABLE]
    return plants, number


def _world(text_columns_only: bool) -> tuple[Rows, Rows, list[Canary]]:
    """Make one linked account per column and kind of secret, and a second that shares whatever the first has."""
    merchants: Rows = []
    transactions: Rows = []
    planted: list[Canary] = []
    for role, table in (("merchants", MerchantRows), ("transactions", TransactionRows)):
        schema = schema_of(table)
        wanted = [name for name, dtype in schema.items() if not text_columns_only or dtype == pl.String]
        for number, (column, canary) in enumerate(_plant(wanted)[0]):
            for twin in "AB":
                key = {"card_acceptor_id": f"{role[0]}{number}{twin}"}
                merchant = MERCHANT | key | ({column: canary.text} if role == "merchants" else {})
                paid = TRANSACTION | key | {"transaction_id": f"{role[0]}{number}{twin}"}
                merchants.append(merchant)
                transactions.append(paid | ({column: canary.text} if role == "transactions" else {}))
            planted.append(canary)
    return merchants, transactions, planted


def _csv(rows: Rows, columns: list[str]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write(folder: Path, rows: Rows, name: str, table: Any, file_format: str) -> Path:
    path = folder / f"{name}.{file_format}"
    if file_format == "csv":
        path.write_text(_csv(rows, table.column_names()), encoding="utf-8")
        return path
    frame = pl.DataFrame([{name: row.get(name) for name in table.column_names()} for row in rows],
                         schema=dict.fromkeys(table.column_names(), pl.String))  # fmt: skip
    frame.write_parquet(path)
    return path


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the run a temporary folder of its own."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_nothing_planted_in_a_table_comes_out(
    tmp_path: Path, temporary: Path, file_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Card numbers, e-mail, web and postal addresses and phone numbers stay in the files they were planted in."""
    merchants, transactions, planted = _world(text_columns_only=file_format == "parquet")
    inputs = Inputs.good(tmp_path)
    files = [
        "--merchants", _write(tmp_path, merchants, "planted-m", MerchantRows, file_format),
        "--transactions", _write(tmp_path, transactions, "planted-t", TransactionRows, file_format),
    ]  # fmt: skip
    words = ["screen", "--referrals", inputs.folder / "referrals.jsonl", *files, "--as-of", AS_OF, "--out", inputs.out]
    many = ["--max-rejects", "9999", "--top", "400"]
    ran = [
        merchantscreen(*words, *many, "--run-id", "r"),
        merchantscreen(*words, "--run-id", "s", "--max-rejects", "0"),
    ]
    assert [one.code for one in ran] == [0, 3], ran[1].err[:2000]
    ranked = pl.read_ndjson(inputs.out / "r" / "ranking.jsonl")["account_id"].to_list()
    assert len(ranked) > 50
    ran += [merchantscreen("explain", account, "--run", inputs.out / "r") for account in ranked[::200]]
    ran += [merchantscreen("verify", inputs.out / "r"), _crash(monkeypatch, planted, [*words, *many, "--run-id", "c"])]
    assert traces(planted, _said(ran) | texts_under(inputs.out, temporary)) == []
    assert len(list(temporary.iterdir())) == 1


def _crash(monkeypatch: pytest.MonkeyPatch, planted: list[Canary], words: list[str | Path]) -> Ran:
    """Have the screen fail with everything in its message."""

    def broken(*_: object) -> None:
        raise ValueError(" ".join(canary.text for canary in planted))

    monkeypatch.setattr(screen_command, "screen_accounts", broken)
    ran = merchantscreen(*words)
    assert ran.code == 70
    return ran


def _said(ran: list[Ran]) -> dict[str, str]:
    return {f"{stream} {number}": text for number, one in enumerate(ran)
            for stream, text in (("stdout", one.out), ("stderr", one.err))}  # fmt: skip


def test_nothing_planted_in_referrals_comes_out(tmp_path: Path, temporary: Path) -> None:
    """Events with secrets in any field, known, unknown or forbidden, and in the names of fields, give nothing away."""
    inputs = Inputs.good(tmp_path)
    good, planted = json.loads(REFERRAL), []
    lines, rows = [REFERRAL], []
    names = [*ReferralEvent.model_fields, *sorted(FORBIDDEN_FIELDS), "victim_name", "colour"]
    for number, name in enumerate(names, start=2000):
        for canary in canaries(number):
            planted.append(canary)
            lines.append(json.dumps(good | {"referral_id": f"R-{number}"} | {name: canary.text}))
            lines.append(json.dumps(good | {"referral_id": f"R-{number}"} | {canary.text: name}))
            lines.append(json.dumps(good | {"referral_id": f"R-{number}", "payment_clues": [{name: canary.text}]}))
            rows.append(good | {"payment_methods": "visa"} | ({name: canary.text} if name in CSV_COLUMNS else {}))
    inputs.write("referrals.jsonl", lines)
    csv_rows = [{name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in row.items()}
                for row in rows]  # fmt: skip
    inputs.write("more.csv", _csv(csv_rows, list(CSV_COLUMNS)))
    headers = [inputs.write(f"h{n}.csv", f"event,{canary.text}\nx,y\n") for n, canary in enumerate(canaries(2999))]
    words = [*inputs.words, "--max-rejects", "99999", "--referrals"]
    ran = [merchantscreen(*words, inputs.folder / "more.csv"), merchantscreen(*words, *headers, "--run-id", "h")]
    assert [one.code for one in ran] == [0, 65], ran[0].err
    ran.append(merchantscreen("explain", "400001/M1", "--run", inputs.out / "r"))
    assert traces([*planted, *canaries(2999)], _said(ran) | texts_under(inputs.out, temporary)) == []


def test_nothing_planted_in_a_policy_comes_out(tmp_path: Path, temporary: Path, repository: Path) -> None:
    """A mapping or rule file with secrets in its keys and values is refused without them."""
    inputs = Inputs.good(tmp_path)
    planted = [canary for canary in canaries(3001) if canary.kind in {"card", "e-mail", "web address"}]
    ran = []
    for number, canary in enumerate(planted):
        quoted = json.dumps(canary.text)
        texts = (f"merchants: {{columns: {{{quoted}: a}}}}", f"{quoted}: {{}}",
                 f"merchants: {{ignore: {{{quoted}: b}}}}",
                 f"merchants: {{columns: {{mcc: {quoted}}}}}", f"merchants: {{constants: {{country: {quoted}}}}}",
                 f"a: [{quoted}", f"merchants: {{values: {{mcc: {{{quoted}: [1]}}}}}}")  # fmt: skip
        for place, text in enumerate(texts):
            mapping = inputs.write(f"map-{place}.yml", text)
            ran += [merchantscreen(*inputs.words, "--run-id", f"m{number}", "--mapping", mapping)]
        ran.append(_with_rules(inputs, repository, [f"{quoted}: 1", f"id: {quoted}", f"when: {quoted}"]))
    assert {one.code for one in ran} <= {3, 65}
    assert traces(planted, _said(ran) | texts_under(inputs.out, temporary)) == []


def _with_rules(inputs: Inputs, repository: Path, texts: list[str]) -> Ran:
    rules = inputs.folder / "rules"
    for path in sorted((repository / "rules").rglob("*.yml")):
        target = rules / path.relative_to(repository / "rules")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    for number, text in enumerate(texts):
        (rules / "account-profile" / f"planted-{number}.yml").write_text(text + "\n", encoding="utf-8")
    return merchantscreen(*inputs.words, "--run-id", "p", "--rules", rules)


def test_nothing_typed_comes_out(tmp_path: Path, temporary: Path) -> None:
    """Words of the command line that are not understood are named by their option, and never repeated."""
    inputs = Inputs.good(tmp_path)
    assert merchantscreen(*inputs.words).code == 0
    ran, planted = [], canaries(4001)
    for canary in planted:
        options = (
            "--run-id",
            "--as-of",
            "--max-rejects",
            "--fail-on",
            "--top",
            f"--{canary.text}",
            f"--top={canary.text}",
        )
        ran += [merchantscreen(*inputs.words, option, canary.text) for option in options]
        ran += [merchantscreen("explain", canary.text, "--run", inputs.out / "r"), merchantscreen(canary.text),
                merchantscreen("explain", "400001/M1", canary.text, "--run", inputs.out / "r"),
                merchantscreen("simulate", "--accounts", canary.text, "--format", canary.text)]  # fmt: skip
    assert {one.code for one in ran} <= {2, 73}
    assert traces(planted, _said(ran) | texts_under(inputs.out, temporary)) == []


def test_a_trading_name_keeps_the_name(tmp_path: Path) -> None:
    """Of a trading name with contact data the name stays, and the cut is counted among the blind spots."""
    inputs = Inputs.good(tmp_path)
    row = MERCHANTS[0].replace("Amber Shop", "Amber Shop +999 2468 4040 sales@amber-shop.example")
    inputs.write("merchants.csv", [MERCHANT_COLUMNS, row, *MERCHANTS[1:]])
    assert merchantscreen(*inputs.words).code == 0
    ranking = pl.read_ndjson(inputs.out / "r" / "ranking.jsonl")
    spots = pl.read_ndjson(inputs.out / "r" / "blind_spots.jsonl").filter(pl.col("subject") == "merchants.dba_name")
    assert ranking["dba_name"][0] == "Amber Shop  amber-shop.example"
    assert spots.select("kind", "count").rows() == [("field_stripped", 1)]
