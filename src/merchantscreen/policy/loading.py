"""A rule folder -> a compiled policy, or every problem of every file at once.

Which files make up a folder is in folder.py, their form in fileschema.py, what they promise
in lints.py. Here they are read, compiled and checked against each other.

The digests are over what files mean, typed and in canonical JSON: comments, layout,
`0.950` for `0.95` and the letter case of SQL words leave no trace in them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError

from merchantscreen.errors import PolicyError, Problem, ProblemKind
from merchantscreen.features import FACT_TYPES, FEATURE_TYPES
from merchantscreen.identifiers import KINDS
from merchantscreen.policy import building, folder, lints, problems, yamlfiles
from merchantscreen.policy import fileschema as schema
from merchantscreen.policy.language import CompiledCondition, ConditionError, compile_condition
from merchantscreen.policy.model import (
    Document,
    EvidenceModel,
    Indicator,
    Measures,
    Policy,
    Rule,
    RuleCase,
    RuleException,
    TierCondition,
)
from merchantscreen.policy.yamltree import Mapping as YamlMapping
from merchantscreen.vocabulary import EvidenceFamily, HostMatch, Level, ListingClass, RuleStatus, Tier

FORM_PROBLEMS: Final[dict[str, ProblemKind]] = {
    "extra_forbidden": problems.FIELD_UNKNOWN,
    "missing": problems.FIELD_MISSING,
    "too_many_decimals": problems.TOO_MANY_DECIMALS,
}
DIGEST_SCHEMA: Final = "merchantscreen-policy/2"
"""Version of what the digests are over; part of them, so that digests of two versions never look alike."""

Form = TypeVar("Form", bound=schema.FileModel)


def load_policy(source: Path | Traversable | None = None, *, today: date | None = None) -> Policy:
    """Load and check a rule folder.

    Args:
        source: The folder; None for the policy that is built in.
        today: Where given, rules past their review date are refused.

    Raises:
        PolicyError: Anything is wrong; carries all problems of all files.
        FileAccessError: A file cannot be read.
    """
    files, found = folder.read_files(folder.default_folder() if source is None else source)
    return _load(files, found, today)


def load_files(files: Mapping[str, bytes], *, today: date | None = None) -> Policy:
    """Load and check the files of a rule folder that was read before, such as a run's copy.

    Raises:
        PolicyError: Anything is wrong; carries all problems of all files.
    """
    return _load(dict(files), [], today)


def _load(files: dict[str, bytes], found: list[Problem], today: date | None) -> Policy:
    loader = _Loader(files, [*found, *folder.missing_files(files)], today)
    policy = loader.load()
    if policy is None or loader.problems:
        count = len(loader.problems)
        message = f"The rule folder cannot be used: {count} problem{'s' if count != 1 else ''}."
        raise PolicyError(message, tuple(sorted(loader.problems, key=_order)))
    return policy


def _order(problem: Problem) -> tuple[str, int, int, str, str]:
    return (problem.where, problem.line or 0, problem.position or 0, problem.code, problem.found)


# --------------------------------------------------------------------------- one file

_remembered: Final = lru_cache(maxsize=512)(yamlfiles.read_yaml)
"""Parsing is most of the work, and comparing two policies reads mostly the same files; trees are never changed."""
_REMEMBERED_BYTES: Final = 64 * 1024


def _parsed(name: str, data: bytes) -> tuple[YamlMapping | None, list[Problem]]:
    """Read a file, and remember it unless it is large."""
    return (_remembered if len(data) <= _REMEMBERED_BYTES else yamlfiles.read_yaml)(name, data)


_compiled_rule: Final = lru_cache(maxsize=512)(partial(compile_condition, catalogue=FEATURE_TYPES))
_compiled_tier: Final = lru_cache(maxsize=64)(partial(compile_condition, catalogue=FACT_TYPES))
"""A condition follows from its text alone and is never changed."""


@dataclass(frozen=True, slots=True)
class _Linted:
    """A rule for the lints, known by all that its findings follow from: the bytes of two files, a day and a twin."""

    name: str
    rule: bytes
    indicators: bytes | None
    today: date | None
    twin: str | None
    draft: lints.Draft = field(compare=False)


@lru_cache(maxsize=512)
def _findings(linted: _Linted) -> tuple[lints.Finding, ...]:
    """Lint a rule once: a screening meets the rules it began with again in the run that it reports on."""
    return tuple(lints.lint(linted.draft))


@dataclass(frozen=True, slots=True)
class _File(Generic[Form]):
    """A file as read: its tree for places, its typed form where the form is right."""

    name: str
    tree: YamlMapping
    form: Form


@dataclass(slots=True)
class _Loader:
    """Loads all files and gathers the problems of all of them."""

    files: Mapping[str, bytes]
    problems: list[Problem]
    today: date | None
    documents: dict[str, Document] = field(default_factory=dict)

    def load(self) -> Policy | None:
        """Build the policy, or None where a file could not be understood."""
        evidence = self._evidence()
        measures = self._measures()
        indicators = self._indicators()
        tiers = self._tiers()
        rules, forms = self._rules(indicators)
        exceptions = self._exceptions(forms)
        caution = self._signed(folder.CAUTION, schema.CautionFile)
        mail = self._signed(folder.FREE_MAIL, schema.FreeMailFile)
        if evidence is None or measures is None or caution is None or mail is None:
            return None
        self._keep(caution.name, caution.form, _pairs(caution.form))
        self._keep(mail.name, mail.form, sorted(set(mail.form.domains)))
        return Policy(
            evidence=evidence,
            measures=measures,
            tiers=tuple(tiers),
            rules=tuple(rules),
            caution_hosts=building.caution_hosts(caution.form),
            free_mail_domains=frozenset(mail.form.domains),
            indicators=tuple((indicators or {}).values()),
            exceptions=tuple(exceptions),
            documents=dict(sorted(self.documents.items())),
            files=dict(sorted(self.files.items())),
            digest=_digest({name: document.digest for name, document in self.documents.items()}),
        )

    def _read(self, name: str, form: type[Form]) -> _File[Form] | None:
        """Read one file into its form."""
        if name not in self.files:
            return None
        tree, found = _parsed(name, self.files[name])
        self.problems += found
        if tree is None or found:
            return None
        try:
            return _File(name, tree, form.model_validate(yamlfiles.plain_value(tree)))
        except ValidationError as error:
            self.problems += [_form_problem(name, tree, dict(detail)) for detail in error.errors(include_url=False)]
            return None

    def _signed(self, name: str, form: type[Form]) -> _File[Form] | None:
        """Read a file of the top of the folder, and check what it says about itself."""
        file = self._read(name, form)
        if file is not None and isinstance(file.form, schema.Signed):
            self._note_all(file, lints.overdue(file.form, self.today))
            self._note_all(file, lints.review_order(file.form))
            self._note_all(file, lints.self_approved(file.form))
        return file

    def _note(self, file: _File[Any], kind: ProblemKind, path: Sequence[str | int], found: str | None = None) -> None:
        place = yamlfiles.place_of(file.tree, path)
        named = _named(kind, found or kind.title)
        self.problems.append(kind.at(file.name, place.line, _field_name(path), found=named, position=place.column))

    def _note_all(self, file: _File[Any], findings: Iterable[lints.Finding]) -> None:
        for finding in findings:
            self._note(file, finding.kind, [finding.field], finding.found)

    def _keep(self, name: str, form: Any, meaning: object) -> None:
        """Remember a file as a document: the header it was read with, and what it says."""
        review_by = form.expires_on if isinstance(form, schema.ExceptionFile) else form.review_by
        header = {
            "version": form.version, "owner": form.owner, "approver": form.approver,
            "effective_from": form.effective_from, "review_by": review_by,
        }  # fmt: skip
        digest = _digest({"header": {key: str(value) for key, value in header.items()}, "meaning": meaning})
        self.documents[name] = Document(
            name=name, **header, meaning=meaning, digest=digest, bytes_digest=_sha256(self.files[name])
        )

    # ------------------------------------------------------------------ evidence.yml

    def _evidence(self) -> EvidenceModel | None:
        file = self._signed(folder.EVIDENCE, schema.EvidenceFile)
        if file is None:
            return None
        form = file.form
        self._check_complete(file, "match_factors", set(form.match_factors), set(HostMatch))
        self._check_complete(file, "typology_strengths", set(form.typology_strengths), set(Level))
        self._check_exponents(file)
        self._check_kinds(file)
        self._keep(file.name, form, _content(form))
        return building.evidence_model(form)

    def _check_complete(self, file: _File[Any], path: str, have: set[Any], wanted: set[Any]) -> None:
        for missing in sorted(wanted - have):
            self._note(file, problems.FIELD_MISSING, [path], f"no entry for {missing}")

    def _check_exponents(self, file: _File[schema.EvidenceFile]) -> None:
        listed = {name: Decimal(entry.value) / 10**9 for name, entry in file.form.fixed_exponents.items()}
        if listed != {name: Decimal(value) for name, value in schema.FIXED_EXPONENTS.items()}:
            self._note(file, problems.FIXED_DIFFERS, ["fixed_exponents"])

    def _check_kinds(self, file: _File[schema.EvidenceFile]) -> None:
        kinds = file.form.kinds
        for name in sorted(set(kinds) ^ {kind.name for kind in KINDS}):
            what = "an unknown kind" if name in kinds else "no entry for the kind"
            self._note(file, problems.KINDS_DIFFER, ["kinds", name], f"{what} {name}")
        for kind in KINDS:
            entry = kinds.get(kind.name)
            is_identifier = kind.family is EvidenceFamily.IDENTIFIER
            if entry is not None and {entry.base_rate is not None, entry.kappa is not None} != {is_identifier}:
                found = "base_rate and kappa belong to identifiers, and to all of them"
                self._note(file, problems.VALUE_WRONG, ["kinds", kind.name], found)

    # ------------------------------------------------------------------ numbers inside features

    def _measures(self) -> Measures | None:
        measures = self._signed(folder.MEASURES, schema.MeasuresFile)
        clocks = self._signed(folder.CLOCKS, schema.ClocksFile)
        listings = self._signed(folder.LISTINGS, schema.ListingCodesFile)
        if measures is None or clocks is None or listings is None:
            return None
        self._check_listings(listings)
        for file in (measures, clocks, listings):
            self._keep(file.name, file.form, _content(file.form))
        return building.measures(measures.form, clocks.form, listings.form)

    def _check_listings(self, file: _File[schema.ListingCodesFile]) -> None:
        classes = [entry.class_ for entry in file.form.classes]
        codes = [code.code for entry in file.form.classes for code in entry.codes]
        named = [str(name) for name in classes] + codes
        twice = {name for name in named if named.count(name) > 1}
        for name in sorted(twice):
            self._note(file, problems.CODE_TWICE, ["classes"], f"`{name}` a second time")
        self._check_complete(file, "classes", set(classes), set(ListingClass))

    # ------------------------------------------------------------------ indicators.yml

    def _indicators(self) -> dict[str, Indicator] | None:
        file = self._signed(folder.INDICATORS, schema.IndicatorsFile)
        if file is None:
            return None
        self._check_ids(file, "indicators", [entry.id for entry in file.form.indicators])
        self._keep(file.name, file.form, _content(file.form))
        return {entry.id: entry for entry in building.indicators(file.form)}

    def _check_ids(self, file: _File[Any], path: str, ids: Sequence[str]) -> None:
        for position, name in enumerate(ids):
            if name in ids[:position]:
                self._note(file, problems.DUPLICATE_ID, [path, position, "id"], f"`{name}` a second time")

    # ------------------------------------------------------------------ tiers.yml

    def _tiers(self) -> list[TierCondition]:
        file = self._signed(folder.TIERS, schema.TiersFile)
        if file is None:
            return []
        entries = file.form.tiers
        tiers = [str(entry.tier) for entry in entries]
        if tiers != sorted(tiers):
            self._note(file, problems.TIER_ORDER, ["tiers"])
        self._check_ids(file, "tiers", [entry.id for entry in entries])
        pairs = [(entry, self._tier(file, position, entry)) for position, entry in enumerate(entries)]
        understood = [(entry, condition) for entry, condition in pairs if condition is not None]
        said = [{**_content(entry), "when": json.loads(condition.canonical)} for entry, condition in understood]
        self._keep(file.name, file.form, said)
        return [building.tier(entry, condition) for entry, condition in understood]

    def _tier(self, file: _File[schema.TiersFile], position: int, entry: schema.TierEntry) -> CompiledCondition | None:
        path: list[str | int] = ["tiers", position, "when"]
        condition = self._condition(file, path, entry.when, _compiled_tier)
        if condition is not None and entry.tier is Tier.T1 and lints.tier_forgeable(condition):
            self._note(file, problems.TIER_FORGEABLE, path)
        return condition

    # ------------------------------------------------------------------ rules

    def _rules(self, indicators: Mapping[str, Indicator] | None) -> tuple[list[Rule], dict[str, schema.RuleFile]]:
        names = [name for name in sorted(self.files) if folder.is_rule(name)]
        files = [file for name in names if (file := self._read(name, schema.RuleFile)) is not None]
        self._check_unique(files)
        first: dict[str, str] = {}
        rules = [rule for file in files if (rule := self._rule(file, indicators, first)) is not None]
        if not any(file.form.status is not RuleStatus.RETIRED for file in files) and len(files) == len(names):
            self.problems.append(problems.NO_RULES.at("rules"))
        return rules, {file.form.id: file.form for file in files}

    def _check_unique(self, files: Sequence[_File[Any]]) -> None:
        seen: dict[str, str] = {}
        for file in files:
            first = seen.setdefault(file.form.id, file.name)
            if first != file.name:
                self._note(file, problems.DUPLICATE_ID, ["id"], f"`{file.form.id}`, which {first} has already")

    def _rule(
        self, file: _File[schema.RuleFile], indicators: Mapping[str, Indicator] | None, first: dict[str, str]
    ) -> Rule | None:
        """Check and compile one rule; `first` remembers which rule brought a condition first."""
        form = file.form
        condition = self._condition(file, ["when"], form.when, _compiled_rule)
        owner = form.id if condition is None else first.setdefault(condition.canonical, form.id)
        twin = None if owner == form.id else owner
        draft = lints.Draft(file.name, form, condition, self.today, indicators, twin)
        data = self.files[file.name], self.files.get(folder.INDICATORS)
        self._note_all(file, _findings(_Linted(file.name, *data, self.today, twin, draft)))
        cases = tuple(self._case(file, position, case) for position, case in enumerate(form.tests))
        if condition is None:
            return None
        self._keep(file.name, form, {**_content(form), "when": json.loads(condition.canonical)})
        return building.rule(form, condition, cases, file.name)

    def _condition(
        self, file: _File[Any], path: Sequence[str | int], text: str, compiled: Callable[[str], CompiledCondition]
    ) -> CompiledCondition | None:
        try:
            return compiled(text)
        except ConditionError as error:
            for fault in error.faults:
                place = yamlfiles.text_place(file.tree, path, fault.line, fault.column)
                self.problems.append(
                    fault.kind.at(file.name, place.line, _field_name(path), found=fault.found, position=place.column)
                )
            return None

    def _case(self, file: _File[schema.RuleFile], position: int, case: schema.CaseEntry) -> RuleCase:
        given: dict[str, object] = {}
        for name, text in case.given.items():
            path: list[str | int] = ["tests", position, "given", name]
            if name not in FEATURE_TYPES:
                self._note(file, problems.NAME_UNKNOWN, path, f"`{name}`")
                continue
            try:
                given[name] = None if text is None else building.typed(text, FEATURE_TYPES[name])
            except ValueError:
                self._note(file, problems.TEST_VALUE, path, f"a value that is not of type {FEATURE_TYPES[name]}")
        return RuleCase(case.name, given, case.expect)

    # ------------------------------------------------------------------ exceptions

    def _exceptions(self, rules: Mapping[str, schema.RuleFile]) -> list[RuleException]:
        names = [name for name in sorted(self.files) if folder.is_exception(name)]
        files = [file for name in names if (file := self._read(name, schema.ExceptionFile)) is not None]
        self._check_unique(files)
        for file in files:
            self._note_all(file, lints.lint_exception(file.form, file.name, rules))
            self._keep(file.name, file.form, _content(file.form))
        return [building.rule_exception(file.form, file.name) for file in files]


# --------------------------------------------------------------------------- problems and digests


def _named(kind: ProblemKind, found: str) -> str:
    """Put the name of the lint before what it found, so that a reader finds its page."""
    name = lints.LINT_NAMES.get(kind.code)
    return found if name is None else f"[{name}] {found}"


def _form_problem(name: str, tree: YamlMapping, detail: dict[str, Any]) -> Problem:
    path = detail["loc"]
    kind = FORM_PROBLEMS.get(detail["type"], problems.VALUE_WRONG)
    found = f"{kind.title}: {detail['msg']}" if kind is problems.VALUE_WRONG else None
    place = yamlfiles.place_of(tree, path)
    return kind.at(name, place.line, _field_name(path), found=found, position=place.column)


def _field_name(path: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in path if step != "[key]")


_HEADER: Final = frozenset(schema.Signed.model_fields)


def _content(form: schema.FileModel) -> dict[str, Any]:
    """Return what a form says beyond its header, as JSON values."""
    said = form.model_dump(mode="json", by_alias=True)
    return {name: value for name, value in said.items() if name not in _HEADER}


def _pairs(form: schema.CautionFile) -> list[list[str]]:
    """Return a caution list as a set: its order says nothing."""
    pairs = {(host, entry.category) for entry in form.categories for host in entry.hosts}
    return [list(pair) for pair in sorted(pairs)]


def _digest(meaning: Mapping[str, object]) -> str:
    stated = {"schema": DIGEST_SCHEMA, **meaning}
    return _sha256(json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii"))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
