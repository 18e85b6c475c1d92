"""`merchantscreen index`, and `screen --index`, as a person runs them: messages, exit codes, and the same bytes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from cli.command import AS_OF, TRANSACTION_COLUMNS, TRANSACTIONS, Inputs, Ran, merchantscreen, process
from index.worlds import decode_here
from workspace.places import made, with_referrals

from merchantscreen.features import peers
from merchantscreen.features.peers import draws
from merchantscreen.intake import digests, files, known
from merchantscreen.intake.entries import FACTS
from merchantscreen.intake.index import MARK, Index

RUN_FACTS = {"manifest.json", "report.html"}
"""Files that state how a run was made, the use of an index among it."""
EVIDENCE = 20
"""Files of a run at least; comparing fewer would compare little."""
ODD = (
    "t20,2026-10-20T12:00:00Z,400001,M1,4111111111111111,EUR,SHOP 1",
    "t21,2026-10-21T12:00:00Z,400001,M2,1000,XXQ,SHOP 2",
    "t22,2026-10-22T12:00:00Z,400001,M9,1000,EUR,PAY AMBER-SHOP.EXAMPLE",
    "t23,2026-10-23T12:00:00Z,400001,M9,1000,EUR,shop@amber-shop.example",
)
"""A card number, a bad currency, and an account without a merchant row."""


@dataclass(frozen=True)
class Desk:
    """Input files, an index beside them, and runs of the command."""

    inputs: Inputs

    @property
    def index(self) -> Path:
        """Folder of the index."""
        return self.inputs.folder / "index"

    def day(self, name: str, rows: Iterable[str]) -> Path:
        """Write a day's transactions, as CSV or as Parquet by the ending."""
        path = self.inputs.write(f"{Path(name).stem}.csv", [TRANSACTION_COLUMNS, *rows])
        if not name.endswith(".parquet"):
            return path
        read = pl.read_csv(path, infer_schema=False)
        read.with_columns(
            pl.col("amount_minor").cast(pl.Int64, strict=False), pl.col("occurred_at").str.to_datetime(time_zone="UTC")
        ).write_parquet(path.with_suffix(".parquet"))
        path.unlink()
        return path.with_suffix(".parquet")

    def add(self, *files: Path | str) -> Ran:
        """Index some files."""
        return merchantscreen("index", "--index", self.index, "--transactions", *files)

    def screen(self, run_id: str, files: Iterable[Path], *words: str | Path) -> Ran:
        """Screen some files."""
        fixed = self.inputs.words[:5]
        return merchantscreen(
            *fixed, "--transactions", *files, "--as-of", "2026-11-01T00:00:00Z", "--out", self.inputs.out,
            "--run-id", run_id, *words,
        )  # fmt: skip

    def evidence(self, run_id: str) -> dict[str, str]:
        """Return the digest of every file of a run that says what was found."""
        files = [file for file in (self.inputs.out / run_id).iterdir() if file.name not in RUN_FACTS]
        assert len(files) >= EVIDENCE or {"ranking.csv", "rejects.csv"} <= {file.name for file in files}
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    def facts(self) -> dict[Path, tuple[int, bytes]]:
        """Return every file of every entry, with the time it was written."""
        files = [path for path in (self.index / "transactions").rglob("*") if path.is_file()]
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    def assert_same_with_index(self, files: list[Path], *words: str | Path, taken: int) -> dict[str, str]:
        """Screen with the index and without, and compare every byte; return the evidence."""
        shutil.rmtree(self.inputs.out, ignore_errors=True)
        plain, told = self.screen("plain", files, *words), self.screen("indexed", files, *words, "--index", self.index)
        assert (plain.code, told.code) == (0, 0), plain.err + told.err
        said = f"{taken} transaction file{'s' * (taken > 1)} taken from the index\n"
        assert told.err.startswith(said) if taken else "from the index" not in told.err
        assert told.err.removeprefix(said).replace("runs/indexed/", "runs/plain/") == plain.err
        assert self.evidence("indexed") == self.evidence("plain")
        return self.evidence("plain")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Write the good files of a run."""
    return Desk(Inputs.good(tmp_path))


@pytest.fixture
def _decoded_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the processes that decode."""
    decode_here(monkeypatch)


# --------------------------------------------------------------------------- making one


def test_an_index_is_made_and_grows(desk: Desk) -> None:
    """Each file is read once, told of, and left alone when it comes again; a mapping makes another entry."""
    first, second = desk.day("one.csv", TRANSACTIONS[:6]), desk.day("two.parquet", (*TRANSACTIONS[6:], *ODD))
    ran = desk.add(first)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "one.csv: read 6 = accepted 6 + rejected 0\n1 file indexed, 0 known already\n"
    before = desk.facts()
    ran = desk.add(first, second)
    assert ran.out == "two.parquet: read 10 = accepted 8 + rejected 2\n1 file indexed, 1 known already\n"
    after = desk.facts()
    assert {path: after[path] for path in before} == before
    assert len(list((desk.index / "transactions").iterdir())) == 2
    mapping = desk.inputs.write("map.yml", "transactions:\n  columns: {amount_minor: amount_minor}\n")
    ran = merchantscreen("index", "--index", desk.index, "--transactions", first, "--mapping", mapping)
    assert ran.out.endswith("1 file indexed, 0 known already\n"), ran.err
    assert len(list((desk.index / "transactions").iterdir())) == 3


def test_a_file_is_known_by_its_content_and_not_by_its_name(desk: Desk) -> None:
    """A renamed file is known; one byte more is another file."""
    first = desk.day("one.csv", TRANSACTIONS)
    desk.add(first)
    renamed = first.rename(first.with_name("other.csv"))
    assert desk.add(renamed).out == "0 files indexed, 1 known already\n"
    with renamed.open("a", encoding="utf-8") as file:
        file.write(ODD[2] + "\n")
    assert desk.add(renamed).out.endswith("1 file indexed, 0 known already\n")
    desk.assert_same_with_index([renamed], taken=1)


def test_json_says_what_was_done(desk: Desk) -> None:
    """Another program reads counts and digests, and what a check came to."""
    path = desk.day("one.csv", (*TRANSACTIONS, *ODD))
    done = json.loads(merchantscreen("index", "--index", desk.index, "--transactions", path, "--json").out)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    counts = {"rows_read": 16, "rows_accepted": 14, "rows_rejected": 2}
    assert done == {
        "indexed": [{"file": "one.csv", "sha256": digest, **counts}],
        "known_count": 0,
        "merchants_read": False,
    }
    checked = merchantscreen("index", "--index", desk.index, "--check", "--json")
    assert json.loads(checked.out) == {"entries": 1, "altered": 0}
    assert merchantscreen("index", "--index", desk.index, "--check").out == "1 entry as written\n"


def test_an_index_is_closed_to_others_and_nothing_is_left_to_work_with(desk: Desk) -> None:
    """It holds hosts, ids and amounts: only its owner comes in, also where the folder was there before."""
    desk.index.mkdir(mode=0o755)
    desk.add(desk.day("one.csv", TRANSACTIONS))
    assert {path.name for path in desk.index.iterdir()} == {
        MARK, "transactions", "merchants", "merged", "overlaps.json", "lock",
    }  # fmt: skip
    for name in ("transactions", "merchants", "merged"):
        assert stat.S_IMODE((desk.index / name).stat().st_mode) == 0o700
    shutil.rmtree(desk.index)
    desk.add(desk.inputs.folder / "one.csv")
    assert stat.S_IMODE(desk.index.stat().st_mode) == 0o700


def test_no_card_token_and_no_path_is_kept(desk: Desk) -> None:
    """What a screen drops at intake is not in the index either."""
    header = f"{TRANSACTION_COLUMNS},card_token,requestor_url"
    row = f"{TRANSACTIONS[0]},secretcard77,https://amber-shop.example/secret-path?q=1"
    desk.add(desk.inputs.write("one.csv", [header, row]))
    tables = [pl.read_parquet(path) for path in (desk.index / "transactions").rglob("*.parquet")]
    kept = "\n".join(str(frame.rows()) for frame in tables)
    assert "amber-shop.example" in kept
    assert "secret" not in kept


# --------------------------------------------------------------------------- refusals


def test_what_is_no_index_is_refused(desk: Desk) -> None:
    """A folder that is none, one that holds something else, and an order without files."""
    path, other = desk.day("one.csv", TRANSACTIONS), desk.inputs.folder / "other"
    ran = desk.screen("r", [path], "--index", desk.index)
    assert (ran.code, ran.codes) == (2, ["MS-IDX-001"])
    assert not desk.index.exists()
    other.mkdir()
    (other / "letter.txt").touch()
    ran = merchantscreen("index", "--index", other, "--transactions", path)
    assert (ran.code, ran.codes) == (2, ["MS-IDX-002"])
    assert [file.name for file in other.iterdir()] == ["letter.txt"]
    assert merchantscreen("index", "--index", other, "--check").codes == ["MS-IDX-001"]
    ran = merchantscreen("index", "--index", desk.index)
    assert (ran.code, ran.codes) == (2, ["MS-IDX-005"])
    ran = merchantscreen("index", "--index", path, "--transactions", path)
    assert (ran.code, len(ran.codes)) == (73, 1), ran.err


def test_files_that_cannot_be_used_are_named_together_and_nothing_is_read(desk: Desk) -> None:
    """All problems of all files come at once, and no entry is made, not of the good file either."""
    good = desk.day("one.csv", TRANSACTIONS)
    bad = desk.inputs.write("bad.csv", ["transaction_id,occurred_at", "t1,2026-10-01T12:00:00Z"])
    broken = desk.inputs.write("broken.parquet", b"PAR1 and then nothing PAR1")
    ran = desk.add(good, bad, broken)
    assert ran.code == 65
    assert {"MS-COL-001", "MS-PQT-003"} <= set(ran.codes), ran.err
    assert desk.facts() == {}
    assert desk.add(good, desk.inputs.folder / "absent.csv").codes == ["MS-FILE-001"]


def test_one_writer_at_a_time_and_screens_meanwhile(desk: Desk) -> None:
    """A second writer is told to wait; a screen reads what is there, and takes the rest from the files."""
    first, second = desk.day("one.csv", TRANSACTIONS[:6]), desk.day("two.csv", TRANSACTIONS[6:])
    desk.add(first)
    with (desk.index / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = desk.add(second)
        assert (ran.code, ran.codes) == (75, ["MS-IDX-003"])
        desk.assert_same_with_index([first, second], taken=1)
    assert desk.add(second).code == 0
    desk.assert_same_with_index([first, second], taken=2)


# --------------------------------------------------------------------------- merchant files


def test_merchant_files_are_kept_as_one_set(desk: Desk) -> None:
    """A screen of the same files takes what they came to; one byte more, or another key, and all are read again."""
    merchants, path = desk.inputs.folder / "merchants.csv", desk.day("one.csv", TRANSACTIONS)
    words = ["index", "--index", desk.index, "--merchants", merchants]
    assert merchantscreen(*words).out.startswith("merchant files read and kept\n")
    assert merchantscreen(*words, "--transactions", path).out == (
        "merchant files known already\none.csv: read 12 = accepted 12 + rejected 0\n1 file indexed, 0 known already\n"
    )
    desk.assert_same_with_index([path], taken=1)
    key = desk.inputs.write("key", b"k" * 32)
    key.chmod(0o600)
    keyed = desk.assert_same_with_index([path], "--pseudonym-key-file", key, taken=1)
    assert json.loads(merchantscreen(*words, "--pseudonym-key-file", key, "--json").out)["merchants_read"] is True
    assert desk.assert_same_with_index([path], "--pseudonym-key-file", key, taken=1) == keyed
    with merchants.open("a", encoding="utf-8") as file:
        file.write("400001,M4,More Shop,5732,NL,2026-09-01,https://more.example/,owner@amber-shop.example,acct-1\n")
        file.write("400001,M4,More Shop,XX,NL,2026-09-01,,,\n")
    changed = desk.assert_same_with_index([path], "--max-rejects", "9", taken=1)
    assert changed != keyed
    assert json.loads(merchantscreen(*words, "--json").out)["merchants_read"] is True
    assert desk.assert_same_with_index([path], "--max-rejects", "9", taken=1) == changed
    kept = b"".join(file.read_bytes() for file in (desk.index / "merchants").rglob("*") if file.is_file())
    assert b"owner@amber-shop" not in kept


@pytest.mark.parametrize(
    "name",
    ["accounts.parquet", "declared.parquet", "by-account-000.parquet", "rejects.parquet", "lots.parquet", FACTS],
)
def test_an_altered_set_of_merchants_is_found(desk: Desk, name: str) -> None:
    """The check names it; one that was cut short does not count, and is made again."""
    words = ["index", "--index", desk.index, "--merchants", desk.inputs.folder / "merchants.csv"]
    merchantscreen(*words)
    (target,) = (desk.index / "merchants").glob(f"*/{name}")
    before = _flipped(target, target.stat().st_size // 2)
    ran = merchantscreen("index", "--index", desk.index, "--check")
    assert (ran.code, ran.codes) == (4, ["MS-IDX-004"])
    target.write_bytes(before[:-1])
    assert merchantscreen(*words).out.startswith("merchant files read and kept\n")
    assert merchantscreen("index", "--index", desk.index, "--check").out == "1 entry as written\n"


def test_what_is_declared_is_kept_by_account_as_well(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows in the order of accounts, some accounts in each file; a screen looks accounts up there."""
    merchants, path = desk.inputs.folder / "merchants.csv", desk.day("one.csv", TRANSACTIONS)
    monkeypatch.setattr(known, "SPAN_ACCOUNTS", 1)
    words = ["index", "--index", desk.index, "--merchants", merchants, "--transactions", path]
    assert merchantscreen(*words).code == 0
    (kept,) = Index(desk.index).all_merchants()
    order, expected = ["account_id", "kind", "value"], pl.read_parquet(kept.declared)
    assert len(kept.by_account) == pl.read_parquet(kept.accounts).height > 1
    assert pl.concat(map(pl.read_parquet, kept.by_account)).equals(expected.sort(order))
    desk.assert_same_with_index([path], taken=1)


def test_lots_are_drawn_when_merchants_are_kept_and_never_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A screen of kept merchants compares trades by the lots beside them; any other draws."""
    merchants, path = desk.inputs.folder / "merchants.csv", desk.day("one.csv", TRANSACTIONS)
    assert merchantscreen("index", "--index", desk.index, "--merchants", merchants, "--transactions", path).code == 0
    drawn: list[int] = []

    def counted(accounts: pl.Series) -> pl.Series:
        drawn.append(accounts.len())
        return draws(accounts)

    monkeypatch.setattr(peers, "draws", counted)
    assert desk.screen("plain", [path]).code == 0
    (of_all, *of_neighbours) = drawn
    assert of_all == 2
    drawn.clear()
    assert desk.screen("told", [path], "--index", desk.index).code == 0
    assert drawn == of_neighbours
    assert desk.evidence("told") == desk.evidence("plain")


# --------------------------------------------------------------------------- digests that were noted


NOTE = "digests.json"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note files at once, however new they are, and list the names of files whose digest is taken."""
    monkeypatch.setattr(digests, "SETTLED_NS", -1_000_000_000)
    names: list[str] = []
    taken = files.digest

    def counted(path: Path) -> tuple[int, str]:
        names.append(path.name)
        return taken(path)

    monkeypatch.setattr(files, "digest", counted)
    return names


def test_a_file_that_is_as_it_was_is_hashed_once(desk: Desk, hashed: list[str]) -> None:
    """Neither a screen nor the next index reads it for its digest; one that was renamed is hashed, and is known."""
    first, second = desk.day("one.csv", TRANSACTIONS[:6]), desk.day("two.csv", TRANSACTIONS[6:])
    desk.add(first, second)
    desk.assert_same_with_index([first, second], taken=2)
    before = (desk.index / NOTE).read_bytes()
    hashed.clear()
    assert desk.screen("again", [first, second], "--index", desk.index).code == 0
    assert desk.add(first, second).out == "0 files indexed, 2 known already\n"
    assert not {"one.csv", "two.csv"} & set(hashed)
    assert (desk.index / NOTE).read_bytes() == before
    renamed = first.rename(first.with_name("other.csv"))
    assert desk.add(renamed).out == "0 files indexed, 1 known already\n"
    assert "other.csv" in hashed


@pytest.mark.parametrize("way", ["written over", "put in its place"])
def test_another_content_of_the_same_size_and_date_is_read(desk: Desk, hashed: list[str], way: str) -> None:
    """Whoever gives a file its old date back cannot give it its old time of change."""
    path = desk.day("one.csv", TRANSACTIONS)
    desk.add(path)
    state, altered = path.stat(), path.read_bytes().replace(b",EUR,", b",USD,")
    if way == "put in its place":
        path.unlink()
    path.write_bytes(altered)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    hashed.clear()
    desk.assert_same_with_index([path], taken=0)
    assert "one.csv" in hashed


def test_a_file_that_has_just_changed_is_not_noted(desk: Desk) -> None:
    """Another change within the same tick of the disk would not be seen."""
    desk.add(desk.day("one.csv", TRANSACTIONS))
    assert not (desk.index / NOTE).exists()


@pytest.mark.usefixtures("hashed")
def test_an_altered_note_is_found_changes_nothing_and_is_made_anew(desk: Desk) -> None:
    """A digest of another file in it would name another entry, so a note that is not as it was written is none."""
    path = desk.day("one.csv", TRANSACTIONS)
    desk.add(path)
    before = _flipped(desk.index / NOTE, 100)
    ran = merchantscreen("index", "--index", desk.index, "--check")
    assert (ran.code, ran.codes, NOTE in ran.err) == (4, ["MS-IDX-004"], True)
    desk.assert_same_with_index([path], taken=1)
    desk.add(path)
    assert (desk.index / NOTE).read_bytes() == before
    for entry in (desk.index / "transactions").iterdir():
        shutil.rmtree(entry)
    desk.add(desk.day("two.csv", TRANSACTIONS[:3]))
    assert len(json.loads((desk.index / NOTE).read_bytes())["content"]["files"]) == 1


# --------------------------------------------------------------------------- what was altered


def _flipped(path: Path, place: int) -> bytes:
    """Turn one bit of a file over and return what it was."""
    content = path.read_bytes()
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    return content


def test_a_check_finds_every_altered_file(desk: Desk) -> None:
    """One bit anywhere, a cut file and a missing one: exit code 4, and the place."""
    desk.add(desk.day("one.csv", (*TRANSACTIONS, *ODD)))
    paths = [*desk.facts(), desk.index / "overlaps.json"]
    assert len(paths) == 7
    for path in paths:
        for place in {0, path.stat().st_size // 2, path.stat().st_size - 1}:
            before = _flipped(path, place)
            ran = merchantscreen("index", "--index", desk.index, "--check")
            assert (ran.code, ran.codes) == (4, ["MS-IDX-004"]), (path.name, place)
            assert path.name in ran.err
            path.write_bytes(before)
    (cut,) = (desk.index / "transactions").glob("*/rows-000.parquet")
    cut.write_bytes(cut.read_bytes()[:-9])
    assert merchantscreen("index", "--index", desk.index, "--check").code == 4


@pytest.mark.parametrize(
    ("damage", "name"),
    [("cut", "rows-000.parquet"), ("missing", "pairs-000.parquet"), ("cut", "keys.parquet"),
     ("missing", "rejects.parquet"), ("cut", FACTS), ("missing", FACTS)],
)  # fmt: skip
def test_a_damaged_entry_does_not_count_and_is_made_anew(desk: Desk, damage: str, name: str) -> None:
    """A screen reads the file instead; indexing makes the entry again, and trusts nothing that was there."""
    path = desk.day("one.csv", (*TRANSACTIONS, *ODD))
    desk.add(path)
    whole = {file.name: content for file, (_, content) in desk.facts().items()}
    (target,) = (desk.index / "transactions").glob(f"*/{name}")
    if damage == "cut":
        target.write_bytes(target.read_bytes()[:-1])
    else:
        target.unlink()
    desk.assert_same_with_index([path], taken=0)
    assert desk.add(path).out.endswith("1 file indexed, 0 known already\n")
    assert {file.name: content for file, (_, content) in desk.facts().items()} == whole
    assert merchantscreen("index", "--index", desk.index, "--check").code == 0
    desk.assert_same_with_index([path], taken=1)


# --------------------------------------------------------------------------- the same result


@pytest.mark.usefixtures("_decoded_here")
@pytest.mark.parametrize(
    ("ending", "moment"),
    [("csv", "2026-09-01T00:00:00Z"), ("parquet", "2026-10-06T12:00:00Z"), ("csv", "2026-10-22T12:00:00Z"),
     ("parquet", "2027-01-01T00:00:00Z")],
)  # fmt: skip
def test_the_moment_of_the_run_may_lie_anywhere(desk: Desk, ending: str, moment: str) -> None:
    """Before an entry's rows, within them, at the last of them, after them: the bytes are those without an index."""
    files = [desk.day(f"one.{ending}", TRANSACTIONS[:6]), desk.day(f"two.{ending}", (*TRANSACTIONS[6:], *ODD))]
    desk.add(*files)
    desk.assert_same_with_index(files, "--as-of", moment, taken=2)


def _corrected(rows: Iterable[str]) -> list[str]:
    """Send a day again with one amount corrected."""
    first, *rest = rows
    return [first.replace(",1001,", ",1009,"), *rest]


REPETITIONS = {
    "within a file": ([*TRANSACTIONS, *TRANSACTIONS[:3], *_corrected(TRANSACTIONS[:1]), *ODD], []),
    "across two files": (TRANSACTIONS, [*TRANSACTIONS[8:], *ODD]),
    "a corrected file": (TRANSACTIONS, _corrected(TRANSACTIONS)),
    "contradictions of a stranger": ([ODD[2], *TRANSACTIONS], [ODD[2].replace(",1000,", ",1001,")]),
    "all of a stranger": ([ODD[2], *TRANSACTIONS], [ODD[2].replace(",1000,", ",1001,"), TRANSACTIONS[0]]),
}


@pytest.mark.usefixtures("_decoded_here")
@pytest.mark.parametrize(
    ("story", "ending"), list(zip(REPETITIONS, ["csv", "parquet", "csv", "parquet", "parquet"], strict=True))
)
def test_repetitions_are_found_whether_or_not_files_are_in_the_index(desk: Desk, story: str, ending: str) -> None:
    """Rejects, notices and evidence are the same with both files, one of them, or none in the index."""
    one, other = REPETITIONS[story]
    files = [desk.day(f"one.{ending}", one), *([desk.day(f"two.{ending}", other)] if other else [])]
    shares = bool(other)
    desk.add(files[0])
    first = desk.assert_same_with_index(files, "--max-rejects", "50", taken=0 if shares else 1)
    if shares:
        desk.add(*files)
        assert desk.assert_same_with_index(files, "--max-rejects", "50", taken=0) == first
    rejects = (desk.inputs.out / "plain" / "rejects.csv").read_text(encoding="utf-8")
    assert "MS-KEY-00" in rejects


def test_the_noted_overlaps_are_not_needed(desk: Desk) -> None:
    """Where they are lost or altered, they are found again by comparing."""
    files = [desk.day("one.csv", TRANSACTIONS), desk.day("two.csv", [TRANSACTIONS[0], *ODD])]
    desk.add(*files)
    noted = desk.index / "overlaps.json"
    for content in (b"", b"{}", b'{"compared": 1}', noted.read_bytes().replace(b"pairs", b"pears"), b"[" * 100_000):
        noted.write_bytes(content)
        desk.assert_same_with_index(files, "--max-rejects", "50", taken=0)
    noted.unlink()
    desk.assert_same_with_index(files, "--max-rejects", "50", taken=0)


def test_a_file_of_which_nothing_was_accepted(desk: Desk) -> None:
    """An entry without rows stands for its file like any other."""
    files = [desk.day("one.csv", TRANSACTIONS), desk.day("two.csv", ODD[:2])]
    desk.add(*files)
    desk.assert_same_with_index(files, "--max-rejects", "50", taken=2)


def test_too_many_rejects_stop_a_run_from_the_index_too(desk: Desk) -> None:
    """The limit counts what was rejected when the file was read, and the list is the same."""
    path = desk.day("one.csv", (*TRANSACTIONS, *ODD))
    desk.add(path)
    ran = [desk.screen(f"r{number}", [path], "--max-rejects", "1", *words)
           for number, words in enumerate([(), ("--index", desk.index)])]  # fmt: skip
    assert [one.code for one in ran] == [3, 3]
    assert ran[0].codes == ran[1].codes
    lists = [path.read_bytes() for path in sorted(desk.inputs.out.rglob("*rejects*.csv"))]
    assert len(lists) == 2
    assert lists[0] == lists[1]


def test_the_run_says_what_it_took_from_the_index(desk: Desk) -> None:
    """The manifest and the summary state how many files were not read, and the run reproduces without an index."""
    path = desk.day("one.parquet", TRANSACTIONS)
    desk.add(path)
    summary = json.loads(desk.screen("r", [path], "--index", desk.index, "--json").out)
    assert summary["files_from_index"] == 1
    manifest = json.loads((desk.inputs.out / "r" / "manifest.json").read_bytes())
    assert manifest["parameters"]["files_from_index"] == 1
    files = desk.inputs.words[1:5]
    ran = merchantscreen("reproduce", desk.inputs.out / "r", *files, "--transactions", path)
    assert ran.code == 0, ran.err


def test_a_workspace_takes_its_own_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once there is one it is used without being named; before that nothing is missed."""
    folder = tmp_path / "desk"
    with_referrals(made(folder).folder)
    Inputs.good(folder)
    monkeypatch.chdir(folder)
    words = ["screen", "--merchants", "merchants.csv", "--transactions", "transactions.csv", "--as-of", AS_OF]
    ran = merchantscreen(*words, "--run-id", "before")
    assert (ran.code, "from the index" in ran.err) == (0, False), ran.err
    assert merchantscreen("index", "--index", "index", "--transactions", "transactions.csv").code == 0
    ran = merchantscreen(*words, "--run-id", "after")
    assert (ran.code, "1 transaction file taken from the index\n" in ran.err) == (0, True), ran.err
    ledgers = [(folder / "runs" / name / "ledger.jsonl").read_bytes() for name in ("before", "after")]
    assert ledgers[0] == ledgers[1]


def test_nothing_of_spark_is_needed(desk: Desk) -> None:
    """Indexing and screening with an index, in processes of their own, where no pyspark can be imported."""
    barred = desk.inputs.folder / "barred"
    (barred / "pyspark").mkdir(parents=True)
    (barred / "pyspark" / "__init__.py").write_text("raise AssertionError('pyspark was imported')", encoding="utf-8")
    path = desk.day("one.parquet", TRANSACTIONS)
    way = {"PYTHONPATH": ":".join([str(barred), *sys.path])}
    ran = process("index", "--index", desk.index, "--transactions", path, **way)
    assert (ran.code, ran.err) == (0, ""), ran.err
    ran = process(
        *desk.inputs.words[:5], "--transactions", path, "--out", desk.inputs.out, "--index", desk.index, **way
    )
    assert ran.code == 0, ran.err
    assert ran.err.startswith("1 transaction file taken from the index\n")
