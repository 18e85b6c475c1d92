"""What can be wrong with a list of expectations. Codes `MS-EXP-…`."""

from __future__ import annotations

from typing import Final

from merchantscreen.errors import ProblemKind

RULE_UNKNOWN: Final = ProblemKind(
    "MS-EXP-001",
    "an expectation about a rule that the policy does not evaluate",
    "the id of a rule that is active or in draft",
    "Correct the id, or remove the expectation; a rule that is not there never meets one.",
)
ACCOUNT_UNKNOWN: Final = ProblemKind(
    "MS-EXP-002",
    "an expectation about an account that is not in the data",
    "an account_id of the merchants that were read",
    "Correct the id, or read the data the expectation is about.",
)
NAME_TWICE: Final = ProblemKind(
    "MS-EXP-003",
    "a name that stands twice",
    "a name of its own for every expectation",
    "Rename one of the two.",
)

PROBLEMS: Final[dict[str, ProblemKind]] = {
    kind.code: kind for kind in list(globals().values()) if isinstance(kind, ProblemKind)
}
"""Every kind above by its code; docs/errors.md is generated from it."""
