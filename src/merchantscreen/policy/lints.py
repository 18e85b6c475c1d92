"""What a policy must not do, beyond having the right form: one named lint per promise.

Rules kept here:
* every lint has a name, a reason and a page (docs/lints/); each check is one small function;
* a lint may be suppressed only where its entry says so, in the rule's own file, with a reason
  and a day on which that ends; a suppression that is unknown, expired or idle is itself refused;
* no lint reads a clock: the day is an argument, and without one no date is overdue;
* what a condition can do is tried, not read off its words (probing.py): a category hidden in
  COALESCE, NOT or a comparison that always holds is still a category.

Source: FFIEC manual for an approver other than the author and documented thresholds; EBA
guidance on de-risking for never suspecting whole categories of merchants.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import polars as pl
from sqlglot import exp

from merchantscreen.errors import ProblemKind
from merchantscreen.features import FEATURE_TYPES, LINK_FEATURES
from merchantscreen.identifiers import KINDS
from merchantscreen.policy import probing, problems
from merchantscreen.policy.evaluation import PLACEHOLDER
from merchantscreen.policy.fileschema import CaseEntry, ExceptionFile, RuleFile, Signed
from merchantscreen.policy.language import CompiledCondition
from merchantscreen.policy.model import Indicator
from merchantscreen.policy.wording import written
from merchantscreen.vocabulary import EvidenceFamily, RuleOutcome, RuleRole, RuleStatus

CATEGORY_FEATURES: Final = frozenset({"mcc", "country", "under_facilitator"})
"""Features that describe a whole category of merchants and never suffice for a hit."""
ADULT_MCCS: Final = frozenset({"5967", "7273"})
"""Lawful adult categories. Source: Visa and Mastercard high-risk merchant categories."""
LONGEST_EXCEPTION_DAYS: Final = 366
LONGEST_DELAY: Final = timedelta(days=92)
"""How long a review may be put off by suppressing review-overdue: a quarter."""
PLACEHOLDERS: Final = frozenset({"todo", "tbd", "tba", "fixme", "xxx", "na", "none", "null", "nobody", "unknown", ""})
"""What is left of a text that is still to be written, in small letters and digits only."""
ACCUSING_WORDS: Final = re.compile(
    r"\b(criminals?|guilty|culprits?|offenders?|perpetrators?|fraudsters?|launderers?|proves?|proven|proof)\b",
    re.IGNORECASE,
)
"""Words that give a verdict; what was observed needs none of them."""

_MOST_LINKS: Final = 12
_SHARED_KINDS: Final = frozenset(kind.name for kind in KINDS if kind.family is EvidenceFamily.IDENTIFIER)
_BOUNDARY_OF: Final[Mapping[type[exp.Expr], type[exp.Expr]]] = {
    exp.LT: exp.LTE, exp.LTE: exp.LT, exp.GT: exp.GTE, exp.GTE: exp.GT,
}  # fmt: skip
"""Each order with the one that differs from it on the boundary only."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a lint found: what, in which field, described; the lint's name is added by `lint`."""

    kind: ProblemKind
    field: str
    found: str
    lint: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule file that has the right form, with what it is checked against.

    Attributes:
        path: Name within the folder.
        file: The file.
        condition: None where it was refused.
        today: None where no date is to be overdue.
        indicators: The catalogue by id; None where it could not be read.
        twin: Id of an earlier rule with the same condition.
        probe: The condition as tried on all values it tells apart; added by `lint`.
        moved: Parts with a boundary, the same with the boundary on the other side, and whether a test would notice;
            added by `lint`.
        parts: Parts, and whether a test would notice if they held always, and if they never did; added by `lint`.
        fixed: What comes out whatever the values, as `_fixed_outcome` finds it; added by `lint`.
    """

    path: str
    file: RuleFile
    condition: CompiledCondition | None
    today: date | None
    indicators: Mapping[str, Indicator] | None
    twin: str | None
    probe: probing.Probe | None = None
    moved: tuple[tuple[exp.Expr, exp.Expr, bool], ...] = ()
    parts: tuple[tuple[exp.Expr, bool, bool], ...] = ()
    fixed: bool | None = None


RuleCheck = Callable[[Draft], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Lint:
    """One promise about every policy.

    Attributes:
        name: As suppressions and messages write it.
        kind: The problem it reports.
        why: The reason, for a reader who was refused.
        check: How a rule is checked; None where the promise is about another kind of file.
        suppressible: Whether a rule may suppress it for a time.
    """

    name: str
    kind: ProblemKind
    why: str
    check: RuleCheck | None = None
    suppressible: bool = False


# --------------------------------------------------------------------------- rules


def _place(draft: Draft) -> Iterator[Finding]:
    wanted = f"{draft.file.typology}/{draft.file.id}.yml"
    if draft.path != wanted:
        yield Finding(problems.WRONG_PLACE, "id", f"a rule that belongs at {wanted}")


def _citation(draft: Draft) -> Iterator[Finding]:
    if not draft.file.references:
        yield Finding(problems.NO_CITATION, "references", problems.NO_CITATION.title)


def _tests(draft: Draft) -> Iterator[Finding]:
    expected = {case.expect for case in draft.file.tests}
    for outcome in RuleOutcome:
        if outcome not in expected:
            yield Finding(problems.TEST_MISSING, "tests", f"no test that expects {outcome}")


def _boundaries(draft: Draft) -> Iterator[Finding]:
    """Ask, for every order, for a test that would notice if the boundary moved to the other side."""
    for leaf, near, is_noticed in draft.moved:
        if not is_noticed:
            found = f"no test that tells `{written(leaf)}` from `{written(near)}`"
            yield Finding(problems.BOUNDARY_UNTESTED, "tests", found)


def _neighbours(leaf: exp.Expr) -> Iterator[exp.Expr]:
    """Yield what a comparison would be with its boundary on the other side, once per boundary."""
    if type(leaf) in _BOUNDARY_OF:
        yield _BOUNDARY_OF[type(leaf)](this=leaf.this.copy(), expression=leaf.expression.copy())
    elif isinstance(leaf, exp.Between):
        value, low, high = (leaf.args[part] for part in ("this", "low", "high"))
        for lower, upper in ((exp.GT, exp.LTE), (exp.GTE, exp.LT)):
            yield exp.And(
                this=lower(this=value.copy(), expression=low.copy()),
                expression=upper(this=value.copy(), expression=high.copy()),
            )


def _parts_tested(draft: Draft) -> Iterator[Finding]:
    """Ask, for every part, for a test that would notice if it held always, and one if it never did."""
    for leaf, always, never in draft.parts:
        if not (always and never):
            found = f"no test that `{written(leaf)}` decides, once as met and once as not"
            yield Finding(problems.PART_UNTESTED, "tests", found)


def _row(case: CaseEntry, condition: CompiledCondition) -> list[probing.Value] | None:
    texts = [(case.given.get(name), kind) for name, kind in condition.types]
    try:
        return [None if text is None else probing.value(text, kind) for text, kind in texts]
    except ValueError:
        return None


def _tests_possible(draft: Draft) -> Iterator[Finding]:
    for case in draft.file.tests:
        for name, text in case.given.items():
            bounds = probing.BOUNDS.get(name)
            if bounds is not None and text is not None and not bounds.hold(_number(text, bounds.least)):
                yield Finding(problems.TEST_IMPOSSIBLE, "tests", f"a test with {name} at {text[:20]}")


def _number(text: str, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise


def _tests_own(draft: Draft) -> Iterator[Finding]:
    if draft.condition is None:
        return
    for name in sorted({name for case in draft.file.tests for name in case.given} & set(FEATURE_TYPES)):
        if name not in draft.condition.names:
            yield Finding(problems.TEST_FOREIGN, "tests", f"a test with {name}, which `when` does not read")


def _tests_differ(draft: Draft) -> Iterator[Finding]:
    for one, other in itertools.combinations(draft.file.tests, 2):
        if one.name == other.name:
            yield Finding(problems.TEST_TWICE, "tests", f"two tests named `{one.name[:60]}`")
        elif _given(one) == _given(other):
            yield Finding(problems.TEST_TWICE, "tests", f"the same values in `{one.name[:60]}` and `{other.name[:60]}`")


def _given(case: CaseEntry) -> dict[str, str]:
    """Return the values of a test; null and absent are the same."""
    return {name: text for name, text in case.given.items() if text is not None}


def _overdue(draft: Draft) -> Iterator[Finding]:
    yield from overdue(draft.file, draft.today)


def _review_order(draft: Draft) -> Iterator[Finding]:
    yield from review_order(draft.file)


def _approval(draft: Draft) -> Iterator[Finding]:
    yield from self_approved(draft.file)


def _requires(draft: Draft) -> Iterator[Finding]:
    if draft.condition is None:
        return
    listed = list(draft.file.requires)
    if len(set(listed)) != len(listed) or set(listed) != draft.condition.names:
        read = ", ".join(sorted(draft.condition.names))
        yield Finding(problems.REQUIRES_DIFFER, "requires", f"a list that is not: {read}")


def _reason(draft: Draft) -> Iterator[Finding]:
    names = PLACEHOLDER.findall(draft.file.reason)
    unknown = sorted(set(names) - set(draft.file.requires))
    if unknown or "{" in PLACEHOLDER.sub("", draft.file.reason) or "}" in PLACEHOLDER.sub("", draft.file.reason):
        yield Finding(problems.REASON_TEMPLATE, "reason", f"a placeholder that is not required: {', '.join(unknown)}")


def _silent(draft: Draft) -> Iterator[Finding]:
    if "{" not in draft.file.reason:
        yield Finding(problems.REASON_SILENT, "reason", problems.REASON_SILENT.title)


def _width(draft: Draft) -> Iterator[Finding]:
    if draft.condition is not None and draft.probe is None:
        yield Finding(problems.TOO_WIDE, "when", f"a condition on {len(draft.condition.names)} features")


def _fixed(draft: Draft) -> Iterator[Finding]:
    if draft.fixed is not None:
        what = "hits" if draft.fixed else "never hits"
        yield Finding(problems.OUTCOME_FIXED, "when", f"a condition that {what}, whatever the values")


def _fixed_outcome(probe: probing.Probe) -> bool | None:
    """Return False where nothing hits, True where all accounts hit of which everything is known, None otherwise."""
    if not probe.held.any():
        return False
    return True if probe.held.filter(probe.known).fill_null(False).all() else None


def _idle(draft: Draft) -> Iterator[Finding]:
    """Name parts that could as well be left out: always true, never true, or said by another part."""
    probe = draft.probe
    if probe is None or draft.fixed is not None:
        return
    leaves = list(probing.leaves_of(probe.condition.tree))
    fixed = [exp.Boolean(this=held) for held in (True, False)]
    changed = [probing.Changed(probe.condition.tree, leaf, new) for leaf in leaves for new in fixed]
    decided_by = probing.outcomes([*leaves, *changed], probe.frame)
    alone, outcomes = decided_by[: len(leaves)], decided_by[len(leaves) :]
    for leaf, own, always, never in zip(leaves, alone, outcomes[::2], outcomes[1::2], strict=True):
        decided = own.is_not_null()
        held = probe.held.filter(decided)
        if any(other.filter(decided).equals(held) for other in (always, never)):
            yield Finding(problems.PART_IDLE, "when", f"`{written(leaf)}`, which decides nothing")


def _category(draft: Draft) -> Iterator[Finding]:
    """Look for a category, or an absence of values, with which every account hits whatever it does."""
    if draft.probe is None or draft.fixed is True:
        return
    frame = draft.probe.frame
    categories = [pl.col(name) for name in frame.columns if name in CATEGORY_FEATURES]
    absences = [pl.col(name).is_null() for name in frame.columns if name not in CATEGORY_FEATURES]
    kinds = frame.with_columns(held=draft.probe.held.fill_null(False)).group_by(*categories, *absences)
    if kinds.agg(pl.col("held").all())["held"].any():
        yield Finding(problems.CATEGORY_ALONE, "when", problems.CATEGORY_ALONE.title)


def _adult(draft: Draft) -> Iterator[Finding]:
    """Compare accounts of a lawful adult category with accounts that are the same but for it."""
    if draft.condition is None or draft.file.role is not RuleRole.RANK or "mcc" not in draft.condition.names:
        return
    probe = probing.probe(draft.condition, {"mcc": (*sorted(ADULT_MCCS), probing.OTHER_TEXT)})
    if probe is not None and _singles_out(probe):
        yield Finding(problems.ADULT_CATEGORY, "when", problems.ADULT_CATEGORY.title)


def _singles_out(probe: probing.Probe) -> bool:
    rows = probe.frame.with_columns(held=probe.held.fill_null(False))
    adult = rows.filter(pl.col("mcc").is_in(list(ADULT_MCCS)) & pl.col("held"))
    others = rows.filter(pl.col("mcc") == probing.OTHER_TEXT, pl.col("held"))
    same = [name for name in probe.frame.columns if name != "mcc"]
    if not same:
        return not adult.is_empty() and others.is_empty()
    return not adult.join(others, on=same, how="anti", nulls_equal=True).is_empty()


def _gate(draft: Draft) -> Iterator[Finding]:
    is_gate = draft.file.role is RuleRole.GATE
    if is_gate and draft.condition is not None and not draft.condition.names <= LINK_FEATURES:
        others = ", ".join(sorted(draft.condition.names - LINK_FEATURES))
        yield Finding(problems.GATE_READS_BEHAVIOUR, "when", f"a gate that reads {others}")


def _gate_needs_link(draft: Draft) -> Iterator[Finding]:
    if draft.file.role is not RuleRole.GATE or draft.condition is None:
        return
    nothing = itertools.product((None, 0), repeat=min(len(draft.condition.names), _MOST_LINKS))
    is_narrow = len(draft.condition.names) <= _MOST_LINKS and draft.condition.names <= LINK_FEATURES
    if is_narrow and probing.probe_rows(draft.condition, nothing).held.any():
        yield Finding(problems.GATE_WITHOUT_LINK, "when", problems.GATE_WITHOUT_LINK.title)


def _rank(draft: Draft) -> Iterator[Finding]:
    is_rank = draft.file.role is RuleRole.RANK
    if is_rank and draft.condition is not None and draft.condition.names & LINK_FEATURES:
        links = ", ".join(sorted(draft.condition.names & LINK_FEATURES))
        yield Finding(problems.RANK_READS_LINKS, "when", f"a ranking rule that reads {links}")


def _indicators_known(draft: Draft) -> Iterator[Finding]:
    if not draft.file.indicators:
        yield Finding(problems.INDICATOR_UNKNOWN, "indicators", "no indicator at all")
    for name in draft.file.indicators:
        if draft.indicators is not None and name not in draft.indicators:
            yield Finding(problems.INDICATOR_UNKNOWN, "indicators", f"{name}, which is not in the catalogue")


def _indicators_excluded(draft: Draft) -> Iterator[Finding]:
    for name in draft.file.indicators:
        known = (draft.indicators or {}).get(name)
        if known is not None and known.excluded is not None:
            yield Finding(problems.INDICATOR_EXCLUDED, "indicators", f"{name}, which is excluded")


def _twin(draft: Draft) -> Iterator[Finding]:
    if draft.twin is not None:
        yield Finding(problems.CONDITION_TWICE, "when", f"the condition of {draft.twin}")


def _placeholders(draft: Draft) -> Iterator[Finding]:
    file = draft.file
    texts = [
        ("title", file.title), ("owner", file.owner), ("approver", file.approver or file.owner),
        ("reason", file.reason), ("rationale", file.rationale), ("threshold", file.threshold.note),
        *(("references", text) for text in file.references),
        *(("false_positives", text) for text in file.false_positives),
        *(("innocent_explanations", text) for text in file.innocent_explanations),
    ]  # fmt: skip
    for field, text in texts:
        if is_placeholder(text):
            yield Finding(problems.PLACEHOLDER_TEXT, field, f"`{text[:20]}`")


def is_placeholder(text: str) -> bool:
    """Tell whether a text only stands for one that is still to be written."""
    return "".join(sign for sign in text.casefold() if sign.isalnum()) in PLACEHOLDERS


def _accusing(draft: Draft) -> Iterator[Finding]:
    for field, text in (("title", draft.file.title), ("reason", draft.file.reason)):
        word = ACCUSING_WORDS.search(text)
        if word is not None:
            yield Finding(problems.ACCUSING, field, f"`{word.group()}`")


# --------------------------------------------------------------------------- every file that is answered for


def overdue(file: Signed, today: date | None) -> Iterator[Finding]:
    """Name a file past its review date."""
    if today is not None and file.review_by < today:
        yield Finding(problems.REVIEW_OVERDUE, "review_by", f"a review that was due on {file.review_by}")


def review_order(file: Signed) -> Iterator[Finding]:
    """Name a file whose review comes before it takes effect."""
    if file.review_by <= file.effective_from:
        yield Finding(problems.REVIEW_BEFORE_START, "review_by", problems.REVIEW_BEFORE_START.title)


def self_approved(file: Signed | ExceptionFile) -> Iterator[Finding]:
    """Name a file whose approver is its author."""
    if file.approver is not None and same_person(file.approver, file.owner):
        yield Finding(problems.SELF_APPROVED, "approver", problems.SELF_APPROVED.title)


def same_person(one: str, other: str) -> bool:
    """Tell whether two names are the same but for case, accents, signs and the order of their words."""
    return _words(one) == _words(other)


def _words(name: str) -> list[str]:
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(sign))
    return sorted(re.findall(r"[^\W_]+", plain))


# --------------------------------------------------------------------------- the table of lints

LINTS: Final[tuple[Lint, ...]] = (
    Lint("wrong-place", problems.WRONG_PLACE,
         "A reader who knows a rule's id has to find its file without searching.", _place),
    Lint("no-citation", problems.NO_CITATION,
         "A rule that nobody else has written about is an opinion; an auditor asks where it comes from.", _citation),
    Lint("test-missing", problems.TEST_MISSING,
         "A rule proves by its own tests that it can hit, not hit, and say that it does not know.", _tests),
    Lint("boundary-untested", problems.BOUNDARY_UNTESTED,
         "Whether the threshold itself hits is the commonest mistake and the first question of a reviewer.",
         _boundaries, suppressible=True),
    Lint("part-untested", problems.PART_UNTESTED,
         "A part that no test depends on may be wrong without anybody noticing.", _parts_tested, suppressible=True),
    Lint("test-impossible", problems.TEST_IMPOSSIBLE,
         "A test on values that no account can have proves nothing; often a share was written in percent.",
         _tests_possible),
    Lint("test-foreign", problems.TEST_FOREIGN,
         "A value that the condition does not read is mostly a misspelt name, and the test says less than it seems.",
         _tests_own),
    Lint("test-twice", problems.TEST_TWICE, "A second test with the same values adds nothing but length.",
         _tests_differ),
    Lint("review-overdue", problems.REVIEW_OVERDUE,
         "Ways of hiding change; a rule nobody has looked at for a year is a habit.", _overdue, suppressible=True),
    Lint("review-before-start", problems.REVIEW_BEFORE_START,
         "A review before the rule takes effect reviews nothing.", _review_order),
    Lint("self-approved", problems.SELF_APPROVED,
         "Whoever writes a rule does not see its mistakes; supervisors expect a second pair of eyes.", _approval),
    Lint("requires-differ", problems.REQUIRES_DIFFER,
         "`requires` is what data suppliers read; it has to be what the condition reads.", _requires),
    Lint("reason-template", problems.REASON_TEMPLATE,
         "The reason is shown with the values put in; a placeholder nobody fills would stand there as it is.", _reason),
    Lint("reason-silent", problems.REASON_SILENT,
         "An analyst weighs values, not the name of a rule.", _silent, suppressible=True),
    Lint("too-wide", problems.TOO_WIDE,
         "The other promises are tried on every case; what is too wide for that could hide any of them.", _width),
    Lint("outcome-fixed", problems.OUTCOME_FIXED,
         "A rule that hits everywhere or nowhere tells nobody apart.", _fixed),
    Lint("part-idle", problems.PART_IDLE,
         "A part without effect misleads the reader about what the rule asks; mostly its number is wrong.",
         _idle, suppressible=True),
    Lint("category-alone", problems.CATEGORY_ALONE,
         "Whole categories of merchants or countries are never suspect; only behaviour is, and missing data is none.",
         _category),
    Lint("adult-category", problems.ADULT_CATEGORY,
         "Lawful adult trade is no indicator; rules that single it out have cost honest merchants their accounts.",
         _adult),
    Lint("gate-reads-behaviour", problems.GATE_READS_BEHAVIOUR,
         "A gate states a link to a referred domain. Behaviour alone opens no case.", _gate),
    Lint("gate-without-link", problems.GATE_WITHOUT_LINK,
         "A gate that hits where nothing is linked would open cases on the absence of evidence.", _gate_needs_link),
    Lint("rank-reads-links", problems.RANK_READS_LINKS,
         "Links have their weight in evidence.yml; a ranking rule on a link would count it twice.", _rank),
    Lint("indicator-unknown", problems.INDICATOR_UNKNOWN,
         "Coverage is counted by indicators; a rule outside the catalogue would not be counted.", _indicators_known),
    Lint("indicator-excluded", problems.INDICATOR_EXCLUDED,
         "Some signs cannot be seen in this data or must not be used; the catalogue says why.", _indicators_excluded),
    Lint("condition-twice", problems.CONDITION_TWICE,
         "Two rules with one condition count one behaviour twice.", _twin, suppressible=True),
    Lint("placeholder-text", problems.PLACEHOLDER_TEXT,
         "A field that was only filled to get past the check is an empty field.", _placeholders),
    Lint("accusing-words", problems.ACCUSING,
         "Output says what was seen and is for review; a title that accuses has judged before anybody looked.",
         _accusing),
    Lint("tier-forgeable", problems.TIER_FORGEABLE,
         "Whoever wants to harm a competitor can set what anyone can set; that never suffices for T1."),
    Lint("tier-order", problems.TIER_ORDER,
         "The first condition that holds places the account, so the strictest tier comes first."),
    Lint("exception-gate", problems.EXCEPTION_GATE,
         "An exception may quiet a behaviour that is explained; it never hides a link to a referred domain."),
    Lint("exception-rule", problems.EXCEPTION_RULE,
         "An exception from a rule that is not there hides a mistake in writing, or protects nobody."),
    Lint("exception-long", problems.EXCEPTION_LONG,
         "What was explained once has to be looked at again; an exception without end is a hole."),
    Lint("exception-dates", problems.EXCEPTION_DATES, "Such an exception would never apply."),
    Lint("exception-kind", problems.EXCEPTION_KIND, "Such an exception would never apply."),
    Lint("suppression-unknown", problems.SUPPRESSION_UNKNOWN, "A mistyped name would suppress nothing, unseen."),
    Lint("suppression-refused", problems.SUPPRESSION_REFUSED,
         "Some promises hold for every rule, whatever the reason."),
    Lint("suppression-expired", problems.SUPPRESSION_EXPIRED, "A reason given for a time is not a reason for ever."),
    Lint("suppression-long", problems.SUPPRESSION_LONG,
         "The review of a rule is where its suppressions are looked at; none may outlast it."),
    Lint("suppression-unused", problems.SUPPRESSION_UNUSED,
         "A suppression that is no longer needed would hide the next mistake."),
)  # fmt: skip
"""Every promise, in the order of the documentation."""

LINT_NAMES: Final[Mapping[str, str]] = {lint.kind.code: lint.name for lint in LINTS}
"""Name of the lint by problem code."""
_BY_NAME: Final[Mapping[str, Lint]] = {lint.name: lint for lint in LINTS}


def lint(draft: Draft) -> list[Finding]:
    """Run every lint on one rule, its suppressions applied and checked."""
    tried = _tried(draft)
    found = [(entry.name, finding) for entry in LINTS if entry.check is not None for finding in entry.check(tried)]
    valid = {entry.lint for entry in draft.file.suppress if _suppresses(entry.lint)}
    spoke = {name for name, _ in found}
    return [finding for name, finding in found if name not in valid] + list(_suppressions(draft, spoke))


def _tried(draft: Draft) -> Draft:
    """Try the condition for all lints: on all values that it tells apart, and on the tests of the rule."""
    if draft.condition is None:
        return draft
    probe, leaves = probing.probe(draft.condition), list(probing.leaves_of(draft.condition.tree))
    near = [(leaf, other) for leaf in leaves for other in _neighbours(leaf)]
    held = [(leaf, exp.Boolean(this=value)) for leaf in leaves for value in (True, False)]
    noticed = _noticed(draft.file.tests, draft.condition, [*near, *held])
    moved = tuple((*change, seen) for change, seen in zip(near, noticed, strict=False))
    always, never = noticed[len(near) :: 2], noticed[len(near) + 1 :: 2]
    fixed = None if probe is None else _fixed_outcome(probe)
    return replace(draft, probe=probe, moved=moved, parts=tuple(zip(leaves, always, never, strict=True)), fixed=fixed)


def _noticed(
    tests: Iterable[CaseEntry], condition: CompiledCondition, changes: Sequence[tuple[exp.Expr, exp.Expr]]
) -> list[bool]:
    """Tell, per change of one part, whether any of the rule's tests would come out differently."""
    rows = [row for case in tests if (row := _row(case, condition)) is not None]
    changed = (probing.Changed(condition.tree, leaf, new) for leaf, new in changes)
    as_it_is, *held = probing.outcomes([condition.tree, *changed], probing.rows_of(condition, rows))
    return [not other.equals(as_it_is) for other in held]


def _suppresses(name: str) -> bool:
    return name in _BY_NAME and _BY_NAME[name].suppressible


def _suppressions(draft: Draft, spoke: set[str]) -> Iterator[Finding]:
    """Check the suppressions themselves; `review-overdue` may wait for its day, all others have to be needed."""
    for place, entry in enumerate(draft.file.suppress):
        is_early = entry.lint == "review-overdue" and draft.today is None
        latest = draft.file.review_by + (LONGEST_DELAY if entry.lint == "review-overdue" else timedelta())
        if entry.lint not in _BY_NAME:
            yield Finding(problems.SUPPRESSION_UNKNOWN, "suppress", f"a suppression of `{entry.lint}`")
        elif not _suppresses(entry.lint):
            yield Finding(problems.SUPPRESSION_REFUSED, "suppress", f"a suppression of {entry.lint}")
        elif draft.today is not None and entry.until < draft.today:
            yield Finding(problems.SUPPRESSION_EXPIRED, "suppress", f"a suppression that ended on {entry.until}")
        elif entry.until > latest:
            yield Finding(problems.SUPPRESSION_LONG, "suppress", f"a suppression until {entry.until}")
        elif entry.lint in {earlier.lint for earlier in draft.file.suppress[:place]}:
            yield Finding(problems.SUPPRESSION_UNUSED, "suppress", f"a second suppression of {entry.lint}")
        elif entry.lint not in spoke and not is_early:
            yield Finding(problems.SUPPRESSION_UNUSED, "suppress", f"a suppression of {entry.lint} that is not needed")


# --------------------------------------------------------------------------- exceptions


def lint_exception(file: ExceptionFile, path: str, rules: Mapping[str, RuleFile]) -> Iterator[Finding]:
    """Check one exception against the rules of its folder."""
    if path != f"exceptions/{file.id}.yml":
        yield Finding(problems.WRONG_PLACE, "id", f"an exception that belongs at exceptions/{file.id}.yml")
    yield from self_approved(file)
    for name in file.rules:
        rule = rules.get(name)
        if rule is None or rule.status is RuleStatus.RETIRED:
            yield Finding(problems.EXCEPTION_RULE, "rules", f"`{name}`, which is not in use")
        elif rule.role is RuleRole.GATE:
            yield Finding(problems.EXCEPTION_GATE, "rules", f"`{name}`, which states a link")
    days = (file.expires_on - file.effective_from).days
    if days <= 0:
        yield Finding(problems.EXCEPTION_DATES, "expires_on", problems.EXCEPTION_DATES.title)
    if days > LONGEST_EXCEPTION_DAYS:
        yield Finding(problems.EXCEPTION_LONG, "expires_on", f"an exception for {days} days")
    if file.identifier is not None and file.identifier.kind not in _SHARED_KINDS:
        yield Finding(problems.EXCEPTION_KIND, "identifier", f"`{file.identifier.kind}`")


# --------------------------------------------------------------------------- tiers


def tier_forgeable(condition: CompiledCondition) -> bool:
    """Tell whether a condition for T1 can hold for a link that anyone could have forged.

    That is: in some case in which every direct link is forgeable and no hotline saw the merchant id.
    """
    probe = probing.probe(condition)
    if probe is None:
        return True
    worst = {"direct_forgeable": True, "clue_merchant_id": False}
    is_worst = [pl.col(name) == worst[name] for name in probe.frame.columns if name in worst]
    return bool(probe.frame.with_columns(held=probe.held).filter(*is_worst, pl.col("held")).height)
