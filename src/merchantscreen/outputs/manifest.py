"""The manifest: what a run read, with what it worked, what it wrote. A versioned contract.

Rules kept here:
* canonical JSON (RFC 8785): one value, one sequence of bytes;
* `read = accepted + rejected` for every input and every role, or there is no manifest;
* `created_at` is the only value that differs between identical runs on the same installation;
* no path of the machine and no secret; of a key only its id;
* what a run has not is left out rather than empty: `log` without a workspace, `compared_with` without another run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

from merchantscreen.records import Role, SourceFile
from merchantscreen.vocabulary import ApprovalState

SCHEMA: Final = "merchantscreen-run/2"
NAME: Final = "manifest.json"
ROLES: Final[tuple[Role, ...]] = ("referrals", "merchants", "transactions")

Parameter = str | int | bool | None


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class _Counted(_Strict):
    rows_read: int
    rows_accepted: int
    rows_rejected: int

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.rows_read != self.rows_accepted + self.rows_rejected:
            raise ValueError("read is not accepted + rejected")
        return self


class InputFile(_Counted):
    """One input file, as `records.SourceFile`."""

    role: Role
    name: str
    size_bytes: int
    sha256: str


class Totals(_Counted):
    """All files of one role together."""

    files: int


class OutputFile(_Strict):
    """One file of the bundle; `rows` is null for the page, which is no table."""

    size_bytes: int
    sha256: str
    rows: int | None


class FrozenTable(_Strict):
    """A table that shaped the scores; sha256 over its JSON lines."""

    rows: int
    sha256: str


class Approval(_Strict):
    """Whether somebody other than its authors approved the policy as it is; the reasons where nobody has."""

    state: Annotated[ApprovalState, Strict(strict=False)]
    approver: str | None
    approved_at: str | None
    statement: str | None
    lock_sha256: str | None
    reasons: list[str]


class PolicyFacts(_Strict):
    """The rule folder the run worked with.

    `review_overdue` and `not_yet_effective` name files whose dates do not fit the moment of the run.
    """

    digest: str
    files: dict[str, str]
    approval: Approval
    review_overdue: list[str]
    not_yet_effective: list[str]


class LogHead(_Strict):
    """The log that the register of the run was folded from; root in base64, as in the notes of its checkpoints."""

    origin: str
    size: int
    root: str


class ComparedRun(_Strict):
    """The run that `changes` compares with, by its name and the digest of its manifest."""

    run_id: str
    manifest_sha256: str


class Manifest(_Strict):
    """All of `manifest.json`."""

    schema_name: Literal["merchantscreen-run/2"] = Field(default="merchantscreen-run/2", alias="schema")
    run_id: str
    as_of: str
    created_at: str
    versions: dict[str, str]
    suffix_list_date: str
    parameters: dict[str, Parameter]
    model: dict[str, int]
    inputs: list[InputFile]
    totals: dict[Role, Totals]
    policy: PolicyFacts
    pseudonym_key_id: str
    frozen_tables: dict[str, FrozenTable]
    counts: dict[str, int]
    tiers: dict[str, int]
    sealed_count: int
    outputs: dict[str, OutputFile]
    assurance: Literal["unsigned"] = "unsigned"
    log: LogHead | None = None
    compared_with: ComparedRun | None = None

    @property
    def approved(self) -> bool:
        """Tell whether the policy was approved, byte for byte."""
        return self.policy.approval.state is ApprovalState.APPROVED

    @property
    def sha256(self) -> str:
        """Digest of the bytes of the file."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def canonical(self) -> bytes:
        """Return the bytes of the file."""
        absent = {name for name in ("log", "compared_with") if getattr(self, name) is None}
        return bytes(rfc8785.dumps(self.model_dump(mode="json", by_alias=True, exclude=absent)))


def written_moment(moment: datetime) -> str:
    """Write a moment in UTC as every output does: `2026-11-01T00:00:00Z`."""
    return moment.replace(tzinfo=None).isoformat() + "Z"


def written_value(value: Any) -> Any:
    """Write a value of a row as JSON has it: moments as every output does, days in ISO 8601, the rest as it is."""
    match value:
        case datetime():
            return written_moment(value)
        case date():
            return value.isoformat()
        case _:
            return value


def written_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Write every value of a row; see `written_value`."""
    return {name: written_value(value) for name, value in row.items()}


def parse_manifest(content: bytes) -> Manifest:
    """Read the bytes of a manifest; ValueError for anything but a manifest of our schema."""
    try:
        return Manifest.model_validate(json.loads(content))
    except (ValidationError, RecursionError) as error:
        raise ValueError("not a manifest") from error


def input_files(sources: Iterable[SourceFile]) -> list[InputFile]:
    """List the inputs in an order that does not depend on the command line."""
    ordered = sorted(sources, key=lambda s: (ROLES.index(s.role), s.name, s.sha256))
    return [InputFile(**_fields(source)) for source in ordered]


def _fields(source: SourceFile) -> Mapping[str, Any]:
    return {name: getattr(source, name) for name in SourceFile.__slots__}


def totals(sources: Iterable[SourceFile]) -> dict[Role, Totals]:
    """Add the rows up per role; a role without files shows as zeros."""
    given = tuple(sources)
    return {role: _total([source for source in given if source.role == role]) for role in ROLES}


def _total(sources: list[SourceFile]) -> Totals:
    return Totals(
        files=len(sources),
        rows_read=sum(source.rows_read for source in sources),
        rows_accepted=sum(source.rows_accepted for source in sources),
        rows_rejected=sum(source.rows_rejected for source in sources),
    )
