"""Every way an event, a key, a note or a store can be wrong, with its code, what is expected and how it is mended.

A log that does not check out is reported with all its differences at once.
No problem quotes an event, a personal value, a key or an address with a
password: `found` names positions, sizes and digests.
"""

from __future__ import annotations

from typing import Final

from merchantscreen.errors import ProblemKind

_DO_NOT_RELY: Final = (
    "Do not rely on this log. Keep it as it is, compare it with the checkpoints kept outside, and restore a backup."
)

# --------------------------------------------------------------------------- events that cannot be appended
KIND_WRONG: Final = ProblemKind(
    "MS-LOG-001",
    "a kind of event that is not a name",
    "lower-case words with dots, at most 64 characters, not beginning with log.",
    "Use one of the documented kinds.",
)
ACTOR_WRONG: Final = ProblemKind(
    "MS-LOG-002",
    "an actor that is empty, too long, or holds control characters",
    "an identifier of 1 to 200 characters",
    "Give the identifier of the person or program; prefer a staff number to a name, since an actor cannot be erased.",
)
TIME_WRONG: Final = ProblemKind(
    "MS-LOG-003",
    "a time that carries a time zone",
    "a time without zone, which means UTC",
    "Convert the time to UTC and drop the zone.",
)
BODY_WRONG: Final = ProblemKind(
    "MS-LOG-004",
    "a body that is not plain JSON",
    "objects, lists, text, whole numbers up to 2^53 - 1, true, false and null, at most 16 levels deep",
    "Write amounts in whole minor units and fractions as text.",
)
BODY_TOO_LARGE: Final = ProblemKind(
    "MS-LOG-005",
    "an event that is too large",
    "at most 64 KiB of body, and as much of personal values",
    "Put the digest of the document into the event and keep the document beside the log.",
)
PERSONAL_WRONG: Final = ProblemKind(
    "MS-LOG-006",
    "a personal field that cannot be kept",
    "a lower-case name of at most 64 characters that the body does not hold, and text",
    "Rename the field, or take it out of the body.",
)

# --------------------------------------------------------------------------- keys and notes
KEY_WRONG: Final = ProblemKind(
    "MS-LOG-010",
    "a verifier key that cannot be used",
    "name+id+base64 of an Ed25519 key on the prime-order curve",
    "Ask the holder of the key for its line as `log key` prints it.",
)
PRIVATE_KEY_WRONG: Final = ProblemKind(
    "MS-LOG-011",
    "a private key that cannot be used",
    "an Ed25519 key as unencrypted PKCS 8 in PEM",
    "Make one with `log key new`, or with: openssl genpkey -algorithm ed25519.",
)
KEY_NAME_WRONG: Final = ProblemKind(
    "MS-LOG-012",
    "a name for a key or a log that cannot be used",
    "1 to 200 characters without space, plus sign or control character, such as log.example/screening",
    "Choose a name as of a web address without https.",
)
NOTE_MALFORMED: Final = ProblemKind(
    "MS-LOG-013",
    "bytes that are no signed note",
    "text, an empty line, and signature lines (C2SP signed-note)",
    "Give the file as it was written; a mail program may have changed its lines.",
)
NOTE_UNSIGNED: Final = ProblemKind(
    "MS-LOG-014",
    "a note that none of the known keys has signed",
    "the signature of a known key",
    "Do not rely on it. If the log has a new key, obtain that key from its holder.",
)
NOTE_FORGED: Final = ProblemKind(
    "MS-LOG-015",
    "a signature that does not fit the note and the key it names",
    "a signature over exactly these bytes",
    "Do not rely on it; the note was changed, or somebody else signed it.",
)
CHECKPOINT_MALFORMED: Final = ProblemKind(
    "MS-LOG-016",
    "a note that is no checkpoint",
    "the origin, the size and the root of a log, one a line",
    "Give a checkpoint as `log checkpoint` writes it.",
)

# --------------------------------------------------------------------------- logs that do not check out
EVENT_MALFORMED: Final = ProblemKind(
    "MS-LOG-020", "an event that is not in its canonical form", "the bytes that were appended", _DO_NOT_RELY
)
EVENT_MISPLACED: Final = ProblemKind(
    "MS-LOG-021", "an event out of its place", "positions without gap, each as its event says", _DO_NOT_RELY
)
KIND_DIFFERS: Final = ProblemKind(
    "MS-LOG-022", "an event listed under another kind", "the kind that the event itself says", _DO_NOT_RELY
)
SIZE_DIFFERS: Final = ProblemKind(
    "MS-LOG-023", "a number of events that differs from the stored size", "as many events as were appended",
    _DO_NOT_RELY,
)  # fmt: skip
ROOT_DIFFERS: Final = ProblemKind(
    "MS-LOG-024", "events that do not give the stored root", "the root that was stored with the last event",
    _DO_NOT_RELY,
)  # fmt: skip
COMMITMENT_DIFFERS: Final = ProblemKind(
    "MS-LOG-025", "a personal value that its event did not commit to", "the salt and value that were appended",
    _DO_NOT_RELY,
)  # fmt: skip
PERSONAL_MISSING: Final = ProblemKind(
    "MS-LOG-026",
    "a personal value that is gone without an erasure in the log",
    "the value, or an event that records its erasure",
    _DO_NOT_RELY,
)
PERSONAL_LEFT: Final = ProblemKind(
    "MS-LOG-027",
    "a personal value that the log says was erased",
    "no value after its erasure",
    "Find out who put it back; erase it again once this is known.",
)
OTHER_LOG: Final = ProblemKind(
    "MS-LOG-030", "a checkpoint of another log", "a checkpoint with the origin of this log",
    "Give a checkpoint of this log; if it is one, somebody has renamed or replaced the log.",
)  # fmt: skip
EVENTS_LOST: Final = ProblemKind(
    "MS-LOG-031", "fewer events than the checkpoint covers", "every event the checkpoint covers", _DO_NOT_RELY
)
REWRITTEN: Final = ProblemKind(
    "MS-LOG-032", "events that differ from those the checkpoint covers", "the root of the checkpoint at its size",
    _DO_NOT_RELY,
)  # fmt: skip

# --------------------------------------------------------------------------- exported logs
NOT_EXPORTED: Final = ProblemKind(
    "MS-LOG-033",
    "a file that is no exported log",
    "a file as `log export` writes it",
    "Give the file as it was written.",
)
EXPORT_CUT: Final = ProblemKind(
    "MS-LOG-034", "an exported log that ends early", "an empty line and a signed checkpoint after the last event",
    "Do not rely on it; ask for the whole file, or for a new one.",
)  # fmt: skip
EXPORT_SURPLUS: Final = ProblemKind(
    "MS-LOG-035", "an exported log that holds more than its checkpoint covers",
    "the events its checkpoint covers, and one signature by a known key under it",
    "Do not rely on it; ask for a new one.",
)  # fmt: skip

# --------------------------------------------------------------------------- look-ups
NO_SUCH_EVENT: Final = ProblemKind(
    "MS-LOG-040", "no event of this number", "a number below the size of the log", "List the events with `log show`."
)
NO_SUCH_SIZE: Final = ProblemKind(
    "MS-LOG-041", "a size the log never had", "a size from 0 to the size of the log",
    "Take the size from a checkpoint of this log.",
)  # fmt: skip
NO_PERSONAL: Final = ProblemKind(
    "MS-LOG-042", "no such personal value", "a personal field of the event that is not erased yet",
    "List what the event holds with `log show`.",
)  # fmt: skip
MOVED_ON: Final = ProblemKind(
    "MS-LOG-043", "a log that grew since it was read", "the size that was read before", "Run the command again."
)

# --------------------------------------------------------------------------- stores
EXISTS: Final = ProblemKind(
    "MS-LOG-050", "a log that exists already", "a place without a log", "Use the log that is there, or another place."
)
CANNOT_CREATE: Final = ProblemKind(
    "MS-LOG-051", "a log that cannot be created", "an existing folder or database we may write to",
    "Create the folder or database, or mend its permissions.",
)  # fmt: skip
MISSING: Final = ProblemKind(
    "MS-LOG-052", "no log at this place", "a log that was created before", "Create one first, or correct the place."
)
NOT_REGULAR: Final = ProblemKind(
    "MS-LOG-053", "a log that is no regular file", "a file that is neither a link nor a device",
    "Give the path of the file itself.",
)  # fmt: skip
NETWORK_FOLDER: Final = ProblemKind(
    "MS-LOG-054",
    "a folder on a network file system",
    "a folder on a local disk",
    "Keep the log on a local disk, or use PostgreSQL: locks over a network may let two writers in at once.",
)
ADDRESS_WRONG: Final = ProblemKind(
    "MS-LOG-055",
    "an address that is no PostgreSQL database",
    "postgresql://user@host/database, and the extra `postgres` installed",
    "Correct the address; for a file give its path.",
)
BUSY: Final = ProblemKind(
    "MS-LOG-056", "a log that somebody else is writing to", "a free moment within the waiting time",
    "Run the command again.",
)  # fmt: skip
NOT_ACCESSIBLE: Final = ProblemKind(
    "MS-LOG-057", "a log that could not be read or written", "a disk or server with room that lets us in",
    "Look at the free space, the permissions and the server; nothing half written was kept.",
)  # fmt: skip
DAMAGED: Final = ProblemKind(
    "MS-LOG-058", "a store that is damaged or is no log", "a store as this program made it", _DO_NOT_RELY
)
REFUSED: Final = ProblemKind(
    "MS-LOG-059", "a change that the store refuses", "new events at the end and nothing else", _DO_NOT_RELY
)
SCHEMA_DIFFERS: Final = ProblemKind(
    "MS-LOG-060", "tables or triggers that differ from those this program makes", "exactly the documented schema",
    _DO_NOT_RELY,
)  # fmt: skip
SCHEMA_TOO_NEW: Final = ProblemKind(
    "MS-LOG-061", "a log written by a newer version of this program", "a schema version this program knows",
    "Update the program; a log is never taken back to an older form.",
)  # fmt: skip
SERVER_UNFIT: Final = ProblemKind(
    "MS-LOG-062", "a server whose settings do not suit a log", "fsync and full_page_writes on, encoding UTF8",
    "Change the setting that is named, on a server made for records.",
)  # fmt: skip
SQLITE_TOO_OLD: Final = ProblemKind(
    "MS-LOG-063", "a SQLite library that is too old", "SQLite 3.37 or newer", "Use a newer Python or system."
)

PROBLEMS: Final[dict[str, ProblemKind]] = {
    value.code: value for value in list(globals().values()) if isinstance(value, ProblemKind)
}
"""Every kind of problem of the event log, by code."""
