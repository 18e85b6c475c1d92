"""All 402 cases of the public YAML test suite as rule files: refused clearly, or read as the suite says."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from attack.policy_files import RULE, folder, refusal

from merchantscreen.policy.yamlfiles import plain_value, read_yaml

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data/yaml_suite/cases.jsonl").read_text(encoding="utf-8").splitlines()
]
PLACES = ("evidence.yml", "tiers.yml", "caution_hosts.yml", "measures.yml", "exceptions/some.yml")


def test_the_suite_is_whole() -> None:
    """The suite has 402 cases, 94 of them errors."""
    assert (len(CASES), sum(case["error"] for case in CASES)) == (402, 94)


def test_no_case_of_the_suite_passes_for_a_policy_file() -> None:
    """As a rule and as a file of the top, every case is refused with the place of what is wrong, and in time."""
    for case, place in zip(CASES, itertools.cycle(PLACES), strict=False):
        text = case["yaml"].encode()
        problems = refusal(folder(**{RULE: text, place: text}))
        for name in (RULE, place):
            assert any(problem.where == name and problem.line for problem in problems), case["id"]


def test_what_is_not_yaml_is_never_read() -> None:
    """Every error case is refused by the reader itself, with line and column inside the text."""
    for case in CASES:
        _, problems = read_yaml("a.yml", case["yaml"].encode())
        assert problems or not case["error"], case["id"]
        for problem in problems:
            assert 1 <= (problem.line or 0) <= case["yaml"].count("\n") + 1, case["id"]


def test_an_error_is_refused_wherever_it_stands_in_a_file() -> None:
    """Error cases are refused too as the value of a field, where it is not their form that is refused."""
    accepted = [case["id"] for case in CASES if case["error"] and _is_read(_as_field(case["yaml"]))]
    assert accepted == ["5TRB", "9MQT/01", "N782", "RXY3"]  # markers of documents, which are text once indented


def test_what_is_read_means_what_the_suite_says() -> None:
    """Every case that the reader takes has the meaning that the suite gives for it."""
    read = 0
    for case in CASES:
        root, problems = read_yaml("a.yml", case["yaml"].encode())
        if root is not None and not problems and "json" in case:
            assert plain_value(root) == _texts(json.loads(case["json"])), case["id"]
            read += 1
    assert read > 40


def _as_field(text: str) -> str:
    """Indent a text under a field; a marker before the document would become part of it."""
    text = text.removeprefix("---\n").removeprefix("--- ")
    return "field:\n" + "".join(f"  {line}\n" if line else "\n" for line in text.split("\n"))


def _is_read(text: str) -> bool:
    root, problems = read_yaml("a.yml", text.encode())
    return root is not None and not problems


def _texts(value: Any) -> Any:
    """Return JSON as the reader gives it: every number and boolean as text."""
    if isinstance(value, dict):
        return {name: _texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_texts(inner) for inner in value]
    return value if value is None or isinstance(value, str) else json.dumps(value)
