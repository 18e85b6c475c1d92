"""The package never reaches a network: no import that could, and no socket while the main job runs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Final

from architecture.package import NAME, imported_names, modules

ALLOWED: Final = frozenset(
    "can_ada cryptography dataframely jinja2 markupsafe narwhals networkx numpy polars publicsuffixlist pydantic "
    "pydantic_core pydantic_settings pyrage pyspark rfc8785 rich ruamel securesystemslib sqlalchemy sqlglot "
    "typer xlsxwriter".split()
)
"""Third-party packages that source files may import; each has its line in docs/adr/0006-dependencies.md.

sqlalchemy can reach a database server, and does so only where a workspace names one; cryptography, securesystemslib
(its DSSE envelopes only) and pydantic_settings (a file and the environment) reach nothing, nor does
pyrage (files for recipients). pyspark talks to Spark, on this machine or where the caller says, and is imported by
the engine of that name alone, once it was asked for: docs/adr/0025-spark-is-optional.md.
"""
ON_REQUEST: Final = "pyspark"
"""A package that may only be imported inside of functions, and only by the module named here."""
THE_ENGINE: Final = "merchantscreen.engines.spark"

NETWORK: Final = frozenset(
    "_socket asyncio asyncore cgi ftplib http imaplib mailbox nntplib poplib pty select selectors smtpd smtplib "
    "socket socketserver ssl telnetlib urllib webbrowser wsgiref xmlrpc".split()
)
"""Standard modules that open, serve or parse for connections. `urllib.parse` is among them: never for identity."""

WATCH: Final = """
import sys
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event.startswith(("socket.", "urllib.", "http.")) else None)
from merchantscreen.cli import main
code = main(sys.argv[1:])
assert code == 0, code
assert seen == [], seen
"""


def test_nothing_imports_a_network_module() -> None:
    """No source file imports a standard module that can reach a network."""
    found = [f"{m.name}:{line} {name}" for m in modules().values() for name, line in imported_names(m)
             if name.split(".")[0] in NETWORK or name.startswith("multiprocessing.connection")]  # fmt: skip
    assert found == []


def test_third_party_imports_are_on_the_list() -> None:
    """A new third-party package is a decision, so it has to be entered here and in the record of dependencies."""
    known = ALLOWED | {NAME} | sys.stdlib_module_names
    found = [f"{m.name}:{line} {name}" for m in modules().values() for name, line in imported_names(m)
             if name.split(".")[0] not in known]  # fmt: skip
    assert found == []


def test_spark_is_imported_by_its_engine_alone_and_on_request() -> None:
    """No other file imports Spark's package, and the engine imports it inside of functions or for types only."""
    using = {m.name for m in modules().values() for name, _ in imported_names(m) if name.split(".")[0] == ON_REQUEST}
    assert using == {THE_ENGINE}
    loaded = "import sys, merchantscreen.engines.spark, merchantscreen.cli; print('pyspark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_no_import_by_a_computed_name() -> None:
    """Nothing is imported by a name that the other two tests cannot read."""
    hidden = [
        f"{module.name}:{node.lineno}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"__import__", "importlib.import_module", "exec", "eval"}
    ]
    assert hidden == []


def test_the_main_job_opens_no_socket(repository: Path, tmp_path: Path) -> None:
    """Screening the sample data from start to end asks the interpreter for no socket at all."""
    sample = repository / "sample_data"
    command = [
        sys.executable, "-c", WATCH, "screen",
        "--referrals", str(sample / "referrals.jsonl"), "--merchants", str(sample / "merchants.csv"),
        "--transactions", str(sample / "transactions.csv"), "--rules", str(repository / "rules"),
        "--as-of", "2026-11-01T00:00:00Z", "--out", str(tmp_path), "--run-id", "watched",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "watched" / "manifest.json").is_file()
