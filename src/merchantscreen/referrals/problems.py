"""Every way a referral file or a referral event can be wrong, one code each.

A referral decides whom a reviewer looks at, so what is doubtful is refused, and the
reason names the field and never the value: referral files are where web addresses,
passwords and descriptions that must not come in try to come in. How a CSV line is
split is the business of intake/problems.py (MS-CSV), and so is opening files (MS-FILE).
docs/errors.md is generated from this table.
"""

from __future__ import annotations

from typing import Final

from merchantscreen.errors import ProblemKind

_KINDS: Final = (
    # --- the file as a whole ------------------------------------------------------------------
    ProblemKind("MS-REF-001", "a file type that is not read", "referral events as .jsonl or .csv",
                "Export the referrals as JSON lines or CSV and name the file accordingly."),
    ProblemKind("MS-REF-002", "a file without referral events", "at least one referral event",
                "Check that the export finished; leave the file out if there is nothing to send."),
    ProblemKind("MS-REF-003", "a required column is missing", "the columns event, reporting_hotline_id and issued_at",
                "Add the column to the header and fill it."),
    ProblemKind("MS-REF-004", "a column that referrals do not have", "only the columns of docs/referrals.md",
                "Correct the spelling of the column, or leave it out."),
    ProblemKind("MS-REF-005", "a column that must not come in", "only the columns of docs/referrals.md",
                "Remove the column at the source; this tool must never hold its contents."),
    ProblemKind("MS-REF-006", "the same column twice", "each column once",
                "Remove one of the two columns."),
    ProblemKind("MS-REF-007", "a header that cannot be read", "one line of column names in UTF-8",
                "Export the file again as RFC 4180 CSV in UTF-8, names separated by commas."),
    # --- one line -----------------------------------------------------------------------------
    ProblemKind("MS-REF-010", "a line that is too long", "at most 65,536 bytes in a line",
                "Leave out what is not part of a referral event."),
    ProblemKind("MS-REF-011", "bytes that are not UTF-8", "text in UTF-8",
                "Export the file again in UTF-8."),
    ProblemKind("MS-REF-012", "a NUL byte", "text without control characters",
                "Export the file again; a NUL usually means a wrong encoding or a damaged file."),
    ProblemKind("MS-REF-013", "a line that is not JSON", "one JSON object on one line",
                "Write each event as one JSON object on a line of its own."),
    ProblemKind("MS-REF-014", "JSON that is not an object", "one JSON object on one line",
                "Write each event as one JSON object on a line of its own."),
    ProblemKind("MS-REF-015", "the same key twice in one object", "each key once",
                "Decide which of the two is meant and remove the other."),
    ProblemKind("MS-REF-016", "a number that JSON does not know (NaN or Infinity)", "plain numbers",
                "Leave the field out when its value is not known."),
    ProblemKind("MS-REF-017", "JSON nested too deeply", "at most 16 levels",
                "Referral events are flat; leave out what is not part of one."),
    # --- one field ----------------------------------------------------------------------------
    ProblemKind("MS-REF-020", "a required field is missing", "the field, as this kind of event needs it",
                "Fill the field; where the answer is not known, send the value that says so."),
    ProblemKind("MS-REF-021", "a field that referrals do not have", "only the fields of docs/referrals.md",
                "Correct the spelling of the field, or leave it out."),
    ProblemKind("MS-REF-022", "a field that must not come in", "only the fields of docs/referrals.md",
                "Remove the field at the source; this tool must never hold its contents."),
    ProblemKind("MS-REF-023", "a value that looks like a card number", "no card numbers anywhere",
                "Remove the value at the source, and tell your data protection officer where it came from."),
    ProblemKind("MS-REF-024", "a full URL where a domain belongs", "a bare host name such as shop.example",
                "Send the host name alone, without scheme, path, credentials or port."),
    ProblemKind("MS-REF-025", "a text that is not a domain", "a bare host name such as shop.example",
                "Correct the host name, or retract the referral if there is none."),
    ProblemKind("MS-REF-026", "a value outside the set", "one of the values of docs/referrals.md",
                "Use one of the values; `not_determined` or `unknown` where the answer is not known."),
    ProblemKind("MS-REF-027", "a value of the wrong type", "the type of docs/referrals.md",
                "Correct the type: text in quotes, whole numbers and true or false without."),
    ProblemKind("MS-REF-028", "a text that is too long, malformed or has control characters",
                "short printable text in the form of docs/referrals.md",
                "Shorten or correct the text; identifiers are letters, digits, dots, hyphens and underscores."),
    ProblemKind("MS-REF-029", "a number outside its range", "a whole number within its range",
                "Correct the number; amounts are whole minor units and confidence is 0 to 100."),
    ProblemKind("MS-REF-030", "a moment that cannot be read", "a time such as 2026-11-01T09:30:00Z",
                "Write dates and times as ISO 8601; without an offset they are taken as UTC."),
    ProblemKind("MS-REF-031", "fields that contradict each other", "fields that agree",
                "Correct one of the fields named."),
    ProblemKind("MS-REF-032", "more entries than a referral may have", "at most 100 entries in a list",
                "Split the referral, or send the most recent entries only."),
)  # fmt: skip

PROBLEMS: Final[dict[str, ProblemKind]] = {kind.code: kind for kind in _KINDS}
