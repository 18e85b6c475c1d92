r"""Results of checks as JUnit XML, the form that build servers read.

Rules kept here:
* the same results give the same bytes: no time, no host name, no duration;
* characters that XML 1.0 forbids are shown as escapes such as `\x1b`, never dropped;
* counts in the head are counted from the cases.

Left to others: what is checked, and what a failure says.
Source: the JUnit form as Jenkins and GitLab document it; XML 1.0, production 2.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_ESCAPED_BYTE: Final = 0xFF


@dataclass(frozen=True, slots=True)
class JUnitCase:
    """One check and what became of it.

    Attributes:
        name: What was checked.
        classname: What it belongs to, such as a rule id.
        failure: Why it failed; None where it did not.
        skipped: Why it was not run or does not count; None where it was.
    """

    name: str
    classname: str
    failure: str | None
    skipped: str | None = None


def junit_xml(suite_name: str, cases: Sequence[JUnitCase]) -> bytes:
    """Write one suite of checks.

    Args:
        suite_name: Name of the suite.
        cases: The checks, in the order they are to be shown.

    Returns:
        A JUnit XML document, UTF-8, ending with a line feed.
    """
    counts = {
        "tests": len(cases),
        "failures": sum(case.failure is not None for case in cases),
        "errors": 0,
        "skipped": sum(case.failure is None and case.skipped is not None for case in cases),
    }
    stated = {name: str(count) for name, count in counts.items()}
    root = ET.Element("testsuites", stated)
    suite = ET.SubElement(root, "testsuite", {"name": _clean(suite_name), **stated})
    for case in cases:
        _add(suite, case)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _add(suite: ET.Element, case: JUnitCase) -> None:
    element = ET.SubElement(suite, "testcase", {"classname": _clean(case.classname), "name": _clean(case.name)})
    if case.failure is not None:
        failure = ET.SubElement(element, "failure", {"message": _first_line(case.failure)})
        failure.text = _clean(case.failure)
    elif case.skipped is not None:
        ET.SubElement(element, "skipped", {"message": _first_line(case.skipped)})


def _first_line(text: str) -> str:
    return _clean(text.splitlines()[0] if text.strip() else text)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code <= _LONGEST_ESCAPED_BYTE else f"\\u{code:04x}"
