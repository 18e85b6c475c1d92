"""Every text of the public JSON suite in every strict reader: nothing invalid accepted, duplicates refused.

What the suite leaves open (`i_`, and all of `test_transform`) is decided here:

| a text with | signed statements, trust files, proofs | imported files | referral lines | the log |
| --- | --- | --- | --- | --- |
| the same key twice | refused | refused | refused | refused |
| bytes that are not UTF-8, or UTF-16 | refused | refused | refused | refused |
| a byte order mark | refused | passed over at the start | passed over at the start | refused |
| more than 16 levels | refused | refused | refused | refused |
| a fraction, an exponent, a whole number beyond 2^53 | refused | read | read | refused |
| half of a surrogate pair as an escape | refused | read; no field takes it | read; no field takes it | refused |
| keys or texts that are not in Unicode form C | refused | read | read | read |

The log refuses besides whatever is not in its one canonical form. Source: `tests/data/json_suite`; RFC 8259.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
from unit.referral_examples import confirmation

from merchantscreen.errors import InputError
from merchantscreen.eventlog.log import Inclusion
from merchantscreen.eventlog.merkle import leaf_hash
from merchantscreen.eventlog.notes import Checkpoint, Signer
from merchantscreen.eventlog.records import Draft, Event, make_leaf, parse_leaf
from merchantscreen.outputs.jsonlines import read_json_lines
from merchantscreen.referrals.importers import strictjson
from merchantscreen.referrals.reading import read_referrals
from merchantscreen.referrals.wire import read_object
from merchantscreen.tables import PolicyFiles
from merchantscreen.workspace.proofs import checked_proof, written_proof

SUITE: Final = Path(__file__).parents[1] / "data/json_suite/cases.jsonl"


def _bytes(case: Mapping[str, Any]) -> bytes:
    return str(case["bytes"] * case.get("times", 1) + case.get("end", "")).encode("latin-1")


CASES: Final = {
    case["name"].removeprefix("test_parsing/").removesuffix(".json"): _bytes(case)
    for case in map(json.loads, SUITE.read_text(encoding="ascii").splitlines())
}
INVALID: Final = {name: text for name, text in CASES.items() if name.startswith("n_")}
VALID: Final = {name: text for name, text in CASES.items() if name.startswith("y_")}
OPEN: Final = {name: text for name, text in CASES.items() if name not in INVALID | VALID}
TWICE: Final = {
    "y_object_duplicated_key", "y_object_duplicated_key_and_value", "test_transform/object_same_key_different_values",
    "test_transform/object_same_key_same_value", "test_transform/object_same_key_unclear_values",
}  # fmt: skip


def inside(text: bytes) -> bytes:
    """Return a text as the one field of an object, since some of our readers take objects only."""
    return b'{"a":' + text.removesuffix(b"\n") + b"}"


def refusal(read: Callable[[bytes], object], data: bytes) -> str | None:
    """Return the code with which a reader refuses bytes, or None if it takes them."""
    try:
        read(data)
    except InputError as error:
        (problem,) = error.problems
        return problem.code
    return None


def wire(data: bytes) -> dict[str, Any]:
    """Read as statements, envelopes, trust files and proofs are read."""
    return read_object(data, "envelope", 400_000)


def imported(data: bytes) -> Any:
    """Read as a file in a foreign format is read."""
    return strictjson.load(data, "report.json")


def test_the_suite_is_whole() -> None:
    """188 texts are not JSON, 95 are, 35 may be, and 22 are understood differently."""
    kinds = Counter(name.partition("_")[0] for name in CASES)
    assert kinds == {"n": 188, "y": 95, "i": 35, "test": 22}
    assert len(CASES["n_structure_100000_opening_arrays"]) == 100_000
    assert len(CASES["n_structure_open_array_object"]) == 250_001


# --------------------------------------------------------------------------- nothing invalid


@pytest.mark.parametrize("wrapped", [False, True])
def test_nothing_invalid_is_read(*, wrapped: bool) -> None:
    """Every text that is not JSON is refused, alone and as the value of a field."""
    texts = {name: inside(text) if wrapped else text for name, text in INVALID.items()}
    assert [name for name, text in texts.items() if refusal(wire, text) is None] == []
    assert [name for name, text in texts.items() if refusal(imported, text) is None] == []


def test_no_invalid_line_becomes_a_referral(tmp_path: Path) -> None:
    """Line by line, what is not JSON is rejected as that, and so is a key that stands twice."""
    for name, text in INVALID.items():
        codes = _line_codes(inside(text), tmp_path)
        assert codes, name
        assert codes <= JSON_CODES, name
    assert [_line_codes(CASES[name], tmp_path) for name in TWICE] == [{"MS-REF-015"}] * len(TWICE)


def test_nothing_invalid_is_part_of_an_event_a_proof_or_a_bundle() -> None:
    """Put where a value belongs, no text that is not JSON passes, nor a key that stands twice."""
    for text in (*INVALID.values(), *(CASES[name] for name in TWICE)):
        with pytest.raises(ValueError, match="no event"):
            parse_leaf(LEAF.replace(b"1234567", text))
        assert refusal(proof_is_checked, PROOF.replace(b'"index": 0', b'"index": ' + text)) == "MS-WSP-040"
    for text in INVALID.values():
        assert refusal(bundled, b'{"name":"a","sha256":"b","text":' + text + b"}") == "MS-RUN-017"


def test_a_key_that_stands_twice_is_refused_in_proofs_and_bundles() -> None:
    """Readers that take the first and readers that take the last must never see two different files here."""
    assert proof_is_checked(PROOF).index == 0
    assert refusal(proof_is_checked, PROOF.replace(b'"index": 0', b'"index": 1, "index": 0')) == "MS-WSP-040"
    line = b'{"name":"a","sha256":"b","text":"c"}'
    assert bundled(line).rows() == [("a", "b", "c")]
    assert refusal(bundled, line.replace(b'"text"', b'"text":"d","text"')) == "MS-RUN-017"


LEAF: Final = make_leaf(0, datetime(2026, 11, 1), Draft("a.b", "staff", {"a": 1234567}), {})[0]
SIGNER: Final = Signer.generated("log.example/north")
KNOWN: Final = (SIGNER.verifier,)
HEAD: Final = Checkpoint(SIGNER.name, 1, leaf_hash(LEAF))
PROOF: Final = written_proof(Inclusion(0, LEAF, (), HEAD), HEAD.signed(SIGNER))


def proof_is_checked(data: bytes) -> Event:
    """Read as a proof from somebody else is read."""
    return checked_proof(data, KNOWN).event


def bundled(data: bytes) -> pl.DataFrame:
    """Read as a part of a bundle is read."""
    return read_json_lines(data, PolicyFiles, "policy.jsonl")


def _line_codes(text: bytes, folder: Path) -> set[str]:
    """Return the codes of all rejects of a file of referrals that holds a text."""
    file = folder / "referrals.jsonl"
    file.write_bytes(text + b"\n")
    return set(read_referrals([file]).rejects["code"].to_list())


# --------------------------------------------------------------------------- what is valid


def test_what_is_valid_is_read_or_refused_for_a_stricter_rule() -> None:
    """Imported files take all but doubled keys; what is signed takes no number either that readers may round."""
    for name, text in VALID.items():
        code = "MS-EXC-003" if name in TWICE else "MS-EXC-004" if name in NOT_WHOLE else None
        assert refusal(wire, inside(text)) == code, name
        assert refusal(imported, text) == ("MS-IMP-005" if name in TWICE else None), name
        if code is None:
            assert wire(inside(text)) == {"a": imported(text)} == {"a": json.loads(text)}, name


NOT_WHOLE: Final = {f"y_number{rest}" for rest in (
    "", "_0e+1", "_0e1", "_double_close_to_zero", "_int_with_exp", "_real_capital_e", "_real_capital_e_neg_exp",
    "_real_capital_e_pos_exp", "_real_exponent", "_real_fraction_exponent", "_real_neg_exp", "_real_pos_exponent",
    "_simple_real",
)} | {"y_object_extreme_numbers", "y_structure_lonely_negative_real"}  # fmt: skip


def test_an_event_of_the_log_is_read_in_its_one_form_only() -> None:
    """Of the valid texts, those are part of an event that stand there as we would write them."""
    kept = [name for name, text in VALID.items() if _is_leaf(LEAF.replace(b"1234567", text))]
    assert "y_structure_lonely_string" in kept
    assert "y_structure_whitespace_array" not in kept
    assert 20 < len(kept) < len(VALID) / 2


def _is_leaf(leaf: bytes) -> bool:
    try:
        return parse_leaf(leaf).leaf == leaf
    except ValueError:
        return False


# --------------------------------------------------------------------------- what is left open


def test_what_is_left_open_has_one_outcome_each(tmp_path: Path) -> None:
    """Every text that readers may judge either way is refused or read as the table above says."""
    for name, text in OPEN.items():
        signed, foreign, line = OUTCOMES[_kind(name)]
        assert refusal(wire, inside(text)) == signed, name
        assert refusal(imported, text) == foreign, name
        whole = name in TWICE or _kind(name) == "byte order mark"
        assert _line_codes(text if whole else inside(text), tmp_path) & JSON_CODES == line, name


JSON_CODES: Final = {f"MS-REF-0{number}" for number in range(10, 18)}
"""What is said of a line that is not one JSON object, as against one with the wrong fields."""
OUTCOMES: Final[Mapping[str, tuple[str | None, str | None, set[str]]]] = {
    "number": ("MS-EXC-004", None, set()),
    "half": ("MS-EXC-006", None, set()),
    "not form C": ("MS-EXC-006", None, set()),
    "not UTF-8": ("MS-EXC-002", "MS-IMP-003", {"MS-REF-011"}),
    "UTF-16": ("MS-EXC-002", "MS-IMP-003", {"MS-REF-012"}),
    "twice": ("MS-EXC-003", "MS-IMP-005", {"MS-REF-015"}),
    "deep": ("MS-EXC-005", "MS-IMP-007", {"MS-REF-017"}),
    "byte order mark": ("MS-EXC-002", None, set()),
    "plain": (None, None, set()),
}
KINDS: Final = {
    "i_number_*": "number",
    "test_transform/number_1000000000000000": "plain",
    "test_transform/number_*": "number",
    "i_object_key_lone_2nd_surrogate": "half",
    "i_string_1st_*": "half",
    "i_string_incomplete_surrogate*": "half",
    "i_string_invalid_*surrogate": "half",
    "i_string_inverted_*": "half",
    "i_string_lone_second_surrogate": "half",
    "test_transform/string_*_escaped_invalid_codepoint*": "half",
    "test_transform/string_with_escaped_NULL": "plain",
    "test_transform/string_*": "not UTF-8",
    "test_transform/object_key_nf*": "not form C",
    "test_transform/object_same_key_*": "twice",
    "i_structure_500_nested_arrays": "deep",
    "i_structure_UTF-8_BOM_empty_object": "byte order mark",
    "i_string_UTF-16*": "UTF-16",
    "i_string_utf16*": "UTF-16",
    "i_string_*": "not UTF-8",
}
"""Names of the suite, the first that fits counts."""


def _kind(name: str) -> str:
    return next(kind for pattern, kind in KINDS.items() if fnmatchcase(name, pattern))


@pytest.mark.parametrize("value", ['"half\\ud800"', "1e999", "-1e999", "1" + "0" * 400, "1.5"])
def test_no_field_of_a_referral_takes_what_readers_differ_on(value: str, tmp_path: Path) -> None:
    """Half a character, an infinite number or a fraction is read in a line, and then refused in every field."""
    file = tmp_path / "referrals.jsonl"
    for name in confirmation():
        text = json.dumps(confirmation() | {name: "@"}).replace('"@"', value)
        file.write_text(text + "\n", encoding="utf-8")
        assert read_referrals([file]).events == (), name
