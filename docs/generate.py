"""Write the pages of docs/ that the code already knows, or check that they are up to date.

    python docs/generate.py            writes them
    python docs/generate.py --check    writes nothing; shows the difference and exits 1 if a page is stale

A page is a function without arguments that returns its text; PAGES lists them.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import dataframely as dy
import polars as pl

from merchantscreen import errors, features, identifiers, tables
from merchantscreen.errors import MerchantScreenError, ProblemKind
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import NANO, Policy, Rule
from merchantscreen.vocabulary import EvidenceFamily

HERE: Final = Path(__file__).resolve().parent
NOTE: Final = "<!-- Made by `make docs`. Change the code, not this page. -->"
PROBLEM_AREAS: Final = ("intake", "referrals", "policy", "outputs")


# ----------------------------------------------------------------------------------- markdown


def page(title: str, *blocks: str) -> str:
    """Put a page together from its title and its blocks."""
    return "\n\n".join([f"# {title}", NOTE, *(block for block in blocks if block)]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay rows out as a Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows])


def code(value: object) -> str:
    """Mark a value as code."""
    return f"`{value}`"


def prose(docstring: str | None) -> str:
    """Take a docstring's indentation off and leave its paragraphs."""
    return "\n".join(line.strip() for line in (docstring or "").strip().splitlines())


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


# ----------------------------------------------------------------------- tables and identifiers


def data_dictionary() -> str:
    """Describe every column of every table."""
    found = [item for item in vars(tables).values() if isinstance(item, type) and issubclass(item, dy.Schema)]
    blocks = [_table_block(schema) for schema in found if schema is not dy.Schema]
    return page("Data dictionary", prose(tables.__doc__).partition("\n\n")[2], *blocks)


def _table_block(schema: type[dy.Schema]) -> str:
    rows = [_column_row(name, column) for name, column in schema.columns().items()]
    return f"## {schema.__name__}\n\n{prose(schema.__doc__)}\n\n" + table(
        ("column", "type", "may be empty", "unit", "meaning", "source"), rows
    )


def _column_row(name: str, column: dy.Column) -> tuple[object, ...]:
    about: Mapping[str, Any] = column.metadata or {}
    key = " (key)" if column.primary_key else ""
    empty = "yes" if column.nullable else "no"
    return (
        code(name) + key,
        _type_name(column.dtype),
        empty,
        about.get("unit"),
        about.get("meaning"),
        about.get("source"),
    )


def _type_name(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List):
        return f"list of {_type_name(pl.String())}"
    names = {"String": "text", "Int64": "integer", "Float64": "number", "Boolean": "yes/no", "Date": "date"}
    return names.get(str(dtype), "time" if isinstance(dtype, pl.Datetime) else str(dtype))


def identifier_page() -> str:
    """Describe everything that can tie an account to a domain or to another account."""
    weights = load_policy(None).evidence.kinds
    heads = ("name", "what it is", "class", "set by", "carried by", "weight", "innocent explanation")
    families = {EvidenceFamily.LINK: "Links to a domain", EvidenceFamily.IDENTIFIER: "Identifiers that accounts share"}
    blocks = [
        f"## {title}\n\n"
        + table(heads, (_kind_row(kind, weights) for kind in identifiers.KINDS if kind.family is family))
        for family, title in families.items()
    ]
    return page("Identifiers", prose(identifiers.__doc__).partition("\n\n")[2], *blocks)


def _kind_row(kind: identifiers.IdentifierKind, weights: Mapping[str, Any]) -> tuple[object, ...]:
    weight = f"{weights[kind.name].weight_nano / NANO:g}" if kind.name in weights else ""
    return code(kind.name), kind.title, kind.specificity, kind.set_by, kind.source, weight, kind.innocent


# ------------------------------------------------------------------------------------- errors


def error_page() -> str:
    """List every exit code and every problem code, with what to do."""
    classes = [
        item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, MerchantScreenError)
    ]
    exits = [(errors.EXIT_DONE, "done; hits are not a failure"), (errors.EXIT_FAIL_ON, "`--fail-on` was tripped")]
    exits += sorted({(kind.exit_code, _first_line(kind)) for kind in classes if kind is not errors.PolicyError})
    blocks = [_problem_block(area, _problems(area)) for area in PROBLEM_AREAS]
    shape = (
        "`CODE file:line column: what was found, expected what. Fix: what to do now.` All problems of a file are "
        "reported together; `--json-errors` gives the same as JSON. A value that could be sensitive is described, "
        "never shown."
    )
    return page("Errors", shape, "## Exit codes\n\n" + table(("code", "meaning"), sorted(exits)), *blocks)


def _first_line(kind: type[MerchantScreenError]) -> str:
    if kind is MerchantScreenError:
        return "A mistake of ours; the run left nothing behind."
    return (kind.__doc__ or "").strip().splitlines()[0].replace("``", "`")


def _problems(area: str) -> Mapping[str, ProblemKind]:
    found: Mapping[str, ProblemKind] = import_module(f"merchantscreen.{area}.problems").PROBLEMS
    return found


def _problem_block(area: str, problems: Mapping[str, ProblemKind]) -> str:
    rows = [(code(kind.code), kind.title, kind.expected, kind.fix) for _, kind in sorted(problems.items())]
    return f"## {area.capitalize()}\n\n" + table(("code", "found", "expected", "what to do"), rows)


# ------------------------------------------------------------------------- features and rules


def feature_page() -> str:
    """Describe what rules may ask of an account, and what tiers are decided on."""
    return page(
        "Features",
        "A feature that is not known is empty, and a rule that needs it is *not evaluated*.",
        "## Features of accounts, for rules\n\n" + _records(features.CATALOGUE),
        "## Facts of the ledger, for tiers\n\nA fact is never empty.\n\n" + _records(features.FACTS),
    )


def _records(rows: Sequence[Any]) -> str:
    """Show the plain text fields of frozen records, named after their attributes."""
    names = [field.name for field in dataclasses.fields(rows[0]) if _is_plain(getattr(rows[0], field.name))]
    heads = [name.replace("_", " ") for name in names]
    return table(heads, ([_plain(getattr(row, name), name) for name in names] for row in rows))


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | tuple | frozenset)


def _plain(value: object, name: str) -> object:
    if isinstance(value, tuple | list | frozenset):
        return ", ".join(sorted(map(str, value)))
    return code(value) if name == "name" else value


def rule_page() -> str:
    """Index the default policy: rules, ways into a tier, and weights."""
    policy = load_policy(None)
    rules = sorted(policy.rules, key=lambda rule: rule.id)
    return page(
        "Rules",
        "The default policy, as it stands in [`rules/`](../rules/) and inside the installed package. "
        f"Digest: `{policy.digest}`.",
        "## Tiers\n\nThe first condition that holds places the account; all others are for watching.\n\n"
        + table(
            ("tier", "id", "when", "reason"),
            ((t.tier, code(t.id), code(t.condition.text), t.reason) for t in policy.tiers),
        ),
        _weights(policy),
        "## Index\n\n" + table(("rule", "typology", "role", "severity", "confidence", "title"), map(_index_row, rules)),
        *map(_rule_block, rules),
    )


def _weights(policy: Policy) -> str:
    rows = [
        (code(name), *(f"{getattr(kind, column) / NANO:g}" for column in _WEIGHT_COLUMNS.values()), kind.rationale)
        for name, kind in policy.evidence.kinds.items()
    ]
    return "## Weights\n\n" + table(("kind", *_WEIGHT_COLUMNS, "reason"), rows)


_WEIGHT_COLUMNS: Final = {"w": "weight_nano", "g": "reliability_nano", "π": "base_rate_nano", "κ": "kappa_nano"}


def _index_row(rule: Rule) -> tuple[object, ...]:
    return f"[{rule.id}](#{rule.id})", rule.typology, rule.role, rule.severity, rule.confidence, rule.title


def _rule_block(rule: Rule) -> str:
    facts = [
        ("when", code(rule.condition.text)), ("needs", ", ".join(map(code, rule.requires))),
        ("role, status", f"{rule.role}, {rule.status}"), ("version", rule.version),
        ("in force", f"from {rule.effective_from}, review by {rule.review_by}"), ("owner", rule.owner),
        ("approved by", rule.approver or "nobody yet"),
        ("threshold", f"{rule.threshold_origin}: {rule.threshold_note}"),
        ("why", rule.rationale), ("sources", "; ".join(rule.references)),
        ("false positives", "; ".join(rule.false_positives)),
        ("innocent explanations", "; ".join(rule.innocent_explanations)),
        ("own cases", ", ".join(f"{case.name} ({case.expect})" for case in rule.cases)),
    ]  # fmt: skip
    return f'<a id="{rule.id}"></a>\n\n## {rule.title}\n\n' + table(("", code(rule.file)), facts)


# ------------------------------------------------------------------------------- command line


def command_page() -> str:
    """Show the help of every command, as the terminal shows it."""
    app = import_module("merchantscreen.cli").app
    overview = _help([])
    names = [command.name or _dashed(command.callback) for command in app.registered_commands]
    blocks = [f"## merchantscreen {name}\n\n```text\n{_help([name])}\n```" for name in names]
    return page("Command line", f"```text\n{overview}\n```", *blocks)


def _dashed(callback: Callable[..., object] | None) -> str:
    return getattr(callback, "__name__", "").replace("_", "-")


def _help(arguments: Sequence[str]) -> str:
    """Ask a process of its own, so that width and colour do not depend on who asks."""
    plain = {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    run = "import sys; sys.argv[0] = 'merchantscreen'; from merchantscreen.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", run, *arguments, "--help"],
        env=os.environ | plain, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())


# --------------------------------------------------------------------------------------- pages


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "data-dictionary.md": data_dictionary,
    "identifiers.md": identifier_page,
    "errors.md": error_page,
    "features.md": feature_page,
    "rules.md": rule_page,
    "cli.md": command_page,
}


def stale_pages(made: Mapping[str, str]) -> list[str]:
    """Return the difference of each page that is not what the code says."""
    found: list[str] = []
    for name, text in made.items():
        path = HERE / name
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        found += difflib.unified_diff(
            old.splitlines(), text.splitlines(), f"docs/{name}", f"docs/{name} (made now)", n=1
        )
    return found


def main(arguments: Sequence[str]) -> int:
    """Write or check all pages; return the exit code."""
    made = {name: make() for name, make in PAGES.items()}
    if "--check" in arguments:
        difference = stale_pages(made)
        print(
            "\n".join(
                [*difference, "Stale pages: run `make docs`."] if difference else ["Generated pages are up to date."]
            )
        )
        return 1 if difference else 0
    for name, text in made.items():
        (HERE / name).write_text(text, encoding="utf-8")
        print(f"docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
