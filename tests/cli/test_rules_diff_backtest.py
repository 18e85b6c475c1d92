"""`rules diff` and `rules backtest` as a person runs them, on real folders, runs and git repositories."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from cli.command import AS_OF, Inputs, Ran, merchantscreen, process

FEW: Final = "transaction-pattern/few-price-points.yml"
MOVED: Final = (
    ("top3_price_share > 0.9\n", "top3_price_share > 0.95\n"),
    ("top3_price_share: 0.91}", "top3_price_share: 0.96}"),
    ("top3_price_share: 0.9}", "top3_price_share: 0.95}"),
)
WATCH: Final = """
import sys
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event.startswith(("socket.", "urllib.", "http.")) else None)
from merchantscreen.cli import main
code = main(sys.argv[1:])
assert code == 0, code
assert seen == [], seen
"""


@pytest.fixture(name="rules")
def _rules(repository: Path, tmp_path: Path) -> Path:
    """Copy the built-in policy to a folder of its own."""
    return Path(shutil.copytree(repository / "rules", tmp_path / "copied" / "rules"))


@pytest.fixture(name="inputs")
def _inputs(tmp_path: Path) -> Inputs:
    """Write the small files of a run."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    return Inputs.good(folder)


def change(folder: Path, name: str, *edits: tuple[str, str]) -> None:
    """Replace texts of one file."""
    text = (folder / name).read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / name).write_text(text, encoding="utf-8")


def git(folder: Path, *words: str) -> str:
    """Run git in a folder, with an author of its own."""
    who = ("-c", "user.name=Test", "-c", "user.email=test@mail.example", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def committed(folder: Path, *names: str) -> None:
    """Commit everything, making the repository if there is none yet, and give the commit some tags."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "state")
    for name in names:
        git(folder, "tag", name)


# --------------------------------------------------------------------------- diff


def test_two_folders_are_compared_by_meaning(rules: Path, tmp_path: Path) -> None:
    """A moved threshold is told in a sentence; --exit-code turns it into an exit code."""
    other = Path(shutil.copytree(rules, tmp_path / "other"))
    change(other, FEW, *MOVED)
    ran = merchantscreen("rules", "diff", rules, other)
    assert (ran.code, ran.err) == (0, "")
    assert "few-price-points: top3_price_share > 0.9 becomes > 0.95 (+5.6 %)" in ran.out
    assert ran.out.index("Conditions and thresholds") < ran.out.index("Texts, dates and people")
    assert merchantscreen("rules", "diff", rules, other, "--exit-code").code == 1


def test_layout_is_no_difference_in_meaning(rules: Path, tmp_path: Path) -> None:
    """Comments and trailing zeros change bytes only, and --exit-code stays 0."""
    other = Path(shutil.copytree(rules, tmp_path / "other"))
    change(other, "evidence.yml", ("    weight: 0.6\n", "    weight: 0.600   # the same\n"))
    ran = merchantscreen("rules", "diff", rules, other, "--exit-code")
    assert ran.code == 0
    assert "no difference in meaning" in ran.out
    assert "comments, layout or notes differ" in ran.out


def test_the_differences_as_json(rules: Path) -> None:
    """A program reads kinds, numbers and whether results may differ."""
    change(rules, "evidence.yml", ("  phone:\n    weight: 0.6", "  phone:\n    weight: 0.5"))
    stated = json.loads(merchantscreen("rules", "diff", "built-in", rules, "--json").out)
    assert stated["differs_in_meaning"]
    assert stated["differs_in_results"]
    assert stated["old"]["digest"] != stated["new"]["digest"]
    (only,) = stated["differences"]
    assert (only["kind"], only["field"], only["old"], only["new"]) == (
        "weight_changed", "kinds.phone.weight", "0.6", "0.5",
    )  # fmt: skip


def test_a_run_carries_the_policy_it_was_made_with(rules: Path, inputs: Inputs) -> None:
    """A run's own copy is compared, whatever became of the folder."""
    assert merchantscreen(*inputs.words, "--rules", rules).code == 0
    change(rules, FEW, *MOVED)
    ran = merchantscreen("rules", "diff", inputs.out / "r", rules)
    assert ran.code == 0, ran.err
    assert "top3_price_share > 0.9 becomes > 0.95" in ran.out


def test_revisions_of_a_repository_are_compared(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag, a tag with a path, and a bare revision beside a folder all name the same folder."""
    top = rules.parent
    committed(top, "v1")
    change(rules, FEW, *MOVED)
    committed(top, "v2")
    monkeypatch.chdir(top)
    for words in (("v1", "v2"), ("v1:rules", "v2:rules/"), ("v1", rules), ("v1:./rules", "rules"), ("HEAD~1", "main")):
        ran = merchantscreen("rules", "diff", *words)
        assert (ran.code, ran.err) == (0, ""), words
        assert "top3_price_share > 0.9 becomes > 0.95" in ran.out
    assert "no difference in meaning" in merchantscreen("rules", "diff", "v2", rules).out


def test_a_bare_revision_means_the_repository_around_the_folder(rules: Path, tmp_path: Path) -> None:
    """The folder on the other side says which repository, and which folder in it."""
    committed(rules.parent, "v1")
    change(rules, FEW, *MOVED)
    ran = merchantscreen("rules", "diff", "v1", rules)
    assert (ran.code, ran.err) == (0, "")
    assert "top3_price_share > 0.9 becomes > 0.95" in ran.out
    assert tmp_path in rules.parents


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("v9", "MS-RUN-043"), ("v1:elsewhere", "MS-RUN-043"), ("v1:../rules", "MS-RUN-043"),
        ("v1:/rules", "MS-RUN-043"), ("v1..v2", "MS-RUN-040"), ("--upload-pack=x", "MS-RUN-040"),
        ("no such folder", "MS-RUN-040"),
        ("ext::sh -c true", "MS-RUN-043"), (":/state", "MS-RUN-040"), ("v1^{tree}", "MS-RUN-043"),
    ],
)  # fmt: skip
def test_a_word_that_names_no_policy_is_refused(
    word: str, code: str, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, and git never sees a word that is no revision."""
    committed(rules.parent, "v1")
    monkeypatch.chdir(rules.parent)
    ran = merchantscreen("rules", "diff", "--", word, word)
    assert (ran.code, ran.codes) == (2, [code, code])


def test_without_git_or_repository_the_way_out_is_named(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is in no repository, and a machine without git."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(rules.parent.parent))
    monkeypatch.chdir(rules.parent)
    ran = merchantscreen("rules", "diff", "v1", "built-in")
    assert (ran.code, ran.codes) == (2, ["MS-RUN-042"])
    monkeypatch.setenv("PATH", str(rules))
    ran = merchantscreen("rules", "diff", "v1", "built-in")
    assert (ran.code, ran.codes) == (2, ["MS-RUN-041"])


def test_a_link_in_a_revision_is_refused_like_one_in_a_folder(rules: Path) -> None:
    """What is read from git goes through the same checks, under the name of its side."""
    (rules / "extra.yml").symlink_to("evidence.yml")
    committed(rules.parent, "v1")
    (rules / "extra.yml").unlink()
    ran = merchantscreen("rules", "diff", "v1", rules)
    assert (ran.code, ran.codes) == (65, ["MS-POL-003"])
    assert "OLD/extra.yml" in ran.err


def test_problems_of_both_sides_come_together(rules: Path, tmp_path: Path) -> None:
    """Nobody mends one folder to be told of the other."""
    other = Path(shutil.copytree(rules, tmp_path / "other"))
    for folder in (rules, other):
        (folder / "tiers.yml").unlink()
    ran = merchantscreen("rules", "diff", rules, other)
    assert (ran.code, ran.codes) == (65, ["MS-POL-002", "MS-POL-002"])
    assert "OLD/tiers.yml" in ran.err
    assert "NEW/tiers.yml" in ran.err


def test_git_learns_nothing_that_could_reach_a_network(
    rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No protocol, no prompt, no foreign repository, and nothing of the caller's own settings for git."""
    programs = tmp_path / "programs"
    programs.mkdir()
    spy = programs / "git"
    spy.write_text(f'#!/bin/sh\nenv > "{tmp_path}/seen"\nexec {shutil.which("git")} "$@"\n', encoding="utf-8")
    spy.chmod(0o755)
    committed(rules.parent, "v1")
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    for name in ("GIT_DIR", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_CONFIG_COUNT", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "0")
    ran = merchantscreen("rules", "diff", "v1", rules)
    assert (ran.code, ran.err) == (0, "")
    seen = dict(line.partition("=")[::2] for line in (tmp_path / "seen").read_text(encoding="utf-8").splitlines())
    assert seen["GIT_ALLOW_PROTOCOL"] == "none"
    assert seen["GIT_NO_LAZY_FETCH"] == "1"
    assert seen["GIT_TERMINAL_PROMPT"] == "0"
    assert not seen.keys() & {"GIT_DIR", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_CONFIG_COUNT", "HTTPS_PROXY"}


def test_what_a_partial_clone_lacks_is_not_fetched(rules: Path, tmp_path: Path) -> None:
    """A clone without its files is refused; nothing arrives in it from the repository it came from."""
    committed(rules.parent, "v1")
    git(rules.parent, "config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", "--no-checkout", f"file://{rules.parent}", str(clone))
    before = git(clone, "count-objects", "-v")
    (clone / "rules").mkdir()
    ran = merchantscreen("rules", "diff", "v1", clone / "rules")
    assert ran.code == 65
    assert "MS-RUN-044" in ran.codes
    assert git(clone, "count-objects", "-v") == before


# --------------------------------------------------------------------------- backtest


def backtest(inputs: Inputs, *words: str | Path) -> Ran:
    """Run the backtest command on the files of a run, policies first."""
    return merchantscreen(*backtest_words(inputs, *words))


def backtest_words(inputs: Inputs, *words: str | Path) -> Sequence[str | Path]:
    """Make the words of the backtest command."""
    policies = [word for word in words if not str(word).startswith("-")]
    first = len(policies) if len(policies) == len(words) else list(words).index(
        next(word for word in words if str(word).startswith("-"))
    )  # fmt: skip
    files = ("--referrals", "referrals.jsonl", "--merchants", "merchants.csv", "--transactions", "transactions.csv")
    named = [word if word.startswith("--") else inputs.folder / word for word in files]
    return ["rules", "backtest", *words[:first], *named, "--as-of", AS_OF, *words[first:]]


def test_the_same_policy_twice_changes_nothing(inputs: Inputs) -> None:
    """A backtest of a policy against itself finds no difference and no account."""
    ran = backtest(inputs, "built-in", "built-in")
    assert (ran.code, ran.err) == (0, "")
    assert "no difference in meaning" in ran.out
    assert "0 enter T1 to T3" in ran.out
    assert sorted(path.name for path in inputs.folder.iterdir()) == [
        "merchants.csv", "referrals.jsonl", "transactions.csv",
    ]  # fmt: skip


def test_a_higher_line_lets_an_account_leave(inputs: Inputs) -> None:
    """Differences come first, then who leaves, then who was near the line."""
    ran = backtest(inputs, "--what-if", "t1-dedicated-domain.direct_dedicated_certainty=0.99")
    assert (ran.code, ran.err) == (0, "")
    parts = [
        "direct_dedicated_certainty >= 0.6 becomes >= 0.99",
        "What if",
        "accounts read",
        "400001/M1",
        "Near the line",
    ]
    places = [ran.out.index(part) for part in parts]
    assert places == sorted(places)
    tables = [line.rstrip() for line in ran.out.split("accounts read")[1].splitlines() if "Near" not in line]
    assert max(map(len, tables)) <= 100


def test_everything_as_json(inputs: Inputs) -> None:
    """Every account, the matrix, the rules, the lines with their samples, and what was tried."""
    what_if = ("--what-if", "t1-dedicated-domain.direct_dedicated_certainty=0.99", "evidence.kinds.phone.weight=0.5")
    stated = json.loads(backtest(inputs, *what_if, "--json", "--sample", "1").out)
    assert [one["kind"] for one in stated["differences"]] == ["threshold_moved", "weight_changed"]
    assert len(stated["what_if"]) == 2
    moved = {one["account_id"]: (one["tier_before"], one["tier_after"]) for one in stated["accounts"]}
    assert moved["400001/M1"][0] == "T1"
    assert moved["400001/M1"][1] != "T1"
    (line,) = stated["lines"]
    assert [group["place"] for group in line["groups"]] == ["above", "between", "below"]
    (sampled,) = line["groups"][1]["sample"]
    assert (sampled["account_id"], sampled["outcome_before"], sampled["outcome_after"]) == (
        "400001/M1",
        "hit",
        "no_hit",
    )
    assert stated["account_count"] == 3


def test_two_folders_meet_the_same_data_and_the_same_bytes_come_out(inputs: Inputs, rules: Path) -> None:
    """Several files after one option, and a result that repeats itself exactly."""
    change(rules, "tiers.yml", ("direct_dedicated_certainty >= 0.6", "direct_dedicated_certainty >= 0.99"))
    second = inputs.write("more.csv", [(inputs.folder / "merchants.csv").read_text(encoding="utf-8").splitlines()[0],
                                       "400001,M9,Late Shop,5732,NL,2026-09-01,,,"])  # fmt: skip
    words = ["rules", "backtest", "built-in", rules, "--referrals", inputs.folder / "referrals.jsonl", "--merchants",
             inputs.folder / "merchants.csv", second, "--transactions", inputs.folder / "transactions.csv", "--as-of",
             AS_OF, "--json"]  # fmt: skip
    first = merchantscreen(*words)
    assert (first.code, first.err) == (0, "")
    assert json.loads(first.out)["account_count"] == 4
    assert process(*words).out == first.out


def test_met_expectations_end_well_and_missed_ones_do_not(inputs: Inputs, tmp_path: Path) -> None:
    """Exit code 1, the failure in words, and the same in JUnit."""
    good = inputs.write("good.yml", "expectations:\n  - {name: found, account: 400001/M1, tier: T1}\n")
    bad = inputs.write("bad.yml", "expectations:\n  - {name: found, account: 400001/M1, tier: T3}\n"
                       "  - {name: quiet, account: 400001/M3, tier: absent}\n")  # fmt: skip
    ran = backtest(inputs, "built-in", "built-in", "--expect", good)
    assert (ran.code, ran.err) == (0, "")
    assert "Expectations: 1 met, 0 failed" in ran.out
    junit = tmp_path / "junit.xml"
    ran = backtest(inputs, "built-in", "built-in", "--expect", bad, "--junit", junit)
    assert ran.code == 1
    assert "failed: found (400001/M1): expected tier T3, found T1" in ran.out
    suite = ET.parse(junit).getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("expectations:\n  - {name: x, rule: no-such-rule, outcome: hit, accounts: {at_least: 0}}\n", "MS-EXP-001"),
        ("expectations:\n  - {name: x, account: 400001/M77, tier: absent}\n", "MS-EXP-002"),
        ("expectations: []\n", "MS-POL-022"),
    ],
)
def test_an_expectation_about_what_is_not_there_is_an_error(inputs: Inputs, text: str, code: str) -> None:
    """Never met, never passed over: exit code 65."""
    ran = backtest(inputs, "built-in", "built-in", "--expect", inputs.write("e.yml", text))
    assert (ran.code, ran.codes) == (65, [code])


def test_what_is_wrong_anywhere_comes_together(inputs: Inputs, rules: Path) -> None:
    """A broken policy, broken expectations and a broken input in one go."""
    (rules / "tiers.yml").unlink()
    inputs.write("merchants.csv", "nonsense\n1\n")
    ran = backtest(inputs, "built-in", rules, "--expect", inputs.write("e.yml", "expectations: []\n"))
    assert ran.code == 65
    assert {"MS-POL-002", "MS-POL-022"} < set(ran.codes)
    assert any(code.startswith("MS-COL") for code in ran.codes)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "MS-RUN-001"),
        (("built-in",), "MS-RUN-001"),
        (("--what-if", "nonsense"), "MS-POL-090"),
        (("built-in", "built-in", "--junit", "junit.xml"), "MS-RUN-001"),
        (("built-in", "no-such-thing"), "MS-RUN-043"),
    ],
)
def test_an_order_that_compares_nothing_is_refused(inputs: Inputs, words: tuple[str, ...], code: str) -> None:
    """Exit code 2, before any data is read."""
    ran = backtest(inputs, *words)
    assert (ran.code, ran.codes) == (2, [code])


def test_a_revision_can_be_tried_on_data(inputs: Inputs, rules: Path) -> None:
    """What is committed against what lies in the folder."""
    committed(rules.parent, "v1")
    change(rules, "tiers.yml", ("direct_dedicated_certainty >= 0.6", "direct_dedicated_certainty >= 0.99"))
    ran = backtest(inputs, "v1", rules)
    assert (ran.code, ran.err) == (0, "")
    assert "1 leave T1 to T3" in ran.out or "1 move" in ran.out


def test_neither_command_opens_a_socket(inputs: Inputs, rules: Path) -> None:
    """Not for data, not for a revision."""
    committed(rules.parent, "v1")
    environment = os.environ | {"PYTHONPATH": ":".join(sys.path)}
    for words in (backtest_words(inputs, "v1", rules), ["rules", "diff", "v1", rules]):
        command = [sys.executable, "-c", WATCH, *map(str, words)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
