"""Samples, tests and pages use reserved host names only, so that nobody real is ever pointed at.

Reserved: `example`, `test`, `invalid`, `localhost` (RFC 2606, RFC 6761). Two exceptions are written
out here: the sharing platforms that the private section of the Public Suffix List has to be tried
with, and the standards bodies and sources that pages cite.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TOP_LEVEL: Final = (
    "com net org info biz shop online site store xyz top club live io co me tv cc ru su cn de nl fr uk eu us ch at "
    "es it pl se no fi cz ua br in jp kr au ca za edu gov int mil app dev cloud"
).split()
"""Top-level domains that a careless example would use; file endings such as `.py` and `.md` are not among them."""

HOST: Final = re.compile(
    r"(?i)(?<![\w.@/-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:" + "|".join(TOP_LEVEL) + r")(?![\w@-]|\.\w)"
)
URL: Final = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://(?:[^\s/@]*@)?([^\s/:?#\"'`<>()\[\]]+)")
RESERVED: Final = re.compile(r"(?i)(?:^|\.)(?:example|test|invalid|localhost)\.?$|^\d|^\[|^example\.(?:com|net|org)$")

PLATFORMS: Final = (
    "github.io", "blogspot.com", "co.uk", "com.br", "com.au", "co.jp", "herokuapp.com", "netlify.app", "pages.dev",
    "myshopify.com", "s3.amazonaws.com", "vercel.app", "web.app", "wordpress.com", "azurewebsites.net", "org.uk",
    "workers.dev", "firebaseapp.com", "gitlab.io", "duckdns.org", "wixsite.com", "weebly.com",
)  # fmt: skip
"""Public suffixes, bare or above an invented name."""

CITED: Final = (
    "apache.org", "rfc-editor.org", "iso.org", "unicode.org", "publicsuffix.org", "keepachangelog.com", "semver.org",
    "first.org", "whatwg.org", "url.spec.whatwg.org", "iccam.org", "w3.org", "python.org", "ietf.org", "iana.org",
    "iso20022.org", "emvco.com", "shelby.senate.gov",
)  # fmt: skip
"""Sources and standards that pages and rules cite."""

PUBLISHED: Final = ("yaml_suite", "naughty_strings", "json_suite", "ed25519_suites")
"""Folders of published test suites under `tests/data`, kept as published; nothing in them is read as a host."""


def test_sample_data_uses_reserved_names_only(repository: Path) -> None:
    """Every host in the sample files is under a reserved top-level domain."""
    files = [path for path in sorted((repository / "sample_data").rglob("*")) if path.suffix not in {".parquet", ".py"}]
    found = {
        path.name: names for path in files if path.is_file() and (names := _foreign(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_tests_use_reserved_names_only(repository: Path) -> None:
    """Every host in a test's texts is reserved, or a sharing platform that the suffix list has to be tried with."""
    found = {}
    for path in sorted((repository / "tests").rglob("*")):
        if (
            path.is_file()
            and path != Path(__file__).resolve()
            and path.parent not in {repository / "tests/data" / name for name in PUBLISHED}
            and path.suffix in {".py", ".csv", ".json", ".jsonl", ".yml"}
        ):
            names = _foreign("\n".join(_texts(path)))
            if names:
                found[str(path.relative_to(repository))] = names
    assert found == {}


def test_pages_use_reserved_names_only(repository: Path) -> None:
    """Every host in a page is reserved or a cited source."""
    pages = [*repository.glob("*.md"), *(repository / "docs").rglob("*.md"), *(repository / "sample_data").glob("*.md")]
    found = {path.name: names for path in sorted(pages) if (names := _foreign(path.read_text(encoding="utf-8")))}
    assert found == {}


def test_the_scan_finds_what_it_is_for() -> None:
    """The scan sees a name that is not reserved, and lets reserved ones and platforms pass."""
    assert _foreign("see amber-shop" + ".com or https://" + "plain.ws/x") == ["amber-shop.com", "plain.ws"]
    assert _foreign("https://amber-shop.example/x https://user@shop.test:1/ http://192.0.2.1/ tenant.github.io") == []


def _foreign(text: str) -> list[str]:
    """Return the hosts in a text that are neither reserved nor excepted, sorted."""
    hosts = {match.lower().rstrip(".") for match in [*HOST.findall(text), *URL.findall(text)] if "." in match}
    return sorted(host for host in hosts if not RESERVED.search(host) and not _excepted(host))


def _excepted(host: str) -> bool:
    return any(host == name or host.endswith(f".{name}") for name in PLATFORMS + CITED)


def _texts(path: Path) -> Iterator[str]:
    """Yield the texts of a file: string constants of a Python file, all of any other."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix != ".py":
        yield text
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
