"""Every error the package can raise, and the exit code each one becomes.

    MerchantScreenError          70  a mistake of ours
    ├── UsageError                2  the caller asked for something that cannot be
    ├── RejectLimitError          3  more rows rejected than the run allows
    ├── IntegrityError            4  a bundle or a digest does not check out
    ├── NotReproducibleError      5  a run made again is not the same, byte for byte
    ├── StaleError                7  a hotline is silent for longer than the caller accepts
    ├── InputError               65  a file that cannot be used at all
    │   └── PolicyError          65  a rule folder that cannot be used at all
    ├── CannotCreateError        73  an output that cannot be created
    ├── FileAccessError          74  reading or writing failed underway
    └── BusyError                75  somebody else is at work here; try again

The library raises and never exits; the command line prints and exits.

A `Problem` says where, what was found, what was expected and what to do now.
It never carries a value that must not come in: `found` describes, it does not
quote, wherever the value could be a card number, a path or a secret.

Source of the numbers: BSD ``sysexits.h`` for 65 to 75; 0 to 7 are ours.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

EXIT_DONE = 0
EXIT_FAIL_ON = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, with what to do about it.

    Attributes:
        code: Stable code such as ``MS-CSV-012``; listed in docs/errors.md.
        where: File name, with nothing of the path that leads to it.
        line: One-based line (CSV, JSON lines, YAML) or row (Parquet); None for the whole file.
        column: Field name, or None.
        found: What was found, described and never quoted when it could be sensitive.
        expected: What was expected.
        fix: What to do now.
        position: One-based character within the line, where it is known (YAML).
    """

    code: str
    where: str
    line: int | None
    column: str | None
    found: str
    expected: str
    fix: str
    position: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.where, self.line, self.position) if part is not None)
        field = f" {self.column}:" if self.column else ":"
        return f"{self.code} {place}{field} {self.found}, expected {self.expected}. Fix: {self.fix}"

    def as_dict(self) -> dict[str, str | int | None]:
        """Return the same facts for ``--json-errors``."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A row of a problem table: what one code means, what is expected, how it is mended.

    Each area keeps its own table (intake/problems.py, referrals/problems.py,
    policy/problems.py, outputs/problems.py); docs/errors.md is generated from them.
    """

    code: str
    title: str
    expected: str
    fix: str

    def at(
        self,
        where: str,
        line: int | None = None,
        column: str | None = None,
        *,
        found: str | None = None,
        expected: str | None = None,
        position: int | None = None,
    ) -> Problem:
        """Report this kind of problem at a place; `found` defaults to the title."""
        said, wanted = found or self.title, expected or self.expected
        return Problem(self.code, where, line, column, said, wanted, self.fix, position)


class MerchantScreenError(Exception):
    """Base of all our errors; carries the problems and the exit code.

    Args:
        message: One sentence for a person.
        problems: All that is wrong, not only the first.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.problems = problems


class UsageError(MerchantScreenError):
    """The caller asked for something that cannot be, such as an account the run does not hold."""

    exit_code = 2


class RejectLimitError(MerchantScreenError):
    """More rows were rejected than ``--max-rejects`` allows, so nothing was screened."""

    exit_code = 3


class IntegrityError(MerchantScreenError):
    """A bundle's files do not match its manifest."""

    exit_code = 4


class NotReproducibleError(MerchantScreenError):
    """A run made again from the same files is not the same, byte for byte."""

    exit_code = 5


class StaleError(MerchantScreenError):
    """A hotline was not heard for longer than the caller accepts."""

    exit_code = 7


class InputError(MerchantScreenError):
    """An input file cannot be used at all."""

    exit_code = 65


class PolicyError(InputError):
    """A rule folder cannot be used at all: a broken file, an unknown feature, no rule."""


class CannotCreateError(MerchantScreenError):
    """An output cannot be created, for instance because the run folder exists already."""

    exit_code = 73


class FileAccessError(MerchantScreenError):
    """Reading or writing failed underway: disk full, permission, a broken device."""

    exit_code = 74


class BusyError(MerchantScreenError):
    """Another process holds what we need; the same command may succeed later."""

    exit_code = 75
