"""The run bundle: whole or not there, the same bytes for the same result, and it proves itself."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from unit import small_run

from merchantscreen.bundle import read_bundle, read_rejects, verify_bundle, write_bundle, write_rejects
from merchantscreen.errors import CannotCreateError, FileAccessError, InputError, IntegrityError, UsageError
from merchantscreen.outputs.csvfile import neutralised
from merchantscreen.outputs.jsonlines import json_lines, read_json_lines
from merchantscreen.outputs.text import escaped
from merchantscreen.tables import AccountLinks, Ranking, schema_of

FILES = {
    "ranking.csv", "ranking.jsonl", "ranking.parquet", "ledger.jsonl", "ledger.parquet", "contributions.jsonl",
    "contributions.parquet", "domains.jsonl", "links.jsonl", "rules.jsonl", "rejects.csv", "blind_spots.jsonl",
    "facts.jsonl", "shadow.jsonl", "exceptions.jsonl", "skew.jsonl", "policy.jsonl", "history.jsonl", "changes.jsonl",
    "report.html", "manifest.json",
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Write the worked example as a run."""
    return write_bundle(tmp_path / "runs", small_run.facts(), small_run.RESULT, small_run.REJECTS)


# --------------------------------------------------------------------------- writing


def test_a_bundle_holds_its_files_and_nothing_else(run: Path) -> None:
    """The folder holds the listed files, private to the user, and no temporary folder is left beside it."""
    assert {path.name for path in run.iterdir()} == FILES
    assert {path.stat().st_mode & 0o777 for path in run.iterdir()} == {0o600}
    assert run.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in run.parent.iterdir()] == ["run-1"]


def test_sealed_rows_have_a_file_of_their_own(tmp_path: Path) -> None:
    """Accounts under a law-enforcement hold are in sealed.jsonl, which is there only when there are any."""
    result = replace(small_run.RESULT, sealed=small_run.RANKING.head(1))
    run = write_bundle(tmp_path, small_run.facts(), result, small_run.REJECTS)
    assert {path.name for path in run.iterdir()} == FILES | {"sealed.jsonl"}
    assert read_bundle(run).sealed["account_id"].to_list() == ["400001/M1"]
    assert read_bundle(run).manifest.sealed_count == 1


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two runs of the same result differ in nothing but the moment they were made."""
    later = small_run.AS_OF + timedelta(days=3)
    first = write_bundle(tmp_path / "a", small_run.facts(), small_run.RESULT, small_run.REJECTS)
    second = write_bundle(tmp_path / "b", small_run.facts(created_at=later), small_run.RESULT, small_run.REJECTS)
    manifests = [json.loads((run / "manifest.json").read_bytes()) for run in (first, second)]
    assert [manifest.pop("created_at") for manifest in manifests] == ["2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z"]
    assert manifests[0] == manifests[1]
    for name in FILES - {"manifest.json"}:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_run_is_never_overwritten(run: Path) -> None:
    """A second run of the same id is refused with what to do, and the first stays as it was."""
    before = (run / "manifest.json").read_bytes()
    with pytest.raises(CannotCreateError) as caught:
        write_bundle(run.parent, small_run.facts(), small_run.RESULT, small_run.REJECTS)
    assert caught.value.exit_code == 73
    assert "another --run-id" in str(caught.value.problems[0])
    assert (run / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("run_id", ["", ".hidden", "../up", "a/b", "a b", "x" * 65, "-flag", "new\nline"])
def test_a_run_id_is_a_plain_name(tmp_path: Path, run_id: str) -> None:
    """A run id that is hidden, leads elsewhere or is no name is refused before anything is written."""
    with pytest.raises(UsageError):
        write_bundle(tmp_path / "runs", small_run.facts(run_id), small_run.RESULT, small_run.REJECTS)
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """Where a file stands in the way of the folder of runs, the exit code is 73."""
    (tmp_path / "runs").write_text("in the way", encoding="utf-8")
    with pytest.raises(CannotCreateError):
        write_bundle(tmp_path / "runs", small_run.facts(), small_run.RESULT, small_run.REJECTS)


def test_a_full_disk_publishes_nothing(tmp_path: Path) -> None:
    """When no more can be written, the error says so, no run appears and the partial folder is gone."""
    script = (
        "import resource, signal, sys, pathlib\n"
        "from unit import small_run\n"
        "from merchantscreen.bundle import write_bundle\n"
        "from merchantscreen.errors import FileAccessError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))\n"
        "try: write_bundle(pathlib.Path(sys.argv[1]), small_run.facts(), small_run.RESULT, small_run.REJECTS)\n"
        "except FileAccessError as error: sys.stdout.write(str(error.problems[0])); sys.exit(error.exit_code)\n"
    )
    path = ":".join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == FileAccessError.exit_code, done.stderr
    assert "MS-RUN-007 run-1: writing failed (File too large)" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_rejects_of_a_stopped_run_stand_beside_the_runs(tmp_path: Path) -> None:
    """A run over its reject limit leaves its list of rejects, replacing an older list."""
    write_rejects(tmp_path, "run-1", small_run.REJECTS)
    written = write_rejects(tmp_path, "run-1", small_run.REJECTS)
    rows = list(csv.DictReader(written.read_text(encoding="utf-8").splitlines()))
    assert [(row["file"], row["line"], row["code"]) for row in rows] == [("merchants.csv", "41", "MS-CSV-012")]
    assert [path.name for path in tmp_path.iterdir()] == ["run-1.rejects.csv"]


# --------------------------------------------------------------------------- the manifest


def test_the_manifest_states_what_was_read_and_written(run: Path) -> None:
    """The manifest is canonical JSON with counts that add up, digests of every file, and an honest assurance."""
    content = (run / "manifest.json").read_bytes()
    manifest = json.loads(content)
    assert content == rfc8785.dumps(manifest)
    assert manifest["schema"] == "merchantscreen-run/2"
    assert manifest["totals"]["merchants"] == {"files": 1, "rows_read": 401, "rows_accepted": 400, "rows_rejected": 1}
    assert [source["role"] for source in manifest["inputs"]] == ["referrals", "merchants", "transactions"]
    assert (manifest["assurance"], manifest["policy"]["approval"]["state"]) == ("unsigned", "unapproved")
    assert manifest["tiers"] == {"T1": 1, "T2": 0, "T3": 1, "watch": 2}
    assert set(manifest["frozen_tables"]) == {"degrees", "breadths", "link_degrees"}
    assert manifest["model"]["residual_nano"] == 50_000_000
    for name, entry in manifest["outputs"].items():
        data = (run / name).read_bytes()
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert entry["size_bytes"] == len(data)
    assert set(manifest["outputs"]) == FILES - {"manifest.json"}


def test_a_frozen_degree_changes_the_manifest(tmp_path: Path) -> None:
    """Another degree somewhere in the data leaves its trace, even where the ledger is the same."""
    other = replace(small_run.RESULT, degrees=small_run.RESULT.degrees.with_columns(holder_count=pl.lit(401)))
    runs = [
        write_bundle(tmp_path / n, small_run.facts(), r, small_run.REJECTS)
        for n, r in (("a", small_run.RESULT), ("b", other))
    ]
    digests = [read_bundle(run).manifest.frozen_tables["degrees"].sha256 for run in runs]
    assert digests[0] != digests[1]


# --------------------------------------------------------------------------- reading and verifying


def test_a_bundle_reads_back_as_it_was(run: Path) -> None:
    """Every frame comes back with the same rows, types and order."""
    bundle = read_bundle(run)
    for name in ("ranking", "ledger", "contributions", "links", "rules", "blind_spots"):
        assert_frame_equal(getattr(bundle, name), getattr(small_run.RESULT, name))
    assert bundle.manifest.run_id == "run-1"
    assert_frame_equal(read_rejects(run), small_run.REJECTS)


def test_an_untouched_bundle_verifies(run: Path) -> None:
    """A bundle nobody touched is as it was written."""
    assert verify_bundle(run).run_id == "run-1"


def test_every_change_is_named(run: Path) -> None:
    """Verification names the file that differs, the one that is missing and the one that is extra, together."""
    (run / "ranking.csv").write_bytes((run / "ranking.csv").read_bytes().replace(b"T1", b"T3"))
    (run / "rules.jsonl").unlink()
    (run / "notes.txt").write_text("mine", encoding="utf-8")
    (run / "manifest.json").write_bytes((run / "manifest.json").read_bytes() + b"\n")
    with pytest.raises(IntegrityError) as caught:
        verify_bundle(run)
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [
        ("MS-RUN-015", "manifest.json"), ("MS-RUN-012", "ranking.csv"), ("MS-RUN-013", "rules.jsonl"),
        ("MS-RUN-014", "notes.txt"),
    ]  # fmt: skip
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
def test_one_changed_byte_is_found(run: Path, name: str) -> None:
    """A single changed byte in any file of the bundle is found, and a first one in an empty file."""
    data = bytearray((run / name).read_bytes() or b"x")
    data[len(data) // 2] ^= 1
    (run / name).write_bytes(bytes(data))
    with pytest.raises(IntegrityError):
        verify_bundle(run)


def test_a_link_in_place_of_a_file_is_found(run: Path) -> None:
    """A file replaced by a symbolic link to the same bytes does not verify."""
    (run / "rules.jsonl").rename(run.parent / "elsewhere.jsonl")
    (run / "rules.jsonl").symlink_to(run.parent / "elsewhere.jsonl")
    with pytest.raises(IntegrityError):
        verify_bundle(run)


def test_a_tampered_file_is_not_read(run: Path) -> None:
    """Reading checks the digest, so nobody is shown a changed ledger."""
    (run / "ledger.jsonl").write_bytes((run / "ledger.jsonl").read_bytes().replace(b"R-1", b"R-2"))
    with pytest.raises(IntegrityError) as caught:
        read_bundle(run)
    assert [problem.where for problem in caught.value.problems] == ["ledger.jsonl"]


def test_a_name_out_of_the_folder_is_no_file_of_it(run: Path, tmp_path: Path) -> None:
    """A manifest whose names lead out of the folder does not make us read there."""
    (tmp_path / "runs" / "secret").write_bytes(b"x")
    manifest = json.loads((run / "manifest.json").read_bytes())
    entry = {"sha256": hashlib.sha256(b"x").hexdigest(), "size_bytes": 1, "rows": 0}
    manifest["outputs"]["../secret"] = entry
    (run / "manifest.json").write_bytes(rfc8785.dumps(manifest))
    with pytest.raises(IntegrityError) as caught:
        verify_bundle(run)
    assert "outside the run folder" in str(caught.value.problems[0])


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b'{"schema":"other/1"}', b"\xff", b"[" * 100_000])
def test_a_folder_that_is_no_run_is_said(tmp_path: Path, content: bytes | None) -> None:
    """A folder without a manifest of ours is bad input, with a code and a fix."""
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    for read in (read_bundle, verify_bundle):
        with pytest.raises(InputError) as caught:
            read(tmp_path)
        assert [problem.code for problem in caught.value.problems] == [
            "MS-RUN-010" if content is None else "MS-RUN-011"
        ]


# --------------------------------------------------------------------------- the formats


def test_moments_are_written_with_the_digits_they_have() -> None:
    """Whole seconds end in Z at once; microseconds are written where there are any; null stays null."""
    rows = [json.loads(line) for line in b"".join(json_lines(small_run.LINKS)).splitlines()]
    assert [row["last_at"] for row in rows] == [None, "2026-11-01T00:00:00Z"]
    assert rows[1]["first_at"] == "2026-09-01T12:30:00.000250Z"


def test_json_lines_keep_the_order_of_the_table_and_the_text() -> None:
    """Columns come in table order, without blanks, and text is not escaped beyond need."""
    line = b"".join(json_lines(small_run.RANKING.head(1).with_columns(dba_name=pl.lit("Blüte\u2028 & Söhne"))))
    assert list(json.loads(line)) == list(schema_of(Ranking))
    assert "Blüte\u2028 & Söhne".encode() in line
    assert b": " not in line.replace(b"website: ", b"").replace(b"dedicated: ", b"")
    assert line.endswith(b"}\n")


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "seen_as": st.text(st.characters(exclude_categories=["Cs"])),
                "transaction_count": st.none() | st.integers(0, 2**63 - 1),
                "first_at": st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)),
            }
        ),
        max_size=5,
    )
)
def test_any_row_survives_writing_and_reading(rows: list[dict[str, object]]) -> None:
    """Whatever text, number or moment a row holds, it reads back the same."""
    base = {"account_id": "a", "domain": "a.example", "kind": "declared_website", "in_window": True, "match": "exact"}
    frame = small_run.frame(AccountLinks, [base | row for row in rows])
    assert_frame_equal(read_json_lines(b"".join(json_lines(frame)), AccountLinks, "links.jsonl"), frame)


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"a":1}', b"null"])
def test_a_line_that_is_no_row_is_named(line: bytes) -> None:
    """A line of another shape is refused with its number."""
    good = b"".join(json_lines(small_run.LINKS.head(1)))
    with pytest.raises(InputError) as caught:
        read_json_lines(good + line + b"\n", AccountLinks, "links.jsonl")
    assert (caught.value.problems[0].where, caught.value.problems[0].line) == ("links.jsonl", 2)


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "＋1", "－1", "＠x", " =1", "\u00a0=1", "\t=1", "\r=1", "\n=1", "\x00=1",
     "\u200b=1", "\ufeff=1", "\tx", "\rx", "\nx"],
)  # fmt: skip
def test_no_cell_becomes_a_formula(cell: str) -> None:
    """Whatever a spreadsheet could take for a formula begins with a quote mark; what acts unseen is shown."""
    assert neutralised(cell) == f"'{escaped(cell)}"


def test_a_cell_inside_a_list_is_no_formula_either() -> None:
    """Where a locale separates cells at semicolons, the second cell cannot begin a formula."""
    assert neutralised("Shop;=HYPERLINK(1); @x") == "Shop;'=HYPERLINK(1);' @x"


@pytest.mark.parametrize("cell", ["", "Shop", "a=b", "3-D", "amber-shop[.]example", "O'Neil", "0742"])
def test_ordinary_cells_stay_as_they_are(cell: str) -> None:
    """Names, codes and hosts are not touched."""
    assert neutralised(cell) == cell


def test_the_ranking_opens_in_a_spreadsheet(run: Path) -> None:
    """The CSV is RFC 4180: a header, CRLF, lists joined, numbers plain, hostile names harmless."""
    content = (run / "ranking.csv").read_bytes()
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert content.count(b"\r\n") == small_run.RANKING.height + 1
    assert [row["account_id"] for row in rows] == small_run.RANKING["account_id"].to_list()
    assert rows[1]["dba_name"] == r"'=HYPERLINK(1)\x1b[2J"
    assert (rows[0]["score"], rows[0]["points_nano"], rows[0]["mcc"]) == ("95.0", "2995732274", "5732")
    assert rows[2]["mcc"] == ""


def test_parquet_holds_the_same_rows(run: Path) -> None:
    """The Parquet files hold what the JSON lines hold."""
    assert_frame_equal(pl.read_parquet(run / "ranking.parquet"), small_run.RANKING)
    assert_frame_equal(pl.read_parquet(run / "ledger.parquet"), small_run.LEDGER)
