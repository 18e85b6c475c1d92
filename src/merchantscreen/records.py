"""Small frozen records that several floors hand to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["referrals", "merchants", "transactions"]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One input file and what became of its rows; `rows_read = rows_accepted + rows_rejected`.

    Attributes:
        role: Which input it belongs to.
        name: File name, without the folders that lead to it.
        size_bytes: Size as read.
        sha256: Digest of the bytes, hexadecimal.
        rows_read: Records in it, the header not counted.
        rows_accepted: Records that go on.
        rows_rejected: Records that do not, each with a reason in the rejects.
    """

    role: Role
    name: str
    size_bytes: int
    sha256: str
    rows_read: int
    rows_accepted: int
    rows_rejected: int

    def __post_init__(self) -> None:
        if self.rows_read != self.rows_accepted + self.rows_rejected:
            raise AssertionError(f"{self.name}: read {self.rows_read} != {self.rows_accepted} + {self.rows_rejected}")


@dataclass(frozen=True, slots=True)
class Step:
    """One node of a path: what it is, its value, and the strength of the step that leads to it."""

    what: str
    value: str
    strength_nano: int


@dataclass(frozen=True, slots=True)
class EvidencePath:
    """A way from a confirmed domain to the account; `strength` is the product of its steps.

    Here and not in `paths`, which comes with a large library that most of those do without who show a path.
    """

    steps: tuple[Step, ...]
    strength: float


class Progress(Protocol):
    """How the library tells of long work; only the command line has a screen."""

    def stage(self, title: str, total: int | None = None) -> None:
        """Begin a stage; `total` is its size in the stage's own unit, if known."""

    def advance(self, amount: int = 1, rows: int = 0) -> None:
        """Report that this much more of the stage is done, and how many rows of input that was, if it was any."""


class Silent:
    """Progress that says nothing, the default of every function that takes one."""

    def stage(self, title: str, total: int | None = None) -> None:
        """Ignore the stage."""

    def advance(self, amount: int = 1, rows: int = 0) -> None:
        """Ignore the amount."""
