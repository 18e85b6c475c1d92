"""Every way a case, a decision or its reason can be wrong: codes `MS-CSE-…`.

No problem quotes a reason: what is refused in it may be what must not come in.
docs/errors.md is generated from this table.
"""

from __future__ import annotations

from typing import Final

from merchantscreen.errors import ProblemKind

# --------------------------------------------------------------------------- in the log
EVENT_MALFORMED: Final = ProblemKind(
    "MS-CSE-001", "an event about cases that does not say what its kind says", "the fields of docs/cases.md",
    "Nothing is concluded from it; find out with `log show` who wrote it.",
)  # fmt: skip
CONFIRMS_NOTHING: Final = ProblemKind(
    "MS-CSE-002", "a confirmation of no proposal, or of one's own", "a proposal that waits, made by somebody else",
    "It does not count, and the case stays as it was; propose and confirm anew.",
)  # fmt: skip

# --------------------------------------------------------------------------- what is asked for
NO_CASE: Final = ProblemKind(
    "MS-CSE-010", "no case of this name", "an account_id of the run, or a number such as C-000001",
    "See `cases list`.",
)  # fmt: skip
NOT_IN_RUN: Final = ProblemKind(
    "MS-CSE-011", "an account that this run does not rank", "an account with evidence in the run",
    "Decide on a run that ranks it, with --run; `cases show` names the runs that listed it.",
)  # fmt: skip
NO_RUN: Final = ProblemKind(
    "MS-CSE-012", "a run that this workspace has not recorded, or that is not there", "a run of `screen` in here",
    "Screen in the workspace first, or name a run of it with --run.",
)  # fmt: skip
RUN_DIFFERS: Final = ProblemKind(
    "MS-CSE-013", "another manifest than the log recorded for this run", "the run as it was recorded",
    "Do not rely on this run; restore it from its backup, or screen again.",
)  # fmt: skip
NO_DISPOSITION: Final = ProblemKind(
    "MS-CSE-014", "no disposition of this name", "a code of docs/cases.md", "Give one of the codes in --disposition."
)
SAME_AGAIN: Final = ProblemKind(
    "MS-CSE-015", "a decision that stands already, on the same evidence", "another decision, or new evidence",
    "Nothing; `cases show` has it. Another disposition may still be decided.",
)  # fmt: skip
PROPOSED_ALREADY: Final = ProblemKind(
    "MS-CSE-016", "a proposal that waits for a second person", "its confirmation by somebody else, or another decision",
    "Let somebody else look at it and type the same with --confirm instead of --disposition.",
)  # fmt: skip
NOTHING_PROPOSED: Final = ProblemKind(
    "MS-CSE-017", "no proposal that waits", "a proposal that `cases show` lists as waiting",
    "Decide without --confirm.",
)  # fmt: skip
OWN_PROPOSAL: Final = ProblemKind(
    "MS-CSE-018", "one's own proposal", "confirmation by another person than its author",
    "Ask a colleague to look at it; who proposes does not confirm.",
)  # fmt: skip
PROPOSED_OTHERWISE: Final = ProblemKind(
    "MS-CSE-019", "another disposition than was proposed", "the disposition of the proposal, or none",
    "Leave --disposition out to confirm, or leave --confirm out to decide otherwise.",
)  # fmt: skip
DUPLICATE_WRONG: Final = ProblemKind(
    "MS-CSE-020", "a duplicate without the case it repeats, or of itself, or of another duplicate",
    "--disposition duplicate together with --duplicate-of and the number of the case that is worked on",
    "Name the other case by its number, such as C-000001.",
)  # fmt: skip
NOBODY: Final = ProblemKind(
    "MS-CSE-021", "nobody who may work on cases",
    "a name without blanks; where roles are set, one with the role analyst or lead",
    "Give the name as merchantscreen.toml has it.",
)  # fmt: skip

# --------------------------------------------------------------------------- reasons
REASON_LENGTH: Final = ProblemKind(
    "MS-CSE-030", "a reason that is missing, too short or too long", "3 to 1,000 characters",
    "Say in a sentence what was looked at and why it leads to this decision.",
)  # fmt: skip
REASON_UNPRINTABLE: Final = ProblemKind(
    "MS-CSE-031", "control or invisible characters in a reason", "one line of plain text",
    "Type the reason anew instead of pasting it.",
)  # fmt: skip
REASON_CARD: Final = ProblemKind(
    "MS-CSE-032", "what looks like a card number in a reason", "no card number anywhere",
    "Take it out; name a transaction by its reference if one is needed.",
)  # fmt: skip
REASON_ADDRESS: Final = ProblemKind(
    "MS-CSE-033", "a web or e-mail address in a reason", "a host name at most, nothing before or behind it",
    "Take the path out: an address can give access, and passing it on may be an offence.",
)  # fmt: skip

PROBLEMS: Final[dict[str, ProblemKind]] = {
    value.code: value for value in list(globals().values()) if isinstance(value, ProblemKind)
}
"""Every kind of problem of cases, by code."""
