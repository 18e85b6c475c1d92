"""The command as a person runs it: in this process for speed, or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final

import typer

from merchantscreen.cli import main
from merchantscreen.cli.app import app

AS_OF: Final = "2026-11-01T00:00:00Z"

MERCHANT_COLUMNS: Final = (
    "acquirer_id,card_acceptor_id,dba_name,mcc,country,opened_on,website_urls,email,settlement_account_token"
)
MERCHANTS: Final = (
    "400001,M1,Amber Shop,5732,NL,2026-09-01,https://amber-shop.example/,owner@amber-shop.example,acct-1",
    "400001,M2,Sister Shop,5732,NL,2026-08-01,https://sister-shop.example/,info@sister-shop.example,acct-1",
    "400001,M3,Other Shop,0742,DE,2019-01-01,https://other-shop.example/,info@other-shop.example,acct-3",
)
TRANSACTION_COLUMNS: Final = "transaction_id,occurred_at,acquirer_id,card_acceptor_id,amount_minor,currency,descriptor"
TRANSACTIONS: Final = tuple(
    f"t{number},2026-10-{number:02d}T12:00:00Z,400001,M{number % 3 + 1},{1000 + number},EUR,SHOP {number % 3 + 1}"
    for number in range(1, 13)
)
REFERRAL: Final = (
    '{"event":"confirmed","issued_at":"2026-09-10T09:00:00Z","referral_id":"R-1","reporting_hotline_id":"hotline-a",'
    '"domain":"amber-shop.example","match_scope":"registrable_domain","domain_dedicated":"yes","site_type":"website",'
    '"commerciality":"commercial","classification":"baseline","received_at":"2026-09-09T09:00:00Z",'
    '"confirmed_at":"2026-09-10T09:00:00Z","observed_at":"2026-09-09T08:00:00Z","status":"active",'
    '"payment_methods":["visa"],"le_hold":false,"tlp":"amber","confidence":90,"schema_version":"1"}'
)


@dataclass(frozen=True)
class Ran:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def codes(self) -> list[str]:
        """Codes of the problem lines on stderr, in order."""
        return [line.split(" ")[0] for line in self.err.splitlines() if line.startswith("MS-")]


def merchantscreen(*words: str | Path) -> Ran:
    """Run the command in this process."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(word) for word in words])
    return Ran(code, out.getvalue(), err.getvalue())


def process(*words: str | Path, **environment: str) -> Ran:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "merchantscreen.cli", *map(str, words)],
        env=os.environ | {"PYTHONPATH": ":".join(sys.path), "COLUMNS": "160"} | environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def every_verb() -> dict[str, Any]:
    """Import every verb and return its command, by the words that call it."""
    return dict(_verbs(typer.main.get_group(app), ""))


def _verbs(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield words, command
    else:
        for name, one in below.items():
            yield from _verbs(one, f"{words} {name}".strip())


@dataclass(frozen=True)
class Inputs:
    """The three small files of a run, good unless a test spoils one."""

    folder: Path

    def write(self, name: str, content: str | bytes | Iterable[str]) -> Path:
        """Write one file: bytes as they are, lines with an end each."""
        path = self.folder / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else "".join(f"{line}\n" for line in content)
            path.write_text(text, encoding="utf-8")
        return path

    @classmethod
    def good(cls, folder: Path) -> Inputs:
        """Write three good files into a folder."""
        inputs = cls(folder)
        inputs.write("merchants.csv", [MERCHANT_COLUMNS, *MERCHANTS])
        inputs.write("transactions.csv", [TRANSACTION_COLUMNS, *TRANSACTIONS])
        inputs.write("referrals.jsonl", [REFERRAL])
        return inputs

    @property
    def out(self) -> Path:
        """Folder of all runs."""
        return self.folder / "runs"

    @property
    def words(self) -> list[str | Path]:
        """The words of the screen command on these files."""
        files = ("--referrals", "referrals.jsonl", "--merchants", "merchants.csv", "--transactions", "transactions.csv")
        named = [word if word.startswith("--") else self.folder / word for word in files]
        return ["screen", *named, "--as-of", AS_OF, "--out", self.out, "--run-id", "r"]
