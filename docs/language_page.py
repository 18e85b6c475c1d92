"""The page on the language of rules: a frame written by hand, with every example really compiled and run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from merchantscreen.features import CATALOGUE, FEATURE_TYPES, LINK_FEATURES
from merchantscreen.outputs.rulepages import code, table
from merchantscreen.policy import language, trees
from merchantscreen.policy.language import ConditionError, compile_condition

NOTE: Final = "<!-- Made by `make docs`. Change docs/language_page.py, not this page. -->"

TRAPS: Final[Sequence[tuple[str, str, str]]] = (
    ("An aggregate is spread over all rows", "sum(chargeback_count) > 3",
     "The sum of all accounts is compared, and every account hits."),
    ("A result that is not a number is larger than everything", "refund_count / purchase_count > 0.5",
     "Without purchases, 0 / 0 is not a number, and engines hold that to be above 0.5: empty accounts hit."),
    ("The clock decides", "current_date > '2026-11-01'",
     "The same files give another result tomorrow. Ages are features, counted up to the moment of the run."),
    ("Types clash only when it runs", "mcc > 5000",
     "The plan of the query is fine; the run breaks off in the middle, or compares texts letter by letter."),
    ("Constants and comments pass", "purchase_count > 20 OR 1 = 1",
     "The rule looks like a threshold and hits everybody."),
    ("NULL in a list swallows rows", "mcc NOT IN ('5815', NULL)",
     "By the letter of SQL this is never true; an engine got it wrong until July 2026."),
)  # fmt: skip
"""Title, condition, and what happens where SQL is run unchecked. Source: measured on polars 2.1.0."""

ALLOWED: Final[Sequence[tuple[str, str, str]]] = (
    ("comparison", "= <> < <= > >=", "purchase_count >= 20"),
    ("logic", "AND OR NOT, parentheses", "prepaid_share > 0.5 AND NOT (status = 'closed')"),
    ("a feature that is yes or no", "its name alone", "under_facilitator"),
    ("range, both ends included", "BETWEEN … AND …", "account_age_days BETWEEN 0 AND 90"),
    ("list of literals", "IN, NOT IN", "mcc IN ('5815', '5816')"),
    ("whether something is known", "IS NULL, IS NOT NULL", "days_since_sibling_closed IS NOT NULL"),
    ("arithmetic", "+ - * and / by a number", "refund_count > 2 * chargeback_count"),
    ("functions", "ABS, LOWER, COALESCE", "ABS(cross_border_peer_z) > 3"),
)

OTHER_REFUSALS: Final = (
    "purchase_counts > 20", "purchase_count = NULL", "purchase_count > (SELECT 1)", "sum(purchase_count) OVER () > 3",
    "mcc LIKE '58%'", "CASE WHEN under_facilitator THEN status = 'closed' END", "purchase_count > 20 -- enough",
    "purchase_count BETWEEN 90 AND 10", "purchase_count / 0 > 1", "purchase_count == 20",
    "COALESCE(purchase_count > 20, under_facilitator)",
)  # fmt: skip

_ROWS: Final[Sequence[Mapping[str, object]]] = (
    {"prepaid_share": 0.6, "purchase_count": 30},
    {"prepaid_share": 0.2, "purchase_count": None},
    {"prepaid_share": None, "purchase_count": 30},
    {"prepaid_share": float("nan"), "purchase_count": 30},
    {"prepaid_share": None, "purchase_count": 5},
)
_EXAMPLE: Final = "prepaid_share >= 0.5 AND purchase_count >= 20"
_OUTCOMES: Final[Mapping[bool | None, str]] = {True: "hit", False: "no hit", None: "not evaluated"}


def page() -> str:
    """Write the page."""
    return "\n\n".join(["# The language of rules", NOTE, *_blocks()]) + "\n"


def _blocks() -> Iterable[str]:
    yield _INTRODUCTION
    yield "## What is allowed\n\n" + table(("what", "how it is written", "for example"), _allowed_rows())
    yield _limits()
    yield f"## Three values\n\n{_THREE_VALUES}\n\n`{_EXAMPLE}`\n\n" + table(
        ("prepaid_share", "purchase_count", "outcome", "decided by"), map(_value_row, _ROWS)
    )
    yield _AFTER_VALUES
    yield f"## Six traps of SQL that is run unchecked\n\n{_TRAPS}"
    yield from (_trap(number, *trap) for number, trap in enumerate(TRAPS, start=1))
    yield "## More that is refused\n\n" + table(("condition", "code", "found"), map(_refusal_row, OTHER_REFUSALS))
    yield f"## Windows\n\n{_WINDOWS}\n\n" + table(("feature", "7 days", "30 days", "90 days"), _window_rows())
    yield f"## Peers\n\n{_PEERS}\n\n" + table(("feature", "meaning"), _rows_of_unit("robust z"))
    yield f"## Link features\n\n{_LINKS}\n\n" + ", ".join(map(code, sorted(LINK_FEATURES))) + "."
    yield _ELSEWHERE


_INTRODUCTION: Final = (
    "The field `when` of a rule is an SQL condition over the [features](features.md) of one account. One row goes in, "
    "one of three values comes out. It is read in four steps, and each refuses with line and column: words and signs, "
    "syntax, types, and a trial on sample values. What is not listed here is refused, whatever the SQL parser would "
    "take. Conditions of tiers are written in the same language, over the facts of the ledger."
)
_THREE_VALUES: Final = (
    "A rule hits, does not hit, or is not evaluated. A comparison with something that is not known is not known "
    "itself; AND is decided by one part that does not hold, OR by one that holds. What is not a number, or is "
    "infinite, counts as not known. Not evaluated is never a clean result: the feature that was missing is named with "
    "the input columns it needs."
)
_AFTER_VALUES: Final = (
    "`COALESCE(feature, 0)` turns not known into a number. Use it only where the number is true: no siblings are 0 "
    "siblings, but a share without purchases is not 0. Around a comparison it is refused, because it would hide what "
    "is not known."
)
_TRAPS: Final = (
    "Each of these runs without complaint, or fails too late, where a condition is handed to an engine as it is. "
    "Here they are refused when the rule is loaded; the messages are the real ones."
)
_WINDOWS: Final = (
    "A condition sees no single transactions and has no periods of its own. Counts come in windows instead: the name "
    "alone is since the account opened, `_7d`, `_30d` and `_90d` are the calendar days, in UTC, up to and including "
    "the day of the run. An account that has transactions, but none in the window, has 0 there; an account without "
    "any transaction has nothing that is known."
)
_PEERS: Final = (
    "A robust z says how far an account lies from the median of a sample of accounts with the same MCC, in scaled "
    "median absolute deviations. Above 3 is the usual mark of an outlier. With fewer peers than "
    "`peer_minimum_count` it is not known; a smallest scale keeps trifles from looking large where most peers are "
    "alike. Both stand in [evidence.yml](rules/evidence.md)."
)
_LINKS: Final = (
    "These say that an account is tied to a referral. Rules of role `gate` read nothing else; rules of role `rank` "
    "read none of them, because links have their own weight; rules of role `context` read what they like."
)
_ELSEWHERE: Final = (
    "## Elsewhere\n\n[All features](features.md), [all rules](rules/README.md), [what else is refused]"
    "(lints/README.md), [codes](errors.md#policy). `merchantscreen rules explain RULE --account A --run DIR` shows a "
    "condition as a tree with the values of one account."
)


def _allowed_rows() -> Iterable[Sequence[object]]:
    for what, how, example in ALLOWED:
        compile_condition(example, FEATURE_TYPES)
        yield what, how.replace("*", "\\*"), code(example)


def _limits() -> str:
    return (
        f"At most {language.MAX_LENGTH:,} characters, {language.MAX_DEPTH} levels and {language.MAX_NODES} parts. "
        f"Texts have at most {language.MAX_TEXT} printable characters. Numbers are 0, or of a size from "
        f"{language.MIN_NUMBER:f} to {language.MAX_NUMBER:f}, with at most {language.MAX_DIGITS} digits, so that each "
        "is exactly what is written. Arithmetic is done in 64-bit floats; a result beyond their range is not known."
    )


def _value_row(row: Mapping[str, object]) -> Sequence[object]:
    tree = trees.explain(compile_condition(_EXAMPLE, FEATURE_TYPES), row)
    if tree.outcome is True:
        decided = "both parts hold"
    else:
        leaves = [leaf for leaf in trees.blocking(tree) if leaf.outcome is tree.outcome]
        decided = "; ".join(code(leaf.text) for leaf in leaves)
    return (*map(_shown, row.values()), _OUTCOMES[tree.outcome], decided)


def _shown(value: object) -> str:
    return "not known" if value is None else "not a number" if value != value else str(value)  # noqa: PLR0124  # NaN


def _trap(number: int, title: str, condition: str, story: str) -> str:
    return f"### {number}. {title}\n\n```sql\n{condition}\n```\n\n{story}\n\n```text\n{_refusal(condition)}\n```"


def _refusal(condition: str) -> str:
    """Compile something that must be refused, and return the message a rule's author would see."""
    return "\n".join(
        str(fault.kind.at("rule.yml", fault.line, "when", found=fault.found, position=fault.column))
        for fault in _faults(condition)
    )


def _faults(condition: str) -> tuple[language.Fault, ...]:
    try:
        compile_condition(condition, FEATURE_TYPES)
    except ConditionError as refusal:
        return refusal.faults
    raise ValueError(f"`{condition}` is not refused")


def _refusal_row(condition: str) -> Sequence[object]:
    faults = _faults(condition)
    codes = dict.fromkeys(fault.kind.code for fault in faults)
    return code(condition), ", ".join(map(code, codes)), "; ".join(fault.found for fault in faults)


def _window_rows() -> Iterable[Sequence[object]]:
    names = {feature.name for feature in CATALOGUE}
    stems = dict.fromkeys(
        name.removesuffix(f"_{days}d") for name in sorted(names) for days in (7, 30, 90) if name.endswith(f"_{days}d")
    )
    for stem in stems:
        cells = [code(f"{stem}_{days}d") if f"{stem}_{days}d" in names else "" for days in (7, 30, 90)]
        yield code(stem) if stem in names else stem, *cells


def _rows_of_unit(unit: str) -> Iterable[Sequence[object]]:
    return ((code(feature.name), feature.meaning) for feature in CATALOGUE if feature.unit == unit)
