"""Results as JUnit XML: readable by a build server, the same bytes each time, whatever the texts hold."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.outputs.junit import JUnitCase, junit_xml

CASES = (
    JUnitCase("met", "few-price-points", None),
    JUnitCase("not met", "few-price-points", "expected hit, found no_hit\nsecond line"),
    JUnitCase("warned", "400001/M1", None, "enters T1"),
)


def test_counts_failures_and_skipped_stand_in_the_document() -> None:
    """The head counts what follows, a failure carries its text, a warning is skipped."""
    root = ET.fromstring(junit_xml("rules backtest", CASES))
    suite = root[0]
    assert (root.tag, suite.tag, suite.get("name")) == ("testsuites", "testsuite", "rules backtest")
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "0", "skipped": "1",
    }  # fmt: skip
    failure = suite[1].find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("expected hit, found no_hit", CASES[1].failure)
    assert suite[2].find("skipped") is not None


def test_the_same_cases_give_the_same_bytes_and_no_time() -> None:
    """Nothing of the machine or the moment is in the document."""
    written = junit_xml("a", CASES)
    assert written == junit_xml("a", list(CASES))
    assert b"time" not in written
    assert written.endswith(b"</testsuites>\n")


@given(st.text(), st.text(alphabet=st.characters(codec=None)))
def test_any_text_gives_a_document_that_can_be_read(name: str, failure: str) -> None:
    """Control characters, lone surrogates and markup are shown, never dropped, and never break the document."""
    root = ET.fromstring(junit_xml(name, [JUnitCase(name, "c", failure)]))
    assert root[0][0].find("failure") is not None


def test_what_xml_forbids_is_shown_as_an_escape() -> None:
    """A terminal escape in a name arrives as text."""
    written = junit_xml("a", [JUnitCase("x\x1b[2J\ufffe", "c", None)])
    assert b"x\\x1b[2J\\ufffe" in written
