"""Small networks as real files, drawn from a seed, and the ways in which a screen can come by their rows.

The files hold what files hold: nulls and empty texts, zones and units of time, columns that are absent, records
that are refused, repetitions within a file and across files, and names with every sign that a key has to escape.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any, Final, Self

import polars as pl
import pytest
from unit.referral_examples import event

from merchantscreen import intake as intake_package
from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.intake import ColumnMapping, Intake, indexing, take_in
from merchantscreen.intake.index import Index, make_index, writing
from merchantscreen.intake.indexing import index_files
from merchantscreen.intake.worker import Message, _receive, _Server
from merchantscreen.policy.loading import load_policy
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.flagging import flag
from merchantscreen.referrals.register import fold
from merchantscreen.screening import ScreenResult, screen

POLICY: Final = load_policy(None)
MOMENTS: Final = (datetime(2026, 10, 20), datetime(2026, 11, 1), datetime(2027, 2, 1))
"""Moments to screen from: two that cut the files, one after everything."""
SITES: Final = ("amber-lamps.example", "blue-lamps.example", "cyan-lamps.example")
ACQUIRERS: Final = ("400001", "4/0", "a%2F:b")
ACCEPTORS: Final = ("M1", "M 2", "M/3", "M%4", "n:5", "M6")
STRANGER: Final = "M-NOBODY"
"""An acceptor without a merchant row."""
_CARD: Final = "4111111111111111"
_OPTIONAL: Final[Mapping[str, tuple[str | None, ...]]] = {
    "transaction_type": (None, "", "purchase", "refund", "reversal"),
    "outcome": (None, "approved", "declined"),
    "card_token": ("card-1", "card-2", ""),
    "card_product": (None, "", "prepaid", "credit"),
    "issuer_country": (None, "NL", "DE"),
    "merchant_country": ("NL", ""),
    "mcc": ("5732", None),
    "network": (None, "", "visa", "net:1"),
    "payment_facilitator_id": (None, "", "", "PF/1"),
    "sub_merchant_id": (None, "", "", "S%1"),
    "descriptor": (None, "", "AMBER-LAMPS.EXAMPLE", "Blüe  Lämps 7", "ＬＡＭＰＳ", "shop@blue-lamps.example", "--"),
    "requestor_url": (None, "", "https://www.amber-lamps.example/pay?x=1", "BLUE-LAMPS.EXAMPLE.", "http://[::", "n/a"),
    "acceptor_url": (None, "cyan-lamps.example:8443/shop", "https://bücher.example/x", "https://amber-lamps.example"),
    "terminal_id": (None, "", "T1", "T/2", "T 3"),
    "device_token": (None, "", "dev-1", "dev-2", "dev-3"),
    "ip_token": (None, "ip-1", "ip-2"),
}  # fmt: skip
"""What is drawn for the optional columns; a column may be absent from a file."""
_TIMES: Final = (
    pl.Datetime("us"), pl.Datetime("ms"), pl.Datetime("ns"), pl.Datetime("us", "UTC"),
    pl.Datetime("ms", "Europe/Amsterdam"), pl.Datetime("ns", "Asia/Kolkata"),
)  # fmt: skip
_AMOUNTS: Final = (pl.Int64, pl.Int32, pl.UInt64)


@dataclass(frozen=True, slots=True)
class World:
    """Referrals, and the files of a network.

    Attributes:
        events: What hotlines said.
        merchants: The merchant file.
        transactions: Transaction files, Parquet.
    """

    events: tuple[ReferralEvent, ...]
    merchants: Path
    transactions: tuple[Path, ...]


def drawn(seed: int, folder: Path) -> World:
    """Draw a network and write its files."""
    random = Random(seed)
    events = [event(referral_id=f"R-{n}", domain=site) for n, site in enumerate(random.sample(SITES, 2))]
    frames = _frames(random)
    paths = [folder / f"day-{number}.parquet" for number in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        frame.write_parquet(path, row_group_size=random.choice([7, 1_000]), use_pyarrow=False)
    merchants = folder / "merchants.parquet"
    pl.DataFrame(_merchants(random)).write_parquet(merchants)
    return World(tuple(events), merchants, tuple(paths))


def _merchants(random: Random) -> list[dict[str, Any]]:
    """Draw merchant rows for most accounts without facilitator."""
    return [
        {
            "acquirer_id": acquirer, "card_acceptor_id": acceptor, "mcc": random.choice(["5732", "5999"]),
            "country": "NL", "opened_on": "2026-03-01", "network": random.choice(["", "", "visa", "net:1"]),
            "website_urls": random.choice(["", *(f"https://{site}/" for site in SITES)]),
            "settlement_account_token": random.choice(["acct-1", "acct-2", "acct-3"]),
        }
        for acquirer in ACQUIRERS for acceptor in ACCEPTORS if random.random() < 0.8
    ]  # fmt: skip


def _frames(random: Random) -> list[pl.DataFrame]:
    """Draw two or three transaction files, which may share rows."""
    files: list[list[dict[str, Any]]] = []
    for number in range(random.choice([2, 3])):
        rows = [_row(random, f"{number}-{place}") for place in range(random.choice([12, 60]))]
        rows += _repetitions(random, [row for file in [*files, rows] for row in file])
        random.shuffle(rows)
        files.append(rows)
    return [_frame(random, rows) for rows in files]


def _row(random: Random, name: str) -> dict[str, Any]:
    """Draw one record; every twelfth is one that has to be refused."""
    acquirer, acceptor = random.choice(ACQUIRERS), random.choice([*ACCEPTORS, STRANGER])
    around = random.choice([*MOMENTS, datetime(2026, 9, 1, 12)])
    row: dict[str, Any] = {
        "transaction_id": random.choice([f"t-{name}", f"t-{name}", None, ""]),
        "occurred_at": around + timedelta(milliseconds=random.choice([0, 0, 1, -1, 86_400_000 * 40, -86_400_000])),
        "acquirer_id": acquirer, "card_acceptor_id": acceptor,
        "amount_minor": random.randrange(100, 9_000), "currency": random.choice(["EUR", "USD"]),
        **{column: random.choice(values) for column, values in _OPTIONAL.items()},
    }  # fmt: skip
    wrong: list[dict[str, Any]] = [
        {"currency": "XXQ"}, {"amount_minor": None}, {"transaction_id": _CARD}, {"device_token": "a@b.example"},
        {"acquirer_id": ""}, {"descriptor": "LAMPS\x07"},
    ]  # fmt: skip
    return row | (random.choice(wrong) if random.random() < 1 / 12 else {})


def _repetitions(random: Random, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Repeat some records as they are, and contradict some."""
    chosen = random.sample(rows, k=random.choice([0, 0, 5]))
    return [row | ({"amount_minor": 7} if random.random() < 0.4 else {}) for row in chosen]


def _frame(random: Random, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Make the frame of a file: columns left out, times and amounts of some type."""
    absent = {column for column in _OPTIONAL if random.random() < 0.2}
    kept = [{name: value for name, value in row.items() if name not in absent} for row in rows]
    time, amount = random.choice(_TIMES), random.choice(_AMOUNTS)
    if amount is pl.UInt64:
        kept[-1] |= {"amount_minor": 2**64 - 1}  # more than an amount of ours can be: refused, and never to be cast
    frame = pl.DataFrame(kept, schema_overrides={"amount_minor": amount}, infer_schema_length=None)
    moments = pl.col("occurred_at").dt.replace_time_zone("UTC")
    zoned = moments.dt.convert_time_zone(time.time_zone) if time.time_zone else moments.dt.replace_time_zone(None)
    return frame.with_columns(
        zoned.dt.cast_time_unit(time.time_unit),
        *(pl.col(name).cast(pl.String) for name in frame.columns if name not in {"occurred_at", "amount_minor"}),
    )  # fmt: skip


# --------------------------------------------------------------------------- ways to the same rows


@dataclass(frozen=True, slots=True)
class Screened:
    """What was read and what a screen made of it."""

    intake: Intake
    result: ScreenResult


class WorkerHere:
    """The decoding process without the process: for many small files, whose decoding kills nobody."""

    def __init__(self, staging: Path, name: str = "parquet") -> None:
        self._replies = io.BytesIO()
        self._staging, self._name, self._started = staging, name, 0
        self._use = Lock()
        self.rest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing to end."""

    @contextmanager
    def alone(self) -> Iterator[Self]:
        """Serve one thread at a time."""
        with self._use:
            yield self

    def give_up(self) -> None:
        """Go on to the end: there is no process to end."""

    def rest(self) -> None:
        """Forget what was read, as a process that ends does."""
        self._server = _Server(self._staging, f"{self._name}-{self._started}", self._replies)
        self._started += 1

    def ask(self, operation: str, path: Path | None = None, **facts: Any) -> Iterator[Message]:
        """Serve one request through the same bytes as the pipe."""
        self._replies.seek(0)
        self._replies.truncate()
        self._server.serve(json.loads(json.dumps({"operation": operation, "path": path and str(path), **facts})))
        self._replies.seek(0)
        while (message := _receive(self._replies)) is not None and message.facts["kind"] != "done":
            assert message.facts["kind"] not in {"failed", "unwritten", "broken"}, message.facts
            yield message


def decode_here(patch: pytest.MonkeyPatch) -> None:
    """Decode Parquet in this process: starting others takes longer than all that small files are good for."""
    for module in (intake_package, indexing):
        patch.setattr(module, "Worker", WorkerHere)


def indexed(folder: Path, work: Path, files: Sequence[Path]) -> Index:
    """Make an index of some files, or add them to it."""
    index = make_index(folder)
    with writing(index) as place:
        index_files(index, files, place, ColumnMapping())
    work.mkdir(exist_ok=True)
    return index


def screened(
    world: World, work: Path, as_of: datetime, *, index: Index | None = None, in_place: bool = False
) -> Screened:
    """Read a world in one of the ways, and screen it."""
    work.mkdir(exist_ok=True)
    intake = take_in([world.merchants], world.transactions, work, index=index, in_place=in_place)
    flagged = flag(fold(world.events, as_of), POLICY, as_of)
    return Screened(intake, screen(intake, flagged, POLICY, PolarsEngine(work), as_of))


def tables_of(done: Screened) -> Iterable[tuple[str, Any]]:
    """Give everything that has to be equal however the rows came, by name."""
    for name in ScreenResult.__dataclass_fields__:
        yield name, getattr(done.result, name)
    for name in ("sources", "rejects", "blind_spots", "notices", "present", "pseudonym_key_id", "accounts"):
        yield f"intake.{name}", getattr(done.intake, name)
