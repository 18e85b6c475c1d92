"""Loading a rule folder: the built-in policy, its digest, and every way a folder can be wrong."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from rule_folders import RANK, small_files

from merchantscreen.errors import PolicyError, Problem
from merchantscreen.features import FACT_TYPES
from merchantscreen.identifiers import KINDS
from merchantscreen.policy.evaluation import evaluate_rules
from merchantscreen.policy.folder import INDICATORS, default_folder
from merchantscreen.policy.loading import load_files, load_policy
from merchantscreen.policy.yamlfiles import read_yaml
from merchantscreen.vocabulary import RuleStatus, Tier

RULE = "transaction-pattern/few-price-points.yml"
OTHER_RULE = "account-profile/new-account.yml"


@pytest.fixture
def folder(repository: Path, tmp_path: Path) -> Path:
    """Copy the policy of the checkout with two of its rules, to be broken."""
    copy = Path(shutil.copytree(repository / "rules", tmp_path / "rules"))
    for path in copy.glob("*/*.yml"):
        if str(path.relative_to(copy)) not in {RULE, OTHER_RULE}:
            path.unlink()
    return copy


def _change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def _problems(folder: Path, today: date | None = None) -> list[Problem]:
    with pytest.raises(PolicyError) as refusal:
        load_policy(folder, today=today)
    return list(refusal.value.problems)


def _codes(folder: Path) -> set[tuple[str, str]]:
    return {(problem.code, problem.where) for problem in _problems(folder)}


# --------------------------------------------------------------------------- the policy as it is


def test_the_built_in_policy_is_the_rules_folder(repository: Path) -> None:
    """Without a folder, the policy of the wheel or the checkout is loaded, and it is the same one."""
    assert default_folder().is_dir()
    assert load_policy().digest == load_policy(repository / "rules").digest


def test_the_policy_has_a_weight_for_every_kind() -> None:
    """Every row of the identifier table has its numbers, exact in nano-units."""
    model = load_policy().evidence
    assert set(model.kinds) == {kind.name for kind in KINDS}
    assert model.kinds["declared_website"].weight_nano == 950_000_000
    assert model.kinds["settlement_account"].kappa_nano == 0
    assert model.kinds["phone"].base_rate_nano == 100_000
    assert (model.indirect_carry_nano, model.direct_carry_nano) == (200_000_000, 800_000_000)


def test_tier_conditions_hold_for_the_accounts_they_are_meant_for() -> None:
    """A dedicated, certain, unforgeable link is T1; the same link with thirty accounts on the domain is not."""
    nothing: dict[str, object] = {"boolean": False, "integer": 0, "number": 0.0, "text": "unsigned"}
    base = {name: nothing[kind] for name, kind in FACT_TYPES.items()}
    stories = [
        base,
        {**base, "direct_dedicated_certainty": 0.9, "direct_linked_count": 1, "direct_kind_count": 1},
        {**base, "direct_dedicated_certainty": 0.9, "direct_linked_count": 30, "direct_kind_count": 1},
        {**base, "direct_dedicated_certainty": 0.9, "direct_linked_count": 1, "disputed": True},
        {**base, "direct_dedicated_certainty": 0.3, "direct_linked_count": 1, "rule_hit_count": 1},
        {**base, "direct_certainty": 0.9, "direct_kind_count": 1, "rule_hit_count": 3},
        {**base, "direct_certainty": 0.9, "direct_kind_count": 2, "rule_hit_count": 1},
        {**base, "linked_domain_certainty": 0.5, "rule_hit_count": 1},
        {**base, "hard_strength": 0.4, "rule_hit_count": 1},
        {**base, "hard_strength": 0.4, "rule_hit_count": 1, "behaviour_hit_count": 1},
        {**base, "medium_strength": 0.4, "rule_hit_count": 3},
        {**base, "clue_merchant_id": True, "direct_linked_count": 1},
    ]
    frame = pl.DataFrame(stories)
    tiers = load_policy().tiers
    held = [[bool(tier.condition.evaluate(frame)[row]) for tier in tiers] for row in range(frame.height)]
    placed = [next((tier.tier for tier, holds in zip(tiers, row, strict=True) if holds), Tier.WATCH) for row in held]
    watch, one, two, three = Tier.WATCH, Tier.T1, Tier.T2, Tier.T3
    assert placed == [watch, one, watch, watch, two, watch, two, two, watch, three, watch, one]


def test_no_rule_is_overdue_on_the_day_it_takes_effect() -> None:
    """The built-in rules pass their review date check on the day they take effect."""
    assert load_policy(today=date(2026, 11, 1)).rules


# --------------------------------------------------------------------------- the digest


def test_a_policy_read_back_from_its_bytes_is_the_same_policy(folder: Path) -> None:
    """A folder's bytes are kept, and loading them again gives the same documents and the same digest."""
    policy = load_policy(folder)
    assert load_files(policy.files).documents == policy.documents
    assert load_files(policy.files).digest == policy.digest
    assert set(policy.files) - set(policy.documents) == {"rules.lock"}


def test_the_digest_does_not_see_the_records_of_the_tool(folder: Path) -> None:
    """The lock and the approvals are read along and are no part of what a policy means."""
    before = load_policy(folder)
    (folder / "rules.lock").write_text("{}\n", encoding="utf-8")
    (folder / "approvals.jsonl").write_text("", encoding="utf-8")
    after = load_policy(folder)
    assert after.digest == before.digest
    assert set(after.files) - set(after.documents) == {"rules.lock", "approvals.jsonl"}


def test_every_file_says_who_answers_for_it(folder: Path) -> None:
    """Every document has a version, an owner and dates in order."""
    for document in load_policy(folder).documents.values():
        assert document.owner
        assert document.version.count(".") == 2
        assert document.effective_from < document.review_by


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (RULE, "id: few-price-points\n", "# a comment\nid:   'few-price-points'\n"),
        (RULE, "when: purchase_count >= 20 AND", "when: (purchase_count>=20) and"),
        ("evidence.yml", "value: 0.25", "value: 0.250"),
        (
            "caution_hosts.yml",
            "      - blogspot.com\n      - freehost.example\n",
            "      - freehost.example\n      - blogspot.com\n",
        ),
    ],
)
def test_the_digest_does_not_see_layout(folder: Path, name: str, old: str, new: str) -> None:
    """Comments, quotes, blanks, trailing zeros and the order of lists of hosts leave the digest as it is."""
    before = load_policy(folder)
    _change(folder, name, old, new)
    after = load_policy(folder)
    assert after.digest == before.digest
    assert after.file_digests[name] != before.file_digests[name]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (RULE, "severity: low", "severity: medium"),
        (RULE, "owner: merchantscreen rule desk", "owner: another desk"),
        ("measures.yml", "review_by: 2027-11-01", "review_by: 2027-10-31"),
        ("evidence.yml", "weight: 0.97", "weight: 0.96"),
        ("tiers.yml", "direct_dedicated_certainty >= 0.6", "direct_dedicated_certainty >= 0.5"),
        ("caution_hosts.yml", "      - freehost.example\n", ""),
        ("free_mail_domains.yml", "  - mail.example\n", ""),
    ],
)
def test_the_digest_sees_every_change_of_meaning(folder: Path, name: str, old: str, new: str) -> None:
    """A threshold, a weight or a host more or less gives another digest."""
    before = load_policy(folder).digest
    _change(folder, name, old, new)
    assert load_policy(folder).digest != before


# --------------------------------------------------------------------------- broken folders


BROKEN = [
    ("evidence.yml", "weight: 0.97", "weight: 0.9700000001", "MS-POL-023"),
    ("evidence.yml", "weight: 0.97", "weight: 1.5", "MS-POL-022"),
    ("evidence.yml", "weight: 0.97", "weight: 1e-1", "MS-POL-022"),
    ("evidence.yml", "weight: 0.97", "weight: 1", "MS-POL-022"),
    ("evidence.yml", "weight: 0.97", "wait: 0.97", "MS-POL-020"),
    ("evidence.yml", "weight: 0.97", "weight: 0.97\n    kappa: 1", "MS-POL-022"),
    ("evidence.yml", "  clue_amount:", "  clue_price:", "MS-POL-024"),
    ("evidence.yml", "value: 0.75", "value: 0.8", "MS-POL-025"),
    ("evidence.yml", "value: 180", "value: 180.5", "MS-POL-022"),
    ("evidence.yml", "formula: evid-2", "formula: evid-3", "MS-POL-022"),
    ("evidence.yml", "  label:\n", "  loose:\n", "MS-POL-022"),
    ("tiers.yml", "tier: T1", "tier: T3", "MS-POL-026"),
    ("tiers.yml", "AND NOT direct_forgeable", "", "MS-POL-027"),
    ("tiers.yml", "AND NOT direct_forgeable", "AND (disputed OR NOT direct_forgeable OR NOT disputed)", "MS-POL-027"),
    ("tiers.yml", "id: t1-dedicated-domain", "id: t1-merchant-id-clue", "MS-POL-028"),
    ("tiers.yml", "hard_strength", "hard_strenght", "MS-POL-032"),
    ("tiers.yml", "tier: T1", "tier: watch", "MS-POL-022"),
    ("caution_hosts.yml", "- freehost.example", "- https://freehost.example/x", "MS-POL-022"),
    ("free_mail_domains.yml", "- mail.example", "- Mail.example", "MS-POL-022"),
    ("tiers.yml", "version: 1.0.0", "version: 1.0", "MS-POL-022"),
    ("tiers.yml", "approver: null", "approver: Merchantscreen Rule Desk", "MS-POL-046"),
    ("caution_hosts.yml", "review_by: 2027-11-01", "review_by: 2026-11-01", "MS-POL-051"),
    ("free_mail_domains.yml", "owner: merchantscreen rule desk\n", "", "MS-POL-021"),
    ("measures.yml", "even_amount_from_units:", "even_amount_since_units:", "MS-POL-020"),
    ("measures.yml", "value: 10\n", "value: 0\n", "MS-POL-022"),
    ("payer_clocks.yml", "clocks:\n", "clocks:\n  XX: {earliest: 0, latest: 60}\n", "MS-POL-022"),
    ("payer_clocks.yml", "clocks:\n", "clocks:\n  AQ: {earliest: 60, latest: 0}\n", "MS-POL-022"),
    ("listing_codes.yml", "class: laundering", "class: illegal", "MS-POL-068"),
    ("indicators.yml", "id: A02", "id: A01", "MS-POL-028"),
    (RULE, "indicators: [C20]", "indicators: [Z99]", "MS-POL-052"),
    (RULE, "id: few-price-points", "id: few-prices", "MS-POL-049"),
    (RULE, "typology: transaction-pattern", "typology: account-profile", "MS-POL-049"),
    (RULE, "version: 1.0.0", "version: one", "MS-POL-022"),
    (RULE, "title:", "tittle:", "MS-POL-020"),
    (RULE, "title:", "tittle:", "MS-POL-021"),
    (RULE, "approver: null", "approver: Merchantscreen Rule Desk", "MS-POL-046"),
    (RULE, "review_by: 2027-11-01", "review_by: 2026-10-01", "MS-POL-051"),
    (RULE, "review_by: 2027-11-01", "review_by: 2027-02-30", "MS-POL-022"),
    (RULE, "requires: [top3_price_share, purchase_count]", "requires: [top3_price_share]", "MS-POL-047"),
    (RULE, "{purchase_count} purchases are", "{refund_count} purchases are", "MS-POL-048"),
    (RULE, "{purchase_count} purchases are", "{purchase_count purchases are", "MS-POL-048"),
    (RULE, "top3_price_share > 0.9", "top3_share > 0.9", "MS-POL-032"),
    (RULE, "purchase_count >= 20 AND top3_price_share > 0.9", "mcc = '5816' OR top3_price_share > 0.9", "MS-POL-043"),
    (RULE, "purchase_count >= 20 AND top3_price_share > 0.9", "NOT (country <> 'NL')", "MS-POL-043"),
    (RULE, "purchase_count >= 20 AND top3_price_share > 0.9", "mcc = '5967' AND purchase_count > 3", "MS-POL-044"),
    (RULE, "    expect: not_evaluated", "    expect: no_hit", "MS-POL-042"),
    (RULE, "given: {purchase_count: 19, top3_price_share: 1}", "given: {purchase_count: 1.5}", "MS-POL-050"),
    (RULE, "given: {purchase_count: 19, top3_price_share: 1}", "given: {purchases: 19}", "MS-POL-032"),
    (RULE, "owner: merchantscreen rule desk", "owner: a\nowner: b", "MS-POL-009"),
    (RULE, "owner: merchantscreen rule desk", "owner: &desk a", "MS-POL-007"),
    (RULE, "owner: merchantscreen rule desk", "owner: !!str a", "MS-POL-008"),
    (RULE, "owner: merchantscreen rule desk", "<<: {owner: a}", "MS-POL-010"),
    (RULE, "owner: merchantscreen rule desk", "owner: [a", "MS-POL-006"),
    (RULE, "owner: merchantscreen rule desk", "owner: " + "[" * 30 + "]" * 30, "MS-POL-011"),
    (RULE, "owner: merchantscreen rule desk", "owner: a\n---\nid: b", "MS-POL-012"),
]


@pytest.mark.parametrize(("name", "old", "new", "code"), BROKEN, ids=[f"{b[3]} {b[2][:30]!r}" for b in BROKEN])
def test_a_broken_file_is_refused_with_its_code(folder: Path, name: str, old: str, new: str, code: str) -> None:
    """Each fault is refused with its documented code, the file's name and, where there is one, the line."""
    _change(folder, name, old, new)
    found = [problem for problem in _problems(folder) if problem.code == code]
    assert found, _problems(folder)
    assert all(problem.where == name and problem.line is not None for problem in found)


def test_a_rule_without_a_source_is_refused(folder: Path) -> None:
    """A rule that cites nothing does not load."""
    text = (folder / RULE).read_text(encoding="utf-8")
    head, _, rest = text.partition("references:\n")
    (folder / RULE).write_text(head + "references: []\n" + rest[rest.index("indicators:") :], encoding="utf-8")
    assert ("MS-POL-041", RULE) in _codes(folder)


def test_all_problems_of_all_files_come_at_once(folder: Path) -> None:
    """Two broken rules and a broken weight are told together, in order, with their lines."""
    _change(folder, RULE, "top3_price_share > 0.9", "top3_share > 0.9")
    _change(folder, OTHER_RULE, "status: active", "status: live")
    _change(folder, "evidence.yml", "weight: 0.97", "weight: 97 percent")
    told = [(problem.where, problem.code) for problem in _problems(folder)]
    assert told == [
        ("account-profile/new-account.yml", "MS-POL-022"),
        ("evidence.yml", "MS-POL-022"),
        (RULE, "MS-POL-032"),
    ]
    lines = (folder / RULE).read_text(encoding="utf-8").splitlines()
    assert lines[(_problems(folder)[2].line or 0) - 1].startswith("when:")


def test_a_rule_past_its_review_date_is_refused_where_today_is_given(folder: Path) -> None:
    """With a day after review_by the rule is refused; without a day it loads."""
    late = {(problem.code, problem.where) for problem in _problems(folder, today=date(2027, 11, 2))}
    assert ("MS-POL-045", RULE) in late
    assert load_policy(folder).rules


def test_a_folder_without_rules_is_refused(folder: Path) -> None:
    """Zero rules are never a policy, and neither are retired ones only."""
    for path in folder.glob("*/*.yml"):
        path.write_text(path.read_text(encoding="utf-8").replace("status: active", "status: retired"), encoding="utf-8")
    assert _codes(folder) == {("MS-POL-040", "rules")}
    for path in folder.glob("*/*.yml"):
        path.unlink()
    assert _codes(folder) == {("MS-POL-040", "rules")}


@pytest.mark.parametrize("name", ["new.yaml", "extra.yml", "transaction-pattern/rule.yaml", "account-profile/x/y.yml"])
def test_a_file_that_would_be_skipped_is_refused(folder: Path, name: str) -> None:
    """Nothing in a rule folder is skipped in silence."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("id: x\n", encoding="utf-8")
    assert {code for code, _ in _codes(folder)} == {"MS-POL-003"}


def test_a_missing_file_or_folder_is_refused(folder: Path) -> None:
    """A policy file that is not there is named; so is a folder that is not there."""
    (folder / "tiers.yml").unlink()
    assert ("MS-POL-002", "tiers.yml") in _codes(folder)
    assert ("MS-POL-001", "nowhere") in _codes(folder / "nowhere")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"a: \xff\n", "MS-POL-005"),
        (b"a: \x00\n", "MS-POL-006"),
        (b"a: " + b"x" * (1024 * 1024), "MS-POL-004"),
        (b"", "MS-POL-013"),
        (b"- a\n", "MS-POL-013"),
        (b"a: *b\n", "MS-POL-007"),
        (b"%YAML 1.1\n---\na: b\n", "MS-POL-012"),
        (b"? [a]\n: b\n", "MS-POL-006"),
    ],
)
def test_bytes_that_are_no_strict_yaml_are_refused(data: bytes, code: str) -> None:
    """Bytes that are not one plain YAML 1.2 mapping are refused with their code."""
    assert code in {problem.code for problem in read_yaml("a.yml", data)[1]}


# --------------------------------------------------------------------------- evaluating


def test_a_draft_is_told_apart_and_a_retired_rule_is_silent() -> None:
    """A draft's outcomes carry its status; a retired rule gives no rows."""
    rule = next(rule for rule in load_policy().rules if rule.id == "few-price-points")
    features = pl.DataFrame({"account_id": ["a"], "purchase_count": [60], "top3_price_share": [1.0]})
    assert evaluate_rules([replace(rule, status=RuleStatus.DRAFT)], features)["status"].to_list() == ["draft"]
    assert evaluate_rules([replace(rule, status=RuleStatus.RETIRED)], features).is_empty()


def test_outcomes_are_sorted_and_carry_the_values_they_were_decided_on() -> None:
    """Results come by account and rule, with values as compact sorted JSON and the missing ones named."""
    rule = next(rule for rule in load_policy().rules if rule.id == "few-price-points")
    features = pl.DataFrame(
        {"account_id": ["b", "a", "c"], "purchase_count": [60, 30, None], "top3_price_share": [1.0, 0.5, float("nan")]}
    )
    results = evaluate_rules([rule], features)
    assert results["account_id"].to_list() == ["a", "b", "c"]
    assert results["outcome"].to_list() == ["no_hit", "hit", "not_evaluated"]
    assert results["observed"][1] == '{"purchase_count":60,"top3_price_share":1.0}'
    assert results["missing"].to_list() == [[], [], ["purchase_count", "top3_price_share"]]
    assert results["reason"][1] == "100.0 % of 60 purchases are at the three most frequent prices."


# --------------------------------------------------------------------------- what is remembered


def test_a_rule_that_was_good_before_is_looked_at_again_when_anything_about_it_changed(repository: Path) -> None:
    """What the lints found is remembered for the same rule, catalogue, day and twin, and for nothing else."""
    good = small_files(repository)
    twin = good[RANK].replace(b"id: sample-rank", b"id: another-rank")
    changed = {
        "MS-POL-045": lambda: load_files(good, today=date(2029, 1, 1)),
        "MS-POL-052": lambda: load_files(good | {INDICATORS: good[INDICATORS].replace(b"C01", b"C03")}),
        "MS-POL-057": lambda: load_files(good | {"transaction-pattern/another-rank.yml": twin}),
        "MS-POL-056": lambda: load_files(good | {RANK: good[RANK].replace(b"0.97", b"0.09")}),
    }
    before = load_files(good)
    for code, load in changed.items():
        with pytest.raises(PolicyError) as refused:
            load()
        assert code in {problem.code for problem in refused.value.problems}, code
    assert load_files(good) == before
