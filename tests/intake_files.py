"""Small merchant and transaction files for the intake tests, and card numbers made up in code."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Mapping
from pathlib import Path

from merchantscreen.cards import ISSUER_RANGES, IssuerRange, luhn_sum

MERCHANT = {"acquirer_id": "400001", "card_acceptor_id": "CAID0001", "dba_name": "Amber Shop", "mcc": "0742"}
TRANSACTION = {
    "transaction_id": "tx-1",
    "occurred_at": "2026-01-31T12:00:00Z",
    "acquirer_id": "400001",
    "card_acceptor_id": "CAID0001",
    "amount_minor": "1999",
    "currency": "EUR",
}


def merchant(**changed: str) -> dict[str, str]:
    """Return a good merchant row with some fields changed or added."""
    return {**MERCHANT, **changed}


def transaction(**changed: str) -> dict[str, str]:
    """Return a good transaction row with some fields changed or added."""
    return {**TRANSACTION, **changed}


def write_csv(path: Path, rows: Iterable[Mapping[str, str]]) -> Path:
    """Write rows under the header of all their fields."""
    listed = list(rows)
    names = list(dict.fromkeys(name for row in listed for name in row))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(listed)
    return path


def write_bytes(path: Path, header: str, *lines: bytes) -> Path:
    """Write a header and raw lines, each with its own line break or none."""
    path.write_bytes(header.encode() + b"\n" + b"".join(lines))
    return path


def card_number(row: IssuerRange, length: int, seed: int = 1) -> str:
    """Make up a number of an issuer range with a right check digit."""
    generator = random.Random(seed)
    body = str(generator.randint(row.low, row.high))
    body += "".join(str(generator.randrange(10)) for _ in range(length - 1 - len(body)))
    return next(body + str(check) for check in range(10) if luhn_sum(body + str(check)) % 10 == 0)


def card_numbers() -> list[str]:
    """Make up a number for every issuer range and length."""
    return [card_number(row, length) for row in ISSUER_RANGES for length in sorted(row.lengths)]
