"""Measure the exchange at its size: import, fold, `status` and `list` against the least anyone could do.

    python benchmarks/exchange.py [--referrals N] [--hotlines N] [--store URL] [--repeat N] [--work DIR]

Four hotlines sign a confirmation per referral; the same referrals also come as CSV without signatures. Every command
runs in a process of its own, by turns with its floor:

* verify: read the same file, decode each envelope, check each Ed25519 signature in one process, keep nothing;
* parse: read the same CSV file with Python's reader and write each row as JSON;
* decode: read all leaves of the log and decode each and the payload in it. With --store (PostgreSQL) it is that of a
  SQLite log with the same events, and is left out.

Reported: medians of wall time and of processor time (children included), their ratios to the floor, peak memory.
Processor time says more than wall time on a machine that others use, too.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from measuring import Measure, measure

from merchantscreen.referrals import envelope, trustchain
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.keys import SigningKey
from merchantscreen.referrals.statements import NO_PREDECESSOR, digest_of, write_statement
from merchantscreen.referrals.trust import KeyGrant, Officer, Officers, Organisation
from merchantscreen.vocabulary import ReferralEventKind

AUDIENCE: Final = "network-one"
BEGIN, END = datetime(2020, 1, 1), datetime(2100, 1, 1)
FACTS: Final[dict[str, Any]] = {
    "event": "confirmed", "issued_at": "2021-01-01T09:00:00Z", "match_scope": "registrable_domain",
    "domain_dedicated": "yes", "site_type": "website", "commerciality": "commercial", "payment_methods": ["visa"],
    "classification": "baseline", "received_at": "2020-12-30T08:00:00Z", "confirmed_at": "2021-01-01T08:30:00Z",
    "status": "active", "le_hold": False, "tlp": "amber",
}  # fmt: skip

VERIFY: Final = """
import base64, json, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
load = Ed25519PublicKey.from_public_bytes
keys = {name: load(bytes.fromhex(public)) for name, public in map(str.split, open(sys.argv[2]))}
for line in open(sys.argv[1], "rb"):
    sent = json.loads(line)
    payload, kind, signature = base64.b64decode(sent["payload"]), sent["payloadType"].encode(), sent["signatures"][0]
    covered = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    keys[signature["keyid"]].verify(base64.b64decode(signature["sig"]), covered)
"""
PARSE: Final = """
import csv, json, sys
for row in csv.DictReader(open(sys.argv[1], newline="")):
    json.dumps(row)
"""
DECODE: Final = """
import base64, json, sqlite3, sys
for (leaf,) in sqlite3.connect(sys.argv[1]).execute("SELECT leaf FROM eventlog_events ORDER BY position"):
    body = json.loads(leaf)["body"]
    if "payload" in body:
        json.loads(base64.b64decode(body["payload"]))
"""


@dataclass(frozen=True)
class World:
    """What is imported: a trust file, signed statements, the same as CSV, and the keys for the floor."""

    folder: Path

    @property
    def trust(self) -> Path:
        """The officers' trust file."""
        return self.folder / "trust.json"

    @property
    def signed(self) -> Path:
        """Envelopes, one a line."""
        return self.folder / "sent.dsse.jsonl"

    @property
    def table(self) -> Path:
        """The same referrals without signatures."""
        return self.folder / "desk.csv"

    @property
    def keys(self) -> Path:
        """Key ids with their public keys, hexadecimal."""
        return self.folder / "keys.txt"


# --------------------------------------------------------------------------- the world


def make_world(world: World, referrals: int, hotlines: int) -> None:
    """Write trust file, envelopes and CSV."""
    signers = {f"hotline-{place}": SigningKey.generated() for place in range(hotlines)}
    world.trust.write_bytes(_trust(signers, referrals))
    world.keys.write_text("".join(f"{one.key_id} {one.verify_key.public.hex()}\n" for one in signers.values()))
    with world.signed.open("xb") as file:
        file.writelines(_envelopes(signers, referrals))
    with world.table.open("x", encoding="utf-8") as file:
        file.write("referral_id,issued_at,domain,received_at,event,confirmed_at,classification\n")
        file.writelines(
            f"D-{number},2021-01-01T09:00:00Z,desk-{number}.example,2020-12-30,confirmed,2021-01-01,baseline\n"
            for number in range(referrals)
        )


def _trust(signers: dict[str, SigningKey], referrals: int) -> bytes:
    people = [SigningKey.generated(), SigningKey.generated()]
    named = tuple(Officer(name=f"Officer {place}", public=one.verify_key) for place, one in enumerate(people, 1))
    organisations = tuple(
        Organisation(
            id=name, name=name, keys=(KeyGrant(public=one.verify_key, valid_from=BEGIN),),
            events=(ReferralEventKind.CONFIRMED,), daily_limit=referrals,
        )
        for name, one in signers.items()
    )  # fmt: skip
    officers = Officers(threshold=2, keys=named)
    made = trustchain.first_version(AUDIENCE, officers, BEGIN, END, organisations=organisations)
    return envelope.sign(made.payload(), envelope.TRUST_TYPE, people)


def _envelopes(signers: dict[str, SigningKey], referrals: int) -> Iterator[bytes]:
    last = dict.fromkeys(signers, NO_PREDECESSOR)
    for number in range(referrals):
        name = list(signers)[number % len(signers)]
        fields = {"reporting_hotline_id": name, "referral_id": f"N-{number}", "domain": f"shop-{number}.example"}
        event = ReferralEvent.model_validate({**FACTS, **fields})
        payload = write_statement(event, AUDIENCE, number // len(signers) + 1, last[name])
        last[name] = digest_of(payload)
        yield envelope.sign(payload, envelope.STATEMENT_TYPE, [signers[name]]) + b"\n"


# --------------------------------------------------------------------------- measuring


def one_round(world: World, work: Path, store: str | None) -> dict[str, Measure]:
    """Measure every command once, each after its floor."""
    python, signed, table = sys.executable, work / "signed", work / "table"
    found = {"verify": measure([python, "-c", VERIFY, world.signed, world.keys])}
    _new(signed, store)
    measure([*_command("trust", "accept", world.trust), "--workspace", signed])
    found["import signed"] = measure([*_command("referrals", "import", world.signed), "--workspace", signed])
    if store is None:
        found["decode"] = measure([python, "-c", DECODE, signed / "store.sqlite3"])
    for verb in (("referrals", "status", "R-000001"), ("referrals", "list"), ("log", "verify")):
        found[" ".join(verb[:2])] = measure([*_command(*verb), "--workspace", signed])
    if store is None:
        found["parse"] = measure([python, "-c", PARSE, world.table])
        _new(table, None)
        words = ("referrals", "import", world.table, "--format", "csv", "--hotline", "hotline-0")
        found["import CSV"] = measure([*_command(*words), "--confirmed-by-reporter", "--workspace", table])
    return found


def _new(place: Path, store: str | None) -> None:
    """Make a workspace; a database has to be empty, so with one there is a single round."""
    shutil.rmtree(place, ignore_errors=True)
    measure([*_command("init", place, "--audience", AUDIENCE), *(["--store", store] if store else [])])


def _command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "merchantscreen.cli", *map(str, words)]


FLOORS: Final = {
    "import signed": "verify", "referrals status": "decode", "referrals list": "decode", "log verify": "decode",
    "import CSV": "parse",
}  # fmt: skip


def report(rounds: Sequence[dict[str, Measure]]) -> None:
    """Print medians, ratios and peak memory."""
    print(f"{'':18}{'wall, s':>9}{'cpu, s':>9}{'MiB':>7}   ratio of wall, of cpu")
    for name in rounds[0]:
        wall, processor = _median(rounds, name)
        peak = max(one[name].peak_mib for one in rounds)
        floor = FLOORS.get(name, "")
        beside = ""
        if floor in rounds[0]:
            floor_wall, floor_processor = _median(rounds, floor)
            beside = f"   {wall / floor_wall:.1f}, {processor / floor_processor:.1f} of {floor}"
        print(f"{name:18}{wall:9.2f}{processor:9.2f}{peak:7.0f}{beside}")


def _median(rounds: Sequence[dict[str, Measure]], name: str) -> tuple[float, float]:
    return median(one[name].wall for one in rounds), median(one[name].cpu for one in rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the exchange against the least anyone could do.")
    parser.add_argument("--referrals", type=int, default=100_000)
    parser.add_argument("--hotlines", type=int, default=4)
    parser.add_argument("--store", help="address of an empty PostgreSQL database; SQLite files by default")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for files and workspaces; a temporary one by default")
    return parser.parse_args()


def main() -> None:
    """Make a world, measure, report."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        world = World(Path(work))
        make_world(world, options.referrals, options.hotlines)
        rounds = 1 if options.store else options.repeat
        report([one_round(world, Path(work), options.store) for _ in range(rounds)])


if __name__ == "__main__":
    main()
