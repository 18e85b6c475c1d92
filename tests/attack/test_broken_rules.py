"""Three hundred broken rules: each refused at load, with the right code, on the right line, in time."""

from __future__ import annotations

import pytest
from attack.broken_rules import rules
from attack.policy_files import GOOD, RULE, folder, load, refusal

RULES = rules()


def test_the_rule_that_is_broken_here_is_right() -> None:
    """Without a change the rule loads, also with line ends of Windows and without an end of its last line."""
    digests = {load(data).digest for data in (GOOD.encode(), GOOD.replace("\n", "\r\n").encode(), GOOD[:-1].encode())}
    assert len(digests) == 1


def test_the_corpus_is_large() -> None:
    """There are more than 300 ways of breaking it, each under its own name."""
    assert len({name for name, *_ in RULES}) == len(RULES) > 300


@pytest.mark.parametrize(("data", "code", "line"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_a_broken_rule_is_refused_where_it_is_broken(data: bytes, code: str, line: int | None) -> None:
    """The refusal names the kind of fault and the line, and nothing else of the folder is blamed."""
    problems = refusal(folder(**{RULE: data}))
    assert {problem.where for problem in problems} <= {RULE, "rules"}
    told = {(problem.code, problem.line) for problem in problems}
    assert any(code == found and line in (None, place) for found, place in told), sorted(told, key=str)


def test_the_problems_of_all_files_come_at_once() -> None:
    """Three broken files give the problems of all three, in order of file, line and column."""
    broken = {
        "evidence.yml": b"formula: other\n",
        RULE: GOOD.replace("owner: rule desk", "owner: [a]\nnote: b").encode(),
        "referral-link/second.yml": GOOD.replace("when: ", "when: purchase_cont > 1 AND ").encode(),
        "transaction-pattern/third.yml": b"- a\n",
    }
    problems = refusal(folder(**broken))
    assert {problem.where for problem in problems} == set(broken)
    places = [(problem.where, problem.line or 0) for problem in problems]
    assert places == sorted(places)


def test_a_misspelt_feature_is_told_with_the_one_that_was_meant() -> None:
    """The refusal of a name that is not in the catalogue offers the nearest one."""
    problems = refusal(folder(**{RULE: GOOD.replace("when: purchase_count", "when: purchase_cuont").encode()}))
    assert "did you mean `purchase_count`?" in " ".join(problem.found for problem in problems)


@pytest.mark.parametrize("text", ["mcc > 4111111111111111", "purchase_count > 4111111111111111.5",
                                  "x4111111111111111 > 1", "mcc = N'4111111111111111'", "4111111111111111e > 1",
                                  "mcc LIKE '4111111111111111'", "4111111111111111() > 1",
                                  "f4111111111111111(1) > 1"])  # fmt: skip
def test_a_refusal_does_not_repeat_a_card_number(text: str) -> None:
    """A number that was pasted into a condition by mistake is not shown by the message that refuses it."""
    problems = refusal(folder(**{RULE: GOOD.replace("when: ", f"when: {text} AND ").encode()}))
    assert "411111111" not in " ".join(map(str, problems))


@pytest.mark.parametrize("old", ["owner: rule desk", "status: active", "2026-11-01", "[C20]", "expect: hit"])
def test_a_refusal_does_not_repeat_a_value(old: str) -> None:
    """What stands in a field of the wrong form is described and not quoted."""
    wrong = f"{old.partition(':')[0]}: [hunter2-hunter2]" if ":" in old else "hunter2-hunter2"
    problems = refusal(folder(**{RULE: GOOD.replace(old, wrong, 1).encode()}))
    assert "hunter2" not in " ".join(map(str, problems))
