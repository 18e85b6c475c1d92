"""Every way a verb of `referrals` can be asked for what cannot be: codes `MS-RFL-…`.

What is wrong with an envelope, a trust file or a place in a stream has the codes of `referrals.exchange_problems`,
what is wrong with a foreign file those of `referrals.importers.problems`. docs/errors.md is generated from this table.
"""

from __future__ import annotations

from typing import Final

from merchantscreen.errors import ProblemKind

UNKNOWN: Final = ProblemKind(
    "MS-RFL-001", "no referral of this number", "a number that `referrals list` shows, such as R-000001",
    "List the referrals with `referrals list`.",
)  # fmt: skip
WRONG_ENDING: Final = ProblemKind(
    "MS-RFL-002", "a file that is named neither .dsse.json nor .dsse.jsonl",
    "one envelope in NAME.dsse.json, or one on each line of NAME.dsse.jsonl",
    "Give the file as the hotline sent it; for files without signatures say --format.",
)  # fmt: skip
TOO_MANY: Final = ProblemKind(
    "MS-RFL-003", "too many envelopes for one import", "at most 200,000", "Import the files one after the other."
)
OPTIONS_DIFFER: Final = ProblemKind(
    "MS-RFL-004", "options that do not go together",
    "--hotline with --format; --mapping, --confirmed-by-reporter, --tlp and --le-hold only then",
    "See merchantscreen referrals import --help.",
)  # fmt: skip
SILENT: Final = ProblemKind(
    "MS-RFL-005", "a hotline that is silent for too long", "a statement or heartbeat within the hours asked for",
    "Ask the hotline whether it is well, and whether a retraction is on its way.",
)  # fmt: skip
IMPORTED_BEFORE: Final = ProblemKind(
    "MS-RFL-006", "a file that was taken in before, exactly like this", "a file that is new",
    "Nothing; it was not recorded a second time.",
)  # fmt: skip
LIST_DIFFERS: Final = ProblemKind(
    "MS-RFL-010", "another list than the one that was announced or signed", "the list with that sha256",
    "Compare the list with its source, and ask the hotline on another way for its sha256.",
)  # fmt: skip
NOT_AN_OFFICER: Final = ProblemKind(
    "MS-RFL-011", "a name and a key that are not those of one officer", "an officer of the current trust file",
    "See `trust show`; give --officer and --key in pairs, in the same order.",
)  # fmt: skip
NOTHING_TO_LIST: Final = ProblemKind(
    "MS-RFL-012", "a list without events", "at least one referral event", "Give the list that was transcribed."
)
TAKEN_BACK: Final = ProblemKind(
    "MS-RFL-013", "a referral that does not stand", "a referral that its hotline has not taken back",
    "See `referrals status`; what has been retracted needs nothing more.",
)  # fmt: skip
REASON_WRONG: Final = ProblemKind(
    "MS-RFL-014", "no reason", "3 to 200 characters without control characters",
    "Say why; it is recorded with the release.",
)  # fmt: skip
NOTHING_WAITS: Final = ProblemKind(
    "MS-RFL-015", "nothing that waits for an officer", "a referral, log index or hotline with a held statement",
    "List what waits with `referrals list`.",
)  # fmt: skip
HOTLINE_UNKNOWN: Final = ProblemKind(
    "MS-RFL-016", "a hotline of which nothing was taken in", "the id of a hotline with referrals here",
    "List the referrals with `referrals list`.",
)  # fmt: skip
NO_LIST: Final = ProblemKind(
    "MS-RFL-017", "officers, but no list", "a list that they sign; without one the inbox is taken in",
    "Name the list, or leave out --officer, --key, --signatures and --list-sha256.",
)  # fmt: skip
NO_INBOX: Final = ProblemKind(
    "MS-RFL-018", "an inbox that is no folder", "a folder, as the setting inbox names it",
    "Make the folder, or correct inbox in merchantscreen.toml.",
)  # fmt: skip
EMPTY_FILE: Final = ProblemKind(
    "MS-RFL-019", "a file without an envelope", "at least one", "Ask the hotline for the file as it sent it."
)
NOT_MOVED: Final = ProblemKind(
    "MS-RFL-020", "a file that could not be moved out of the inbox", "a complete file that we may move",
    "Nothing is lost: what was taken in is recorded, and counts once. Mend that, then run the command again.",
)  # fmt: skip

PROBLEMS: Final[dict[str, ProblemKind]] = {
    value.code: value for value in list(globals().values()) if isinstance(value, ProblemKind)
}
"""Every kind of problem of these verbs, by code."""
