"""Every way a workspace, its settings, people or checkpoints can be wrong: codes `MS-WSP-…`.

No problem quotes a key, an address of a store, or what somebody looked up.
"""

from __future__ import annotations

from typing import Final

from merchantscreen.errors import ProblemKind

_KEEP: Final = (
    "Do not rely on this log. Keep it as it is, compare it with the checkpoints kept outside, and restore a backup."
)

# --------------------------------------------------------------------------- finding and reading
NO_WORKSPACE: Final = ProblemKind(
    "MS-WSP-001",
    "no workspace",
    "a folder with merchantscreen.toml, given, named by MERCHANTSCREEN_WORKSPACE, or here or above",
    "Change into the workspace, name it with --workspace, or make one with merchantscreen init.",
)
SETTINGS_UNREADABLE: Final = ProblemKind(
    "MS-WSP-002",
    "settings that cannot be read",
    "a regular file of UTF-8 text, at most 64 KiB",
    "Restore merchantscreen.toml, or correct its permissions.",
)
SETTINGS_EXPOSED: Final = ProblemKind(
    "MS-WSP-003",
    "settings that others may change",
    "a file that only its owner may write; one found by searching belongs to you or to root",
    "Take the permission away (chmod go-w), or name the workspace with --workspace if you trust its owner.",
)
TOML_WRONG: Final = ProblemKind(
    "MS-WSP-004", "text that is not TOML", "name = value, one a line", "Mend the line; docs/settings.md has examples."
)
SETTING_UNKNOWN: Final = ProblemKind(
    "MS-WSP-005", "a setting of this name that is not known", "a name of docs/settings.md",
    "Correct the name, or remove it.",
)  # fmt: skip
SETTING_WRONG: Final = ProblemKind(
    "MS-WSP-006", "a value that this setting cannot have", "a value as docs/settings.md says", "Correct the value."
)
SETTING_MISSING: Final = ProblemKind(
    "MS-WSP-007", "a setting that is missing", "every setting without a default", "Add it; see docs/settings.md."
)
FILE_ONLY: Final = ProblemKind(
    "MS-WSP-008",
    "a variable for a setting that only the file may make",
    "this setting in merchantscreen.toml only",
    "Unset it; whoever starts the program sets the environment, so it cannot say what people may do.",
)

# --------------------------------------------------------------------------- making one
EXISTS: Final = ProblemKind(
    "MS-WSP-010", "something of this name", "a name that is free", "Choose another folder; nothing is overwritten."
)
CANNOT_CREATE: Final = ProblemKind(
    "MS-WSP-011", "a workspace that cannot be created", "a folder we may write to",
    "Correct the permissions, or free some space; nothing was made.",
)  # fmt: skip
LOG_LEFT: Final = ProblemKind(
    "MS-WSP-012",
    "a workspace that failed after its log was made in the database",
    "an empty database for the next try",
    "Drop the tables whose names begin with eventlog_, then run init again.",
)

# --------------------------------------------------------------------------- people
NOT_ALLOWED: Final = ProblemKind(
    "MS-WSP-020",
    "a person without the role for this",
    "one of the roles that docs/settings.md lists for it",
    "Ask somebody who has it, or have roles added to merchantscreen.toml. The refusal is in the log.",
)
NOT_THIS_PERSON: Final = ProblemKind(
    "MS-WSP-021",
    "a name that this system user may not act under",
    "a name that people in merchantscreen.toml lists for the system user",
    "Leave --as out, or have the name added. The refusal is in the log.",
)
PURPOSE_WRONG: Final = ProblemKind(
    "MS-WSP-022", "no purpose", "3 to 200 characters without control characters",
    "Say why you ask; it is recorded before anything is answered.",
)  # fmt: skip
QUOTA: Final = ProblemKind(
    "MS-WSP-023", "as many look-ups today as one person may have", "lookups_per_day of merchantscreen.toml",
    "Ask tomorrow, or have somebody with the role lead raise the number.",
)  # fmt: skip

# --------------------------------------------------------------------------- keys and checkpoints
KEY_FILE_WRONG: Final = ProblemKind(
    "MS-WSP-030",
    "a key file that cannot be used",
    "a regular file that only its owner may read (mode 0600)",
    "Restore it, correct its mode, or correct its place in merchantscreen.toml.",
)
CHECKPOINT_MISSING: Final = ProblemKind(
    "MS-WSP-031", "a workspace without its latest checkpoint", "checkpoints/latest.note",
    "Put the newest checkpoint that was kept outside in its place; without one nobody can tell what was removed.",
)  # fmt: skip
ROLLED_BACK: Final = ProblemKind(
    "MS-WSP-032", "a log that is behind its own latest checkpoint", "every event the checkpoint covers", _KEEP
)
CHECKPOINT_DIFFERS: Final = ProblemKind(
    "MS-WSP-033", "another checkpoint of the same size", "one root for one size", _KEEP
)
CHECKPOINT_BUSY: Final = ProblemKind(
    "MS-WSP-034", "checkpoints that another command is writing", "a free moment within the waiting time",
    "Run the command again.",
)  # fmt: skip
KEYS_DIFFER: Final = ProblemKind(
    "MS-WSP-035", "a checkpoint key that is none of those in the .pub file beside it", "the two halves of one key",
    "Restore both from where they are kept; after a change of keys add the line of `log key` to the .pub file.",
)  # fmt: skip

# --------------------------------------------------------------------------- proofs and runs
PROOF_MALFORMED: Final = ProblemKind(
    "MS-WSP-040", "a file that is no proof", "a file as `log prove` writes it", "Give the file as it was written."
)
PROOF_FAILS: Final = ProblemKind(
    "MS-WSP-041", "a proof that does not lead to its checkpoint", "hashes from the event to the signed root",
    "Do not rely on it; ask for a new one.",
)  # fmt: skip
TWO_REGISTERS: Final = ProblemKind(
    "MS-WSP-042", "both referral files and a workspace", "one of them",
    "Leave --referrals out to screen with the register of the workspace, or --workspace to screen with files.",
)  # fmt: skip
SILENT: Final = ProblemKind(
    "MS-WSP-044",
    "a hotline that was not heard lately, so that retractions may be missing",
    "a statement or heartbeat within stale_after_hours, and no gap in its numbers",
    "Ask the hotline for what it sent since; with --require-fresh nothing is screened until then.",
)
NO_REFERRALS: Final = ProblemKind(
    "MS-WSP-043", "a register in which no referral counts", "at least one confirmed referral at this moment",
    "Take referrals in, or look from a later moment; that nothing is linked says nothing about the accounts.",
)  # fmt: skip

PROBLEMS: Final[dict[str, ProblemKind]] = {
    value.code: value for value in list(globals().values()) if isinstance(value, ProblemKind)
}
"""Every kind of problem of a workspace, by code."""
