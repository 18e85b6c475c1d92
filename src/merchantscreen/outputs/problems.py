"""The problems of a run as a whole: command line, run folder, limits. Codes `MS-RUN-…`."""

from __future__ import annotations

from typing import Final

from merchantscreen.errors import ProblemKind

_ROWS: Final = (
    ProblemKind("MS-RUN-000", "a refusal without particulars", "none", "See merchantscreen --help."),
    ProblemKind("MS-RUN-001", "a command line that cannot be understood", "a command and its options",
                "See merchantscreen --help, or the command's own --help."),
    ProblemKind("MS-RUN-002", "a moment that is no ISO 8601 date or time", "such as 2026-11-01 or 2026-11-01T12:00:00Z",
                "Write the moment in full; without an offset it means UTC."),
    ProblemKind("MS-RUN-003", "a run id that cannot be a folder name",
                "1 to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit",
                "Choose another --run-id."),
    ProblemKind("MS-RUN-004", "an account without evidence in this run", "an account_id of its ranking",
                "Take an account_id from ranking.csv."),
    ProblemKind("MS-RUN-005", "a run folder that exists already", "a new run id",
                "Give another --run-id or --out; runs are never overwritten."),
    ProblemKind("MS-RUN-006", "a folder that cannot be created", "a folder we may create and write",
                "Choose another --out, or correct its permissions."),
    ProblemKind("MS-RUN-007", "writing failed", "room and permission to write",
                "Free some space or choose another --out, then run again; nothing was published."),
    ProblemKind("MS-RUN-008", "a file that cannot be read", "a file we may read",
                "Check that it exists and its permissions."),
    ProblemKind("MS-RUN-009", "a result that could not be shown", "a terminal, pipe or file that takes it",
                "The run is complete: look into its folder, or ask merchantscreen explain."),
    ProblemKind("MS-RUN-010", "a folder that is not a run", "a folder with a manifest.json",
                "Give the folder that screen printed, such as runs/20261101T000000Z."),
    ProblemKind("MS-RUN-011", "a manifest that cannot be read", "a manifest of schema merchantscreen-run/1",
                "Restore the run from its backup, or run again."),
    ProblemKind("MS-RUN-012", "a file that differs from the manifest", "the size and sha256 of the manifest",
                "Do not rely on this run; restore it from its backup, or run again."),
    ProblemKind("MS-RUN-013", "a file that is missing", "every file the manifest names",
                "Do not rely on this run; restore it from its backup, or run again."),
    ProblemKind("MS-RUN-014", "a file that the manifest does not name", "no other file",
                "Move it out of the run folder; notes belong beside a run, not in it."),
    ProblemKind("MS-RUN-015", "a manifest that is not in its canonical form",
                "the bytes merchantscreen wrote (RFC 8785)",
                "Do not rely on this run; restore it from its backup, or run again."),
    ProblemKind("MS-RUN-016", "points that do not add up", "points that are the sum of the kinds in the ledger",
                "Do not rely on this run; report it with the run id."),
    ProblemKind("MS-RUN-017", "a line that does not fit its table", "one JSON object with the columns of the table",
                "Read the run with the version of merchantscreen that wrote it, see manifest.json."),
    ProblemKind("MS-RUN-020", "more rejected rows than the limit allows", "fewer, or a higher --max-rejects",
                "Mend the rows listed in the rejects file, or raise --max-rejects knowingly."),
    ProblemKind("MS-RUN-021", "no row that could be accepted", "at least one row to screen",
                "Mend the rows listed in the rejects file; an empty screening is not a clean result."),
    ProblemKind("MS-RUN-030", "a key file that cannot be used", "a regular file of 32 to 4096 bytes, mode 0600",
                "Make one with: head -c 32 /dev/urandom > key; chmod 600 key."),
    ProblemKind("MS-RUN-070", "an internal error", "none",
                "Report it with the crash file, which holds no values."),
)  # fmt: skip

PROBLEMS: Final[dict[str, ProblemKind]] = {row.code: row for row in _ROWS}
