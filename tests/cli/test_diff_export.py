"""`diff` and `export` as an analyst types them, over runs of the real command."""

from __future__ import annotations

import io
import json
from pathlib import Path

import networkx as nx
import pytest
from cli.command import AS_OF, REFERRAL, Inputs, merchantscreen, process

SECOND = REFERRAL.replace("R-1", "R-2").replace("amber-shop", "other-shop")


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Make two runs: in the second, a hotline has confirmed one more domain."""
    inputs = Inputs.good(tmp_path)
    assert merchantscreen(*inputs.words).code == 0
    inputs.write("referrals.jsonl", [REFERRAL, SECOND])
    assert merchantscreen(*inputs.words[:-1], "s").code == 0
    return inputs.out / "r", inputs.out / "s"


def test_diff_tells_what_entered_and_why(runs: tuple[Path, Path]) -> None:
    """The new referral, the file that changed, and the account with its new item."""
    done = merchantscreen("diff", *runs)
    assert (done.code, done.err) == (0, "")
    assert "1 referral new: R-2" in done.out
    assert "1 entered" in done.out
    assert "+ declared website: other-shop[.]example" in done.out
    assert "new: referrals.jsonl (referrals, sha256" in done.out
    assert "linked, for review" in done.out
    assert f"as of {AS_OF}" in done.out


def test_diff_as_json_and_for_one_account(runs: tuple[Path, Path]) -> None:
    """--json holds all; --account cuts it down, and an unknown account is refused with near names."""
    values = json.loads(merchantscreen("diff", *runs, "--json").out)
    assert values["counts"]["entered"] == 1
    one = json.loads(merchantscreen("diff", *runs, "--json", "--account", "400001/M3").out)
    assert [account["account_id"] for account in one["accounts"]] == ["400001/M3"]
    assert "entered: 400001/M3" in merchantscreen("diff", *runs, "--account", "400001/M3").out
    wrong = merchantscreen("diff", *runs, "--account", "400001/M33")
    assert (wrong.code, wrong.codes) == (2, ["MS-RUN-004"])
    assert "400001/M3" in wrong.err


def test_diff_ends_with_1_on_request_only_if_something_came(runs: tuple[Path, Path]) -> None:
    """--exit-code speaks up for what entered or moved up, not for what left."""
    assert merchantscreen("diff", *runs, "--exit-code").code == 1
    assert merchantscreen("diff", *reversed(runs), "--exit-code").code == 0
    assert merchantscreen("diff", runs[0], runs[0], "--exit-code").code == 0


def test_an_altered_run_is_not_compared_and_not_exported(runs: tuple[Path, Path], tmp_path: Path) -> None:
    """Every file that is read is checked against the manifest first."""
    with (runs[1] / "ledger.jsonl").open("ab") as file:
        file.write(b"\n")
    assert merchantscreen("diff", *runs).code == 4
    out = tmp_path / "case"
    assert merchantscreen("export", "case-file", "400001/M1", "--run", runs[1], "--out", out).code == 4
    assert not out.exists()


def test_output_in_a_pipe_is_plain(runs: tuple[Path, Path]) -> None:
    """No control byte but line ends, even where colour is forced upon us by nobody."""
    done = process("diff", *map(str, runs), NO_COLOR="1")
    assert done.code == 0
    assert not {character for character in done.out if ord(character) < 32} - {"\n"}


def test_a_graph_is_written_once_and_opens(runs: tuple[Path, Path], tmp_path: Path) -> None:
    """One account or all cases, in both formats; never over a file that exists."""
    out = tmp_path / "one.graphml"
    done = merchantscreen("export", "graph", "400001/M2", "--run", runs[0], "--out", out)
    assert done.code == 0
    assert "nodes and" in done.out
    assert "account:400001_M2" in nx.read_graphml(io.BytesIO(out.read_bytes()))
    assert merchantscreen("export", "graph", "400001/M2", "--run", runs[0], "--out", out).code == 73
    every = tmp_path / "all.gexf"
    words = ("export", "graph", "--all", "--run", runs[0], "--format", "gexf", "--out", every, "--json")
    stated = json.loads(merchantscreen(*words).out)
    assert stated["node_count"] == nx.read_gexf(io.BytesIO(every.read_bytes())).number_of_nodes()
    assert merchantscreen("export", "graph", "--run", runs[0], "--out", tmp_path / "x").code == 2
    assert merchantscreen("export", "graph", "400001/M2", "--all", "--run", runs[0], "--out", tmp_path / "x").code == 2


def test_a_case_file_is_on_disk_with_one_command(runs: tuple[Path, Path], tmp_path: Path) -> None:
    """The folder is there, private, and says for which decision it is meant."""
    out = tmp_path / "case"
    words = ("export", "case-file", "400001/M2", "--run", runs[0], "--out", out)
    done = merchantscreen(*words, "--decision", "whether to ask", "--json")
    assert sorted(path.name for path in out.iterdir()) == json.loads(done.out)["files"]
    assert "Meant for: whether to ask" in (out / "summary.txt").read_text(encoding="utf-8")
    assert merchantscreen(*words).code == 73
    assert merchantscreen("export", "case-file", "400001/M9", "--run", runs[0], "--out", tmp_path / "y").code == 2


@pytest.mark.parametrize(("kind", "code"), [("match", "03"), ("vmss", "VMSS-23")])
def test_a_draft_takes_its_reason_from_a_person(runs: tuple[Path, Path], tmp_path: Path, kind: str, code: str) -> None:
    """Printed or written; the codes are those of the policy in the run."""
    words = ("export", kind, "400001/M1", "--run", runs[0])
    draft = json.loads(merchantscreen(*words).out)
    assert draft["status"].startswith("DRAFT, not sent")
    assert draft["reason_code_chosen_by_a_person"] is False
    out = tmp_path / "draft.json"
    assert merchantscreen(*words, "--reason-code", code, "--out", out).code == 0
    assert code[-2:] in json.loads(out.read_text())["fields"].values()
    assert merchantscreen(*words, "--reason-code", "77").code == 2
    assert merchantscreen(*words, "--reason-code", "").code == 2
