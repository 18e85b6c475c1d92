"""A rule folder -> a compiled policy, or every problem of every file at once.

Layout: `evidence.yml`, `tiers.yml`, `caution_hosts.yml`, `free_mail_domains.yml`, and one
folder per typology with a file per rule. Anything else is refused rather than skipped;
only hidden files, Markdown and rules.lock are passed over.

The digest is over what the files mean, typed and in canonical JSON: comments, layout,
`0.950` for `0.95` and the letter case of SQL words leave no trace in it.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from merchantscreen.errors import FileAccessError, PolicyError, Problem, ProblemKind
from merchantscreen.features import FACT_TYPES, FEATURE_TYPES
from merchantscreen.identifiers import KINDS
from merchantscreen.policy import fileschema as schema
from merchantscreen.policy import lints, problems, yamlfiles
from merchantscreen.policy.language import CompiledCondition, ConditionError, compile_condition
from merchantscreen.policy.model import CautionHost, EvidenceModel, KindWeight, Policy, Rule, RuleCase, TierCondition
from merchantscreen.policy.yamlfiles import Mapping as YamlMapping
from merchantscreen.vocabulary import ColumnType, EvidenceFamily, HostMatch, Level, RuleStatus, Tier

EVIDENCE: Final = "evidence.yml"
TIERS: Final = "tiers.yml"
CAUTION: Final = "caution_hosts.yml"
FREE_MAIL: Final = "free_mail_domains.yml"
FORMS: Final[dict[str, type[schema.FileModel]]] = {
    EVIDENCE: schema.EvidenceFile,
    TIERS: schema.TiersFile,
    CAUTION: schema.CautionFile,
    FREE_MAIL: schema.FreeMailFile,
}
PASSED_OVER: Final = (".md", ".lock")
PACKAGED_FOLDER: Final = "default_policy"
FORM_PROBLEMS: Final[dict[str, ProblemKind]] = {
    "extra_forbidden": problems.FIELD_UNKNOWN,
    "missing": problems.FIELD_MISSING,
    "too_many_decimals": problems.TOO_MANY_DECIMALS,
}

Form = TypeVar("Form", bound=BaseModel)


def load_policy(folder: Path | Traversable | None = None, *, today: date | None = None) -> Policy:
    """Load and check a rule folder.

    Args:
        folder: The folder; None for the policy that is built in.
        today: Where given, rules past their review date are refused.

    Raises:
        PolicyError: Anything is wrong; carries all problems of all files.
    """
    files, found = _read_folder(default_folder() if folder is None else folder)
    loader = _Loader(files, found, today)
    policy = loader.load()
    if policy is None or loader.problems:
        count = len(loader.problems)
        message = f"The rule folder cannot be used: {count} problem{'s' if count != 1 else ''}."
        raise PolicyError(message, tuple(sorted(loader.problems, key=_order)))
    return policy


def default_folder() -> Traversable:
    """Return the policy inside the wheel, or the checkout's rules folder where there is no wheel."""
    packaged = importlib.resources.files("merchantscreen") / PACKAGED_FOLDER
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[3] / "rules"


def _order(problem: Problem) -> tuple[str, int, str, str]:
    return (problem.where, problem.line or 0, problem.code, problem.found)


# --------------------------------------------------------------------------- reading the folder


def _read_folder(folder: Path | Traversable) -> tuple[dict[str, bytes], list[Problem]]:
    """Read every policy file, by its name within the folder, and note what does not belong."""
    if not folder.is_dir():
        return {}, [problems.FOLDER_UNREADABLE.at(folder.name, found="no folder of this name")]
    files: dict[str, bytes] = {}
    found: list[Problem] = []
    try:
        for name, entry in _entries(folder):
            if entry is None:
                found.append(problems.FILE_UNEXPECTED.at(name))
            else:
                files[name] = entry.read_bytes()
    except OSError as error:
        raise FileAccessError(f"A file of the rule folder cannot be read: {error.strerror}.") from error
    missing = [problems.FILE_MISSING.at(name) for name in FORMS if name not in files]
    return files, found + missing


def _entries(folder: Path | Traversable) -> Iterator[tuple[str, Traversable | None]]:
    """Walk the folder in order of names; None stands for something that is in the wrong place."""
    for entry in _visible(folder):
        if entry.is_dir():
            for inner in _visible(entry):
                is_rule = not inner.is_dir() and inner.name.endswith(".yml")
                yield f"{entry.name}/{inner.name}", inner if is_rule else None
        else:
            yield entry.name, entry if entry.name in FORMS else None


def _visible(folder: Traversable) -> list[Traversable]:
    entries = [e for e in folder.iterdir() if not e.name.startswith(".") and not e.name.endswith(PASSED_OVER)]
    return sorted(entries, key=lambda entry: entry.name)


# --------------------------------------------------------------------------- one file


@dataclass(frozen=True, slots=True)
class _File:
    """A file as read: its tree for places, its typed form where the form is right."""

    name: str
    tree: YamlMapping
    form: Any


@dataclass(slots=True)
class _Loader:
    """Loads all files and gathers the problems of all of them."""

    files: Mapping[str, bytes]
    problems: list[Problem]
    today: date | None
    forms: dict[str, BaseModel] = field(default_factory=dict)
    canonical: dict[str, object] = field(default_factory=dict)

    def load(self) -> Policy | None:
        """Build the policy, or None where a file could not be understood."""
        evidence = self._evidence()
        tiers = self._tiers()
        rules = self._rules()
        caution = self._file(CAUTION, schema.CautionFile)
        mail = self._file(FREE_MAIL, schema.FreeMailFile)
        if evidence is None or caution is None or mail is None:
            return None
        self._remember_lists(caution.form, mail.form)
        return Policy(
            evidence=evidence,
            tiers=tuple(tiers),
            rules=tuple(rules),
            caution_hosts=_caution_hosts(caution.form),
            free_mail_domains=frozenset(mail.form.domains),
            digest=hashlib.sha256(_canonical_bytes(self.canonical)).hexdigest(),
            file_digests={name: hashlib.sha256(data).hexdigest() for name, data in sorted(self.files.items())},
        )

    def _file(self, name: str, form: type[Form]) -> _File | None:
        """Read one file into its form."""
        if name not in self.files:
            return None
        tree, found = yamlfiles.read_yaml(name, self.files[name])
        self.problems += found
        if tree is None or found:
            return None
        try:
            return _File(name, tree, form.model_validate(yamlfiles.plain_value(tree)))
        except ValidationError as error:
            self.problems += [_form_problem(name, tree, dict(detail)) for detail in error.errors(include_url=False)]
            return None

    def _note(self, file: _File, kind: ProblemKind, path: Sequence[str | int], found: str | None = None) -> None:
        place = yamlfiles.place_of(file.tree, path)
        self.problems.append(kind.at(file.name, place.line, _field_name(path), found=found))

    # ------------------------------------------------------------------ evidence.yml

    def _evidence(self) -> EvidenceModel | None:
        file = self._file(EVIDENCE, schema.EvidenceFile)
        if file is None:
            return None
        form: schema.EvidenceFile = file.form
        self._check_complete(file, "match_factors", set(form.match_factors), set(HostMatch))
        self._check_complete(file, "typology_strengths", set(form.typology_strengths), set(Level))
        self._check_exponents(file, form)
        self._check_kinds(file, form)
        self.canonical[EVIDENCE] = form.model_dump(mode="json")
        return _evidence_model(form)

    def _check_complete(self, file: _File, path: str, have: set[Any], wanted: set[Any]) -> None:
        for missing in sorted(wanted - have):
            self._note(file, problems.FIELD_MISSING, [path], f"no entry for {missing}")

    def _check_exponents(self, file: _File, form: schema.EvidenceFile) -> None:
        listed = {name: Decimal(entry.value) / 10**9 for name, entry in form.fixed_exponents.items()}
        if listed != {name: Decimal(value) for name, value in schema.FIXED_EXPONENTS.items()}:
            self._note(file, problems.FIXED_DIFFERS, ["fixed_exponents"])

    def _check_kinds(self, file: _File, form: schema.EvidenceFile) -> None:
        for name in sorted(set(form.kinds) ^ {kind.name for kind in KINDS}):
            what = "an unknown kind" if name in form.kinds else "no entry for the kind"
            self._note(file, problems.KINDS_DIFFER, ["kinds", name], f"{what} {name}")
        for kind in KINDS:
            entry = form.kinds.get(kind.name)
            is_identifier = kind.family is EvidenceFamily.IDENTIFIER
            if entry is not None and {entry.base_rate is not None, entry.kappa is not None} != {is_identifier}:
                found = "base_rate and kappa belong to identifiers, and to all of them"
                self._note(file, problems.VALUE_WRONG, ["kinds", kind.name], found)

    # ------------------------------------------------------------------ tiers.yml

    def _tiers(self) -> list[TierCondition]:
        file = self._file(TIERS, schema.TiersFile)
        if file is None:
            return []
        entries: tuple[schema.TierEntry, ...] = file.form.tiers
        self._check_tier_order(file, entries)
        compiled = [self._tier(file, position, entry) for position, entry in enumerate(entries)]
        self.canonical[TIERS] = [
            {**entry.model_dump(mode="json"), "when": condition.canonical}
            for entry, condition in zip(entries, compiled, strict=True)
            if condition is not None
        ]
        return [
            TierCondition(entry.tier, entry.id, condition, entry.reason)
            for entry, condition in zip(entries, compiled, strict=True)
            if condition is not None
        ]

    def _check_tier_order(self, file: _File, entries: Sequence[schema.TierEntry]) -> None:
        tiers = [str(entry.tier) for entry in entries]
        if tiers != sorted(tiers):
            self._note(file, problems.TIER_ORDER, ["tiers"])
        ids = [entry.id for entry in entries]
        for position, entry in enumerate(entries):
            if entry.id in ids[:position]:
                self._note(file, problems.DUPLICATE_ID, ["tiers", position, "id"], f"`{entry.id}` a second time")

    def _tier(self, file: _File, position: int, entry: schema.TierEntry) -> CompiledCondition | None:
        path: list[str | int] = ["tiers", position, "when"]
        condition = self._condition(file, path, entry.when, FACT_TYPES)
        guards = {"clue_merchant_id", "direct_forgeable"}
        if condition is not None and entry.tier is Tier.T1 and not guards & condition.names:
            self._note(file, problems.TIER_FORGEABLE, path)
        return condition

    # ------------------------------------------------------------------ rules

    def _rules(self) -> list[Rule]:
        names = [name for name in sorted(self.files) if "/" in name]
        files = [file for name in names if (file := self._file(name, schema.RuleFile)) is not None]
        self._check_unique(files)
        rules = [rule for file in files if (rule := self._rule(file)) is not None]
        if not any(file.form.status is not RuleStatus.RETIRED for file in files) and len(files) == len(names):
            self.problems.append(problems.NO_RULES.at("rules"))
        return rules

    def _check_unique(self, files: Sequence[_File]) -> None:
        seen: dict[str, str] = {}
        for file in files:
            first = seen.setdefault(file.form.id, file.name)
            if first != file.name:
                self._note(file, problems.DUPLICATE_ID, ["id"], f"`{file.form.id}`, which {first} has already")

    def _rule(self, file: _File) -> Rule | None:
        form: schema.RuleFile = file.form
        condition = self._condition(file, ["when"], form.when, FEATURE_TYPES)
        for finding in lints.lint(lints.Draft(file.name, form, condition, self.today)):
            self._note(file, finding.kind, [finding.field], finding.found)
        cases = tuple(self._case(file, position, case) for position, case in enumerate(form.tests))
        if condition is None:
            return None
        self.canonical[file.name] = {**form.model_dump(mode="json"), "when": condition.canonical}
        return _rule(form, condition, cases, file.name)

    def _condition(
        self, file: _File, path: Sequence[str | int], text: str, catalogue: Mapping[str, ColumnType]
    ) -> CompiledCondition | None:
        try:
            return compile_condition(text, catalogue)
        except ConditionError as error:
            for fault in error.faults:
                line = yamlfiles.text_line(file.tree, path, fault.line)
                found = f"{fault.found} (column {fault.column} of the expression)"
                self.problems.append(fault.kind.at(file.name, line, _field_name(path), found=found))
            return None

    def _case(self, file: _File, position: int, case: schema.CaseEntry) -> RuleCase:
        given: dict[str, object] = {}
        for name, text in case.given.items():
            path: list[str | int] = ["tests", position, "given", name]
            if name not in FEATURE_TYPES:
                self._note(file, problems.NAME_UNKNOWN, path, f"`{name}`")
                continue
            try:
                given[name] = None if text is None else _typed(text, FEATURE_TYPES[name])
            except ValueError:
                self._note(file, problems.TEST_VALUE, path, f"a value that is not of type {FEATURE_TYPES[name]}")
        return RuleCase(case.name, given, case.expect)

    # ------------------------------------------------------------------ lists

    def _remember_lists(self, caution: schema.CautionFile, mail: schema.FreeMailFile) -> None:
        """Keep the lists for the digest as sets: their order says nothing."""
        pairs = {(host, entry.category) for entry in caution.categories for host in entry.hosts}
        self.canonical[CAUTION] = sorted([list(pair) for pair in pairs])
        self.canonical[FREE_MAIL] = sorted(set(mail.domains))


# --------------------------------------------------------------------------- forms -> records


def _evidence_model(form: schema.EvidenceFile) -> EvidenceModel:
    parameters = {name: getattr(form.parameters, name).value for name in type(form.parameters).model_fields}
    fractions = ("indirect_carry", "direct_carry", "kind_cap", "residual", "floor", "typology_cap", "peer_scale_floor")
    named = {f"{name}_nano" if name in fractions else name: value for name, value in parameters.items()}
    return EvidenceModel(
        kinds={name: _kind_weight(entry) for name, entry in sorted(form.kinds.items())},
        match_factor_nano={match: entry.value for match, entry in sorted(form.match_factors.items())},
        typology_strength_nano={level: entry.value for level, entry in sorted(form.typology_strengths.items())},
        **named,
    )


def _kind_weight(entry: schema.KindEntry) -> KindWeight:
    return KindWeight(entry.weight, entry.reliability, entry.base_rate or 0, entry.kappa or 0, entry.rationale)


def _caution_hosts(form: schema.CautionFile) -> tuple[CautionHost, ...]:
    hosts = {CautionHost(host, entry.category) for entry in form.categories for host in entry.hosts}
    return tuple(sorted(hosts, key=lambda entry: (entry.host, entry.category)))


def _rule(form: schema.RuleFile, condition: CompiledCondition, cases: tuple[RuleCase, ...], name: str) -> Rule:
    shared = form.model_dump(exclude={"threshold", "when", "tests"})
    return Rule(
        **shared,
        threshold_origin=form.threshold.origin,
        threshold_note=form.threshold.note,
        condition=condition,
        cases=cases,
        file=name,
    )


def _typed(text: str, kind: ColumnType) -> object:
    """Read a test value as its feature is typed.

    Raises:
        ValueError: It does not fit.
    """
    match kind:
        case ColumnType.TEXT:
            return text
        case ColumnType.BOOLEAN:
            return {"true": True, "false": False}[_matching(text, "true|false")]
        case ColumnType.INTEGER:
            return int(_matching(text, r"-?[0-9]{1,15}"))
        case ColumnType.NUMBER:
            return float(_matching(text, r"-?[0-9]{1,15}(\.[0-9]{1,15})?"))


def _matching(text: str, pattern: str) -> str:
    if re.fullmatch(pattern, text) is None:
        raise ValueError("a text of another form")
    return text


# --------------------------------------------------------------------------- problems and digest


def _form_problem(name: str, tree: YamlMapping, detail: dict[str, Any]) -> Problem:
    path = detail["loc"]
    kind = FORM_PROBLEMS.get(detail["type"], problems.VALUE_WRONG)
    found = f"{kind.title}: {detail['msg']}" if kind is problems.VALUE_WRONG else None
    return kind.at(name, yamlfiles.place_of(tree, path).line, _field_name(path), found=found)


def _field_name(path: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in path if step != "[key]")


def _canonical_bytes(meaning: Mapping[str, object]) -> bytes:
    return json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
