"""Pages of a policy: complete, true to the rules, and harmless whatever a rule file says."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from itertools import groupby
from pathlib import Path

import pytest

from merchantscreen.errors import CannotCreateError
from merchantscreen.outputs import rulepages
from merchantscreen.outputs.pagefiles import stale_pages, write_pages
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import Rule, RuleException, Suppression
from merchantscreen.vocabulary import ThresholdOrigin

POLICY = load_policy()
RULE = POLICY.rules[0]
PAGES = rulepages.pages(POLICY)
HOSTILE = "# x | <script>alert(1)</script> [click](https://evil.example/) ![](x) `` ``` \x1b[2J \u202e ok"


def test_every_rule_has_its_page_and_its_place_in_the_index() -> None:
    """The index links every page, and no link leads nowhere."""
    rules = {f"{rule.id}.md" for rule in POLICY.rules}
    assert set(PAGES) == rules | {"README.md", "evidence.md", "tiers.md", "measures.md", "indicators.md",
                                  "exceptions.md"}  # fmt: skip
    for name, text in PAGES.items():
        assert set(re.findall(r"\]\(([^)]+)\)", text)) <= set(PAGES), name
    assert set(PAGES) - {"README.md"} <= set(re.findall(r"\]\(([^)]+)\)", PAGES["README.md"]))


@pytest.mark.parametrize("rule", POLICY.rules, ids=lambda rule: rule.id)
def test_a_rule_page_says_all_a_reviewer_asks(rule: Rule) -> None:
    """Condition, features, origin of numbers, sources, innocent explanations and tests are on the page."""
    text = PAGES[f"{rule.id}.md"]
    for name in rule.requires:
        assert f"| `{name}` |" in text
    for case in rule.cases:
        assert f"| {rulepages.plain(case.name)} |" in text
    for said in (*rule.references, *rule.innocent_explanations, *rule.false_positives, rule.threshold_note):
        assert rulepages.plain(said) in text
    assert POLICY.documents[rule.file].digest in text


def test_the_index_counts_what_there_is() -> None:
    """The number of rules on the index is the number of rules."""
    assert f"{len(POLICY.rules)} rules:" in PAGES["README.md"]


def test_excluded_indicators_stay_listed_with_their_reason() -> None:
    """What must not be used is on the page, so that nobody has to ask again."""
    for entry in POLICY.indicators:
        assert f"| {entry.id} |" in PAGES["indicators.md"]
        assert entry.excluded is None or rulepages.plain(entry.excluded) in PAGES["indicators.md"]


def _hostile() -> Rule:
    cases = tuple(replace(case, name=HOSTILE) for case in RULE.cases)
    return replace(
        RULE, title=HOSTILE, rationale=HOSTILE, references=(HOSTILE,), false_positives=(HOSTILE,),
        innocent_explanations=(HOSTILE,), threshold_origin=ThresholdOrigin.DESIGN, threshold_note=HOSTILE,
        reason=HOSTILE, cases=cases, suppressions=(Suppression("condition-twice", HOSTILE, date(2027, 1, 1)),),
    )  # fmt: skip


def test_what_a_rule_file_says_is_text_and_nothing_else() -> None:
    """No HTML, no link, no image, no control sign and no extra table cell comes from a rule file."""
    rule = _hostile()
    policy = replace(POLICY, rules=(rule, *POLICY.rules[1:]))
    for name in (f"{rule.id}.md", "README.md"):
        text = rulepages.pages(policy)[name]
        assert "<script" not in text
        assert re.search(r"(?<!\\)\]\(https", text) is None
        assert not set(text) & {"\x1b", "\u202e"}
        for is_table, lines in groupby(text.splitlines(), key=lambda line: line.startswith("|")):
            assert not is_table or len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_exceptions_are_listed_without_naming_whom_they_are_about() -> None:
    """An exception is on its page with reason and owner; the account is not, pages are passed around."""
    exception = RuleException("gift-shop", "Gift shop", "1.0.0", (RULE.id,), "400001/M1", None, None, "desk", None,
                              "A recall.", date(2026, 1, 1), date(2026, 2, 1), "exceptions/gift-shop.yml")  # fmt: skip
    text = rulepages.pages(replace(POLICY, exceptions=(exception,)))["exceptions.md"]
    assert "`gift-shop`" in text
    assert "A recall." in text
    assert "400001/M1" not in text


def test_the_same_policy_gives_the_same_pages() -> None:
    """Nothing on a page depends on when or where it was made."""
    assert rulepages.pages(load_policy()) == PAGES


# --------------------------------------------------------------------------- in a folder

MARK = "<!-- mark -->"


def test_pages_are_written_once_and_then_up_to_date(tmp_path: Path) -> None:
    """Writing tells what changed; a second time nothing does."""
    made = {"a.md": f"{MARK} a\n", "b.md": f"{MARK} b\n"}
    assert stale_pages(tmp_path / "out", made, MARK) == ["a.md", "b.md"]
    assert write_pages(tmp_path / "out", made, MARK) == ["a.md", "b.md"]
    assert write_pages(tmp_path / "out", made, MARK) == []


def test_a_page_that_nobody_makes_any_more_is_removed(tmp_path: Path) -> None:
    """A page of a rule that is gone is stale and goes; what people wrote stays."""
    write_pages(tmp_path, {"a.md": f"{MARK} a\n", "b.md": f"{MARK} b\n"}, MARK)
    (tmp_path / "notes.md").write_text("mine\n", encoding="utf-8")
    made = {"a.md": f"{MARK} a\n"}
    assert stale_pages(tmp_path, made, MARK) == ["b.md"]
    assert write_pages(tmp_path, made, MARK) == ["b.md"]
    assert {path.name for path in tmp_path.iterdir()} == {"a.md", "notes.md"}


def test_what_people_wrote_is_not_replaced(tmp_path: Path) -> None:
    """A page of the same name that was not generated stops everything, and nothing is written."""
    (tmp_path / "a.md").write_text("mine\n", encoding="utf-8")
    with pytest.raises(CannotCreateError) as refusal:
        write_pages(tmp_path, {"a.md": f"{MARK} a\n", "b.md": f"{MARK} b\n"}, MARK)
    assert [problem.code for problem in refusal.value.problems] == ["MS-RUN-033"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.md"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file where the folder should be is an error with a code."""
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(CannotCreateError):
        write_pages(tmp_path / "out", {"a.md": MARK}, MARK)
