"""What a policy has to show on some data: a YAML file of expectations, checked against a result.

    unexpected: warn                       # accounts that enter a tier and that nothing here names
    expectations:
      - name: the known shop is found
        account: 400001/M1
        tier: T1
      - name: few accounts for one price
        rule: few-price-points
        outcome: hit
        accounts: {at_most: 20}

Rules kept here:
* an expectation about a rule or account that is not there is an error, never met and never passed over;
* what an account without evidence shows is `absent`, and no outcome of any rule;
* a draft can be expected to hit: it is evaluated beside the run.

Source: rsigma's `rule backtest` and its expectations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Self

import polars as pl
from pydantic import StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from merchantscreen.backtest import problems
from merchantscreen.backtest.comparison import Change, Comparison
from merchantscreen.backtest.lines import ABSENT, outcomes_of
from merchantscreen.errors import InputError, Problem, ProblemKind
from merchantscreen.policy import problems as policy_problems
from merchantscreen.policy import yamlfiles, yamltree
from merchantscreen.policy.fileschema import Count, FileModel, Slug, Text
from merchantscreen.policy.model import Policy
from merchantscreen.screening import ScreenResult
from merchantscreen.vocabulary import RuleOutcome, RuleStatus, Tier

_FORM_PROBLEMS: Final[Mapping[str, ProblemKind]] = {
    "extra_forbidden": policy_problems.FIELD_UNKNOWN,
    "missing": policy_problems.FIELD_MISSING,
}
_NOT_RANKED: Final = "no outcome (the account holds no evidence)"


class Place(StrEnum):
    """Where an account is expected: a tier, on watch, or nowhere in the ranking."""

    T1 = Tier.T1.value
    T2 = Tier.T2.value
    T3 = Tier.T3.value
    WATCH = Tier.WATCH.value
    ABSENT = ABSENT


class Unexpected(StrEnum):
    """What to do about accounts that enter a tier and that no expectation names."""

    FAIL = "fail"
    WARN = "warn"
    IGNORE = "ignore"


class Bounds(FileModel):
    """How many accounts are expected."""

    at_least: Count | None = None
    at_most: Count | None = None
    exactly: Count | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if (self.exactly is None) == (self.at_least is None and self.at_most is None):
            raise PydanticCustomError("bounds", "either `exactly`, or `at_least` and `at_most`, is expected")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise PydanticCustomError("bounds", "`at_least` up to `at_most` is expected")
        return self

    def hold(self, count: int) -> bool:
        """Tell whether a count is within them."""
        wanted = self.exactly is None or count == self.exactly
        return wanted and (self.at_least or 0) <= count and (self.at_most is None or count <= self.at_most)

    def __str__(self) -> str:
        stated = (("exactly", self.exactly), ("at least", self.at_least), ("at most", self.at_most))
        return " and ".join(f"{name} {number:,}" for name, number in stated if number is not None)


class Expectation(FileModel):
    """One thing a result has to show: of one account, or of a number of accounts."""

    name: Text
    account: Annotated[str, StringConstraints(min_length=1, max_length=400)] | None = None
    tier: Place | None = None
    rule: Slug | None = None
    outcome: RuleOutcome | None = None
    accounts: Bounds | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.account is None) == (self.accounts is None):
            raise PydanticCustomError("subject", "either `account` or `accounts` is expected, and not both")
        if (self.rule is None) != (self.outcome is None):
            raise PydanticCustomError("rule", "`rule` and `outcome` are expected together")
        if self.tier is None and self.rule is None:
            raise PydanticCustomError("nothing", "`tier`, or `rule` with `outcome`, is expected")
        return self


class ExpectationsFile(FileModel):
    """A file of expectations."""

    unexpected: Unexpected = Unexpected.WARN
    expectations: tuple[Expectation, ...]

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.expectations:
            raise PydanticCustomError("empty", "at least one expectation is expected; anything would meet none")
        return self


@dataclass(frozen=True, slots=True)
class Checked:
    """An expectation and what became of it.

    Attributes:
        name: Its name.
        subject: The account or rule it is about.
        failure: What was found instead; None where it is met.
        is_warning: Whether a failure only warns.
    """

    name: str
    subject: str
    failure: str | None
    is_warning: bool = False

    @property
    def fails(self) -> bool:
        """Tell whether a run with it has failed."""
        return self.failure is not None and not self.is_warning


# --------------------------------------------------------------------------- the file


def read_expectations(name: str, data: bytes) -> ExpectationsFile:
    """Read a file of expectations.

    Raises:
        InputError: It cannot be used; carries every problem with its line.
    """
    tree, found = yamlfiles.read_yaml(name, data)
    if tree is None or found:
        raise InputError("the expectations cannot be used", tuple(found))
    try:
        form = ExpectationsFile.model_validate(yamlfiles.plain_value(tree))
    except ValidationError as error:
        details = error.errors(include_url=False)
        listed = tuple(_form_problem(name, tree, one["loc"], one["type"], one["msg"]) for one in details)
        raise InputError("the expectations cannot be used", listed) from error
    names = [one.name for one in form.expectations]
    twice = [place for place, one in enumerate(names) if one in names[:place]]
    if twice:
        listed = tuple(_problem(name, tree, problems.NAME_TWICE, ("expectations", place, "name")) for place in twice)
        raise InputError("the expectations cannot be used", listed)
    return form


def _form_problem(name: str, tree: yamltree.Mapping, path: Sequence[str | int], kind: str, message: str) -> Problem:
    known = _FORM_PROBLEMS.get(kind, policy_problems.VALUE_WRONG)
    found = f"{known.title}: {message}" if known is policy_problems.VALUE_WRONG else None
    return _problem(name, tree, known, path, found)


def _problem(
    name: str, tree: yamltree.Mapping, kind: ProblemKind, path: Sequence[str | int], found: str | None = None
) -> Problem:
    place = yamlfiles.place_of(tree, path)
    return kind.at(name, place.line, ".".join(str(step) for step in path), found=found, position=place.column)


# --------------------------------------------------------------------------- the check


def check(
    file: ExpectationsFile, policy: Policy, result: ScreenResult, comparison: Comparison, accounts: frozenset[str]
) -> tuple[Checked, ...]:
    """Check every expectation.

    Args:
        file: What is expected.
        policy: The policy the result is of.
        result: What the policy gave.
        comparison: Names the accounts that entered a tier.
        accounts: Every account that was read, with evidence or without.

    Returns:
        The expectations in file order, then the accounts nobody expected.

    Raises:
        InputError: An expectation names a rule or an account that is not there.
    """
    unknown = tuple(_unknown(file, policy, accounts))
    if unknown:
        raise InputError("expectations about what is not there", unknown)
    held = _Held(result, len(accounts))
    checked = [Checked(one.name, one.account or one.rule or str(one.tier), _failure(one, held))
               for one in file.expectations]  # fmt: skip
    return (*checked, *_unexpected(file, comparison))


def _unknown(file: ExpectationsFile, policy: Policy, accounts: frozenset[str]) -> Iterator[Problem]:
    rules = {rule.id for rule in policy.rules if rule.status is not RuleStatus.RETIRED}
    for one in file.expectations:
        if one.rule is not None and one.rule not in rules:
            yield problems.RULE_UNKNOWN.at("expectations", None, one.name, found=f"the rule {one.rule}")
        if one.account is not None and one.account not in accounts:
            yield problems.ACCOUNT_UNKNOWN.at("expectations", None, one.name, found=f"the account {one.account}")


class _Held:
    """What a result shows: the place of each account, and the outcome of each rule for it."""

    def __init__(self, result: ScreenResult, account_count: int) -> None:
        self.places: dict[str, str] = dict(result.ranking.select("account_id", "tier").iter_rows())
        self.account_count = account_count
        self._outcomes = outcomes_of(result).select("rule_id", "account_id", "outcome")

    def outcomes(self, rule: str) -> dict[str, str]:
        """Return the outcome of a rule by account, of those with evidence."""
        rows = self._outcomes.filter(pl.col("rule_id") == rule)
        return dict(rows.select("account_id", "outcome").iter_rows())

    def count(self, one: Expectation) -> int:
        """Count the accounts that show what is expected."""
        outcomes = self.outcomes(one.rule) if one.rule else None
        if one.tier is Place.ABSENT:
            return 0 if outcomes is not None else self.account_count - len(self.places)
        return sum(
            (one.tier is None or tier == one.tier) and (outcomes is None or outcomes.get(account) == one.outcome)
            for account, tier in self.places.items()
        )


def _failure(one: Expectation, held: _Held) -> str | None:
    """Say what was found instead of what was expected; None where it is met."""
    if one.accounts is not None:
        count = held.count(one)
        wanted = one.accounts
        return None if wanted.hold(count) else f"expected {wanted} accounts with {_wanted(one)}, found {count:,}"
    found = []
    place = held.places.get(str(one.account), ABSENT)
    if one.tier is not None and place != one.tier:
        found.append(f"expected tier {one.tier}, found {place}")
    if one.rule is not None:
        outcome = held.outcomes(one.rule).get(str(one.account), _NOT_RANKED)
        if outcome != one.outcome:
            found.append(f"expected {one.outcome} of {one.rule}, found {outcome}")
    return "; ".join(found) or None


def _wanted(one: Expectation) -> str:
    parts = [f"tier {one.tier}" if one.tier else "", f"{one.outcome} of {one.rule}" if one.rule else ""]
    return " and ".join(part for part in parts if part)


def _unexpected(file: ExpectationsFile, comparison: Comparison) -> Iterator[Checked]:
    """Name the accounts that enter a tier although no expectation names them."""
    if file.unexpected is Unexpected.IGNORE:
        return
    named = {one.account for one in file.expectations}
    entered = comparison.moves.filter(pl.col("change") == Change.ENTERED)
    for account, before, after in entered.select("account_id", "tier_before", "tier_after").iter_rows():
        if account not in named:
            failure = f"enters {after} from {before}, and no expectation names it"
            yield Checked("an unexpected account", account, failure, file.unexpected is Unexpected.WARN)
