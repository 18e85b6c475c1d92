"""`rules explain`, `rules coverage`, `rules doc` and `rules schema` as a reviewer runs them, on a real run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import rfc8785
from cli.command import AS_OF, Inputs, merchantscreen

from merchantscreen.bundle import read_bundle
from merchantscreen.outputs import decisions
from merchantscreen.outputs.runpolicy import policy_of_run

EXCEPTION: Final = """\
id: known-shop
title: Known shop
version: 1.0.0
rules: [{rule}]
account: {account}
owner: rule desk
approver: null
reason: The desk rang the shop.
effective_from: 2026-10-01
expires_on: 2027-09-30
"""
Line = dict[str, Any]


@pytest.fixture(scope="module")
def run(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Screen the sample data once."""
    return _screen(repository, tmp_path_factory.mktemp("runs"), repository / "rules")


def _screen(repository: Path, out: Path, rules: Path) -> Path:
    sample = repository / "sample_data"
    ran = merchantscreen("screen", "--referrals", sample / "referrals.jsonl", "--merchants", sample / "merchants.csv",
                         "--transactions", sample / "transactions.csv", "--rules", rules, "--as-of", AS_OF,
                         "--out", out, "--run-id", "r")  # fmt: skip
    assert ran.code == 0, ran.err
    return out / "r"


def _lines(run: Path, name: str) -> list[Line]:
    return [json.loads(line) for line in (run / name).read_bytes().splitlines()]


def _first(run: Path, **wanted: object) -> Line:
    return next(row for row in _lines(run, "rules.jsonl") if all(row[name] == value for name, value in wanted.items()))


# --------------------------------------------------------------------------- one rule


def test_no_decision_of_a_run_can_be_explained_otherwise(run: Path) -> None:
    """Every stored outcome and every tier follows from the stored rules and values."""
    bundle = read_bundle(run)
    stated = bundle.manifest.policy
    policy = policy_of_run(bundle.policy, stated.digest, stated.files)
    rules = {rule.id: rule for rule in policy.rules}
    facts = {row["account_id"]: row for row in bundle.facts.to_dicts()}
    for account in bundle.ranking.to_dicts():
        decisions.tier_decision(policy, facts[account["account_id"]], account, stated.approval)
    for row in (*bundle.rules.to_dicts()[::25], *bundle.shadow.to_dicts()[::25]):
        decisions.rule_decision(policy, rules[row["rule_id"]], row, stated.approval, frozenset())


@pytest.mark.parametrize("outcome", ["hit", "no_hit", "not_evaluated"])
def test_an_analyst_sees_why_a_rule_came_out_as_it_did(run: Path, outcome: str) -> None:
    """The tree shows every feature with its value, and who answers for the rule stands below."""
    row = _first(run, outcome=outcome)
    told = merchantscreen("rules", "explain", row["rule_id"], "--account", row["account_id"], "--run", run)
    assert (told.code, told.err) == (0, "")
    for name in json.loads(row["observed"]):
        assert name in told.out
    assert row["reason"] in told.out
    assert "not a finding" in told.out
    assert "threshold" in told.out
    assert "by nobody" in told.out
    assert ("needs " in told.out) is bool(row["missing"])


def test_a_program_gets_the_same_as_one_object(run: Path) -> None:
    """With --json the root outcome, the readings with units and needs, and the approval are fields."""
    row = _first(run, outcome="not_evaluated")
    told = merchantscreen("rules", "explain", row["rule_id"], "--account", row["account_id"], "--run", run, "--json")
    record = json.loads(told.out)
    assert record["tree"]["outcome"] == "not_known"
    assert (record["outcome"], record["approval"]["state"]) == ("not_evaluated", "unapproved")
    readings = [reading for part in _parts(record["tree"]) for reading in part["readings"]]
    assert {reading["name"] for reading in readings} == set(json.loads(row["observed"]))
    assert all(reading["unit"] and reading["meaning"] and reading["needs"] for reading in readings)
    assert {reading["name"] for reading in readings if reading["value"] is None} == set(row["missing"])


def _parts(tree: Line) -> list[Line]:
    return [tree, *(part for child in tree["children"] for part in _parts(child))]


def test_a_draft_is_explained_from_the_shadow(run: Path) -> None:
    """A draft that is evaluated beside the run can be explained, and is said to count nothing."""
    row = _lines(run, "shadow.jsonl")[0]
    told = merchantscreen("rules", "explain", row["rule_id"], "--account", row["account_id"], "--run", run)
    assert told.code == 0
    assert "never counted" in told.out


def test_an_exception_stands_beside_the_hit_it_sets_aside(repository: Path, run: Path, tmp_path: Path) -> None:
    """Who set a hit aside, why and until when is told with the hit."""
    row = _first(run, outcome="hit", role="rank")
    rules = tmp_path / "rules"
    shutil.copytree(repository / "rules", rules)
    (rules / "rules.lock").unlink(missing_ok=True)
    (rules / "exceptions").mkdir(exist_ok=True)
    text = EXCEPTION.format(rule=row["rule_id"], account=row["account_id"])
    (rules / "exceptions" / "known-shop.yml").write_text(text, encoding="utf-8")
    again = _screen(repository, tmp_path / "runs", rules)
    words = ("rules", "explain", row["rule_id"], "--account", row["account_id"], "--run", again)
    told = merchantscreen(*words)
    assert "by exception known-shop 1.0.0, until 2027-09-30" in told.out
    assert "The desk rang the shop. (rule desk)" in told.out
    assert json.loads(merchantscreen(*words, "--json").out)["exception"]["id"] == "known-shop"


# --------------------------------------------------------------------------- tiers


def test_the_tier_of_every_kind_of_account_is_told(run: Path) -> None:
    """`rules explain tier` shows the conditions up to the one that placed the account, or all of them."""
    ranking = {row["tier"]: row for row in _lines(run, "ranking.jsonl")}
    assert set(ranking) == {"T1", "T2", "T3", "watch"}
    for tier, row in ranking.items():
        words = ("rules", "explain", "tier", "--account", row["account_id"], "--run", run)
        told = merchantscreen(*words)
        assert told.code == 0, told.err
        assert ("placed the account" in told.out) is (tier != "watch")
        record = json.loads(merchantscreen(*words, "--json").out)
        placed = [step["id"] for step in record["conditions"] if step["placed"]]
        assert placed == ([] if tier == "watch" else [record["conditions"][-1]["id"]])
        assert record["placed_by"] == (placed[0] if placed else None)


def test_why_not_higher_names_the_part_that_failed(run: Path) -> None:
    """For one condition, the stricter ones are listed with the parts that kept them from holding."""
    row = next(row for row in _lines(run, "ranking.jsonl") if row["tier"] == "T3")
    name = row["tier_reason"].partition(":")[0]
    told = merchantscreen("rules", "explain", name, "--account", row["account_id"], "--run", run)
    assert f"T3  {name}: placed the account" in told.out
    stricter = told.out.partition("Stricter conditions")[2]
    assert "t1-dedicated-domain: does not hold" in stricter
    assert "direct_dedicated_certainty >= 0.6" in stricter


# --------------------------------------------------------------------------- mistakes and forgeries


def test_a_mistyped_name_gets_suggestions(run: Path) -> None:
    """An unknown rule or account ends with 2 and names what is near."""
    account = _lines(run, "ranking.jsonl")[0]["account_id"]
    wrong = merchantscreen("rules", "explain", "prepaid-shar", "--account", account, "--run", run)
    assert (wrong.code, wrong.codes) == (2, ["MS-RUN-031"])
    assert "prepaid-share" in wrong.err
    stranger = merchantscreen("rules", "explain", "prepaid-share", "--account", account[:-1], "--run", run)
    assert (stranger.code, stranger.codes) == (2, ["MS-RUN-004"])
    assert account in stranger.err


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    """Without a manifest there is nothing to explain."""
    told = merchantscreen("rules", "explain", "tier", "--account", "a", "--run", tmp_path)
    assert (told.code, told.codes) == (65, ["MS-RUN-010"])


def _forged(run: Path, out: Path, name: str, change: Callable[[list[Line]], None]) -> Path:
    """Change lines of a run and make its manifest fit again, as somebody would who covers traces."""
    shutil.copytree(run, out)
    rows = _lines(out, name)
    change(rows)
    written = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    data = "".join(written).encode()
    (out / name).write_bytes(data)
    manifest = json.loads((out / "manifest.json").read_bytes())
    manifest["outputs"][name] |= {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    (out / "manifest.json").write_bytes(rfc8785.dumps(manifest))
    return out


def _explained(run: Path, rule: str, account: str) -> tuple[int, list[str]]:
    told = merchantscreen("rules", "explain", rule, "--account", account, "--run", run)
    return told.code, told.codes


def test_an_account_without_points_was_asked_nothing(run: Path, tmp_path: Path) -> None:
    """An account that is linked outside the validity only is said to have been asked nothing."""
    account = next(row["account_id"] for row in _lines(run, "ranking.jsonl") if row["tier"] == "watch")

    def empty(rows: list[Line]) -> None:
        for one in rows:
            if one["account_id"] == account:
                one |= {"points_nano": 0, "points": 0.0, "score": 0.0}

    late = _forged(run, tmp_path / "r", "ranking.jsonl", empty)
    told = merchantscreen("rules", "explain", "tier", "--account", account, "--run", late)
    assert told.code == 0
    assert "no condition was asked" in told.out


def test_a_forged_outcome_is_found_out(run: Path, tmp_path: Path) -> None:
    """An outcome that the stored values do not give is no explanation but an integrity error."""
    row = _first(run, outcome="hit", role="rank")

    def clear(rows: list[Line]) -> None:
        for one in rows:
            if (one["account_id"], one["rule_id"]) == (row["account_id"], row["rule_id"]):
                one["outcome"] = "no_hit"

    forged = _forged(run, tmp_path / "r", "rules.jsonl", clear)
    assert merchantscreen("verify", forged).code == 0
    assert _explained(forged, row["rule_id"], row["account_id"]) == (4, ["MS-RUN-019"])


@pytest.mark.parametrize("observed", ["[]", "{", '{"purchase_count":"many"}'])
def test_forged_values_are_found_out(run: Path, tmp_path: Path, observed: str) -> None:
    """Stored values that cannot be read, or are of another type, are an integrity error."""
    row = _first(run, outcome="hit", rule_id="few-price-points")

    def spoil(rows: list[Line]) -> None:
        for one in rows:
            if (one["account_id"], one["rule_id"]) == (row["account_id"], row["rule_id"]):
                one["observed"] = observed

    forged = _forged(run, tmp_path / "r", "rules.jsonl", spoil)
    assert _explained(forged, row["rule_id"], row["account_id"]) == (4, ["MS-RUN-019"])


def test_forged_facts_are_found_out(run: Path, tmp_path: Path) -> None:
    """Facts that lead to another tier than the stored one are an integrity error."""
    account = next(row["account_id"] for row in _lines(run, "ranking.jsonl") if row["tier"] == "T1")

    def weaken(rows: list[Line]) -> None:
        for one in rows:
            if one["account_id"] == account:
                one |= {"direct_dedicated_certainty": 0.0, "clue_merchant_id": False}

    forged = _forged(run, tmp_path / "r", "facts.jsonl", weaken)
    assert _explained(forged, "tier", account) == (4, ["MS-RUN-019"])


@pytest.mark.parametrize("with_digest", [False, True])
def test_a_forged_rule_is_found_out(run: Path, tmp_path: Path, *, with_digest: bool) -> None:
    """A rule that was changed inside the run is found by its own digest, or by that of the manifest."""
    account = _lines(run, "ranking.jsonl")[0]["account_id"]

    def soften(rows: list[Line]) -> None:
        for one in rows:
            if one["name"].endswith("few-price-points.yml"):
                one["text"] = one["text"].replace("severity: low", "severity: medium")
                if with_digest:
                    one["sha256"] = hashlib.sha256(one["text"].encode()).hexdigest()

    forged = _forged(run, tmp_path / "r", "policy.jsonl", soften)
    assert _explained(forged, "few-price-points", account) == (4, ["MS-RUN-018"])


# --------------------------------------------------------------------------- coverage


def test_coverage_of_the_built_in_policy_has_no_gap() -> None:
    """Every indicator is listed, what is excluded with its reason, and --fail-on-gap has nothing to fail on."""
    told = merchantscreen("rules", "coverage", "--fail-on-gap")
    assert told.code == 0
    record = json.loads(merchantscreen("rules", "coverage", "--json").out)
    assert record["gaps"] == []
    for entry in record["indicators"]:
        assert f"  {entry['id']}  " in told.out
        assert entry["excluded"] is None or entry["excluded"] in told.out
    assert record["rules"] is None


def test_an_indicator_without_a_rule_can_fail_a_build(repository: Path, tmp_path: Path) -> None:
    """A rule that is retired leaves a gap, and --fail-on-gap ends with 1 after the report."""
    rules = tmp_path / "rules"
    shutil.copytree(repository / "rules", rules)
    (rules / "rules.lock").unlink(missing_ok=True)
    file = rules / "transaction-pattern" / "prepaid-share.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("status: active", "status: retired"), encoding="utf-8")
    told = merchantscreen("rules", "coverage", "--rules", rules, "--fail-on-gap")
    assert told.code == 1
    assert "no rule" in told.out
    assert merchantscreen("rules", "coverage", "--rules", rules).code == 0
    assert len(json.loads(merchantscreen("rules", "coverage", "--rules", rules, "--json").out)["gaps"]) == 1


def test_coverage_of_a_run_adds_up(run: Path) -> None:
    """Per rule, the counts are those of rules.jsonl and shadow.jsonl."""
    record = json.loads(merchantscreen("rules", "coverage", "--run", run, "--json").out)
    rows = [*_lines(run, "rules.jsonl"), *_lines(run, "shadow.jsonl")]
    assert record["ranked_account_count"] == len(_lines(run, "ranking.jsonl"))
    for rule in record["rules"]:
        counts = [rule[f"{outcome}_count"] for outcome in ("hit", "no_hit", "not_evaluated")]
        assert rule["account_count"] == sum(counts)
        hits = sum(1 for row in rows if (row["rule_id"], row["outcome"]) == (rule["rule_id"], "hit"))
        assert rule["hit_count"] == hits


def test_coverage_says_which_columns_would_help(tmp_path: Path) -> None:
    """Rules that could be evaluated for nobody name the columns they need, and those the input did not have."""
    inputs = Inputs.good(tmp_path)
    assert merchantscreen(*inputs.words).code == 0
    told = merchantscreen("rules", "coverage", "--run", inputs.out / "r")
    assert told.code == 0
    blind = told.out.partition("could not be evaluated for any ranked account")[2]
    assert "undeclared_host_count not known for 2 accounts; needs " in blind
    assert "absent from the input, or from part of it: transactions.requestor_url or transactions.acceptor" in blind


def test_a_run_carries_its_own_rules(run: Path, repository: Path) -> None:
    """Two policies at once are refused rather than mixed."""
    told = merchantscreen("rules", "coverage", "--run", run, "--rules", repository / "rules")
    assert (told.code, told.codes) == (2, ["MS-RUN-001"])


# --------------------------------------------------------------------------- pages and schemas


def test_pages_are_written_and_then_checked(tmp_path: Path) -> None:
    """A changed page is named by --check, which writes nothing and ends with 1."""
    out = tmp_path / "pages"
    assert merchantscreen("rules", "doc", "--out", out).code == 0
    assert merchantscreen("rules", "doc", "--out", out, "--check").code == 0
    with (out / "tiers.md").open("a", encoding="utf-8") as page:
        page.write("more\n")
    (out / "prepaid-share.md").unlink()
    told = merchantscreen("rules", "doc", "--out", out, "--check")
    assert told.code == 1
    assert [line.strip() for line in told.out.splitlines()[1:]] == ["prepaid-share.md", "tiers.md"]
    assert not (out / "prepaid-share.md").exists()
    record = json.loads(merchantscreen("rules", "doc", "--out", out, "--json").out)
    assert (record["stale"], record["written"]) == (["prepaid-share.md", "tiers.md"], True)


def test_pages_never_replace_what_people_wrote(tmp_path: Path) -> None:
    """A README.md of one's own in the folder stops the command."""
    (tmp_path / "README.md").write_text("mine\n", encoding="utf-8")
    told = merchantscreen("rules", "doc", "--out", tmp_path)
    assert (told.code, told.codes) == (73, ["MS-RUN-033"])
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_a_schema_is_printed_as_json() -> None:
    """`rules schema rule` prints a JSON Schema; an unknown kind lists the known ones."""
    assert json.loads(merchantscreen("rules", "schema", "rule").out)["$id"] == "urn:merchantscreen:rules:rule"
    told = merchantscreen("rules", "schema", "rules")
    assert (told.code, told.codes) == (2, ["MS-RUN-001"])
    assert "payer_clocks" in told.err
