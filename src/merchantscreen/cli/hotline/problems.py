"""Every way the files of a hotline or an officer can be wrong: codes `MS-HOT-…`. None quotes a key or an event."""

from __future__ import annotations

from typing import Final

from merchantscreen.errors import ProblemKind

EXISTS: Final = ProblemKind(
    "MS-HOT-001", "something of this name", "a name that is free", "Choose another --out; nothing is overwritten."
)
CANNOT_CREATE: Final = ProblemKind(
    "MS-HOT-002", "a file that cannot be created", "a folder we may write to", "Choose another --out; nothing was done."
)
UNREADABLE: Final = ProblemKind(
    "MS-HOT-003", "a file that cannot be read", "a regular file that we may read", "Check its name and permissions."
)
KEY_EXPOSED: Final = ProblemKind(
    "MS-HOT-004", "a private key that others may use", "a file that only its owner may use (mode 0600)",
    "If others could have read it, make a new key; otherwise correct it with chmod 600.",
)  # fmt: skip
STATE_MALFORMED: Final = ProblemKind(
    "MS-HOT-010",
    "a state file that is not as we write it",
    "the number and digest of the last statement, and digests of the events signed",
    "Restore it from a backup, or ask the network for your last number and its digest; never begin anew.",
)
STATE_DIFFERS: Final = ProblemKind(
    "MS-HOT-011", "the state of another stream", "the state of this hotline's stream to this network",
    "Name the right file with --state; every network has a stream of its own.",
)  # fmt: skip
STATE_UNWRITTEN: Final = ProblemKind(
    "MS-HOT-012",
    "a state file that could not be written",
    "room and permission to write",
    "Mend that, then sign the same events again: they get the same numbers. Sign nothing else before.",
)
BUSY: Final = ProblemKind(
    "MS-HOT-013", "a folder in which another command is signing", "one command at a time", "Run the command again."
)
SEVERAL_HOTLINES: Final = ProblemKind(
    "MS-HOT-014", "events of several hotlines", "the events of one hotline, which signs them",
    "Split the file; every hotline signs its own events.",
)  # fmt: skip
TWO_SOURCES: Final = ProblemKind(
    "MS-HOT-020", "fields together with a file of JSON lines", "fields alone, or with a CSV file whose rows lack them",
    "Leave one out, or write the sites as CSV.",
)  # fmt: skip
KEY_AND_OUT: Final = ProblemKind(
    "MS-HOT-021", "--key without --out, or --out without --key", "both to countersign, neither to look first",
    "Add the other one, or leave both out.",
)  # fmt: skip
NOTHING_CHOSEN: Final = ProblemKind(
    "MS-HOT-022", "a referral of which the file says nothing", "the referral id of a statement in it",
    "Look at the file first: the same command without --referral-id and --key.",
)  # fmt: skip

PROBLEMS: Final[dict[str, ProblemKind]] = {
    value.code: value for value in list(globals().values()) if isinstance(value, ProblemKind)
}
"""Every kind of problem of these files, by code."""
