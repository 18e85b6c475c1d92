"""Every way a foreign referral file can be wrong, one code each.

What spoils the file as a whole comes first: such a file is refused before any of it is
kept. What spoils one record refuses that record and no other. What is wrong with a field
once it has our name is told by `referrals.problems` (MS-REF), what is wrong with a mapping
file by `intake.problems` (MS-MAP). Nothing here quotes a value.
docs/errors.md is generated from this table.
"""

from __future__ import annotations

from typing import Final

from merchantscreen.errors import ProblemKind

_KINDS: Final = (
    # --- the file as a whole ------------------------------------------------------------------
    ProblemKind("MS-IMP-001", "a file that is too large", "at most 16 MiB",
                "Split the file; a referral takes about a kilobyte."),
    ProblemKind("MS-IMP-002", "a format that is not read", "one of the formats of docs/referrals.md",
                "Name one of the formats, or export the referrals as one of them."),
    ProblemKind("MS-IMP-003", "bytes that are not UTF-8 text", "text in UTF-8",
                "Export the file again in UTF-8."),
    ProblemKind("MS-IMP-004", "text that is not JSON", "JSON as RFC 8259 has it",
                "Export the file again; do not edit it by hand."),
    ProblemKind("MS-IMP-005", "the same key twice in one object", "each key once",
                "Ask the sender which of the two is meant; readers disagree about such a file."),
    ProblemKind("MS-IMP-006", "a number that JSON does not know (NaN or Infinity)", "plain numbers",
                "Ask the sender to leave the field out when its value is not known."),
    ProblemKind("MS-IMP-007", "JSON nested too deeply", "at most 16 levels",
                "Ask the sender for the records alone, without what is wrapped around them."),
    ProblemKind("MS-IMP-008", "more records than are read at once", "at most 100,000 records and referrals",
                "Split the file."),
    ProblemKind("MS-IMP-009", "a text that is too long", "at most 16,384 characters in a text",
                "Ask the sender to leave the field out; referrals have no long texts."),
    ProblemKind("MS-IMP-010", "a field that carries content", "reports without any payload",
                "Do not open or pass on this file. Ask the sender for one without payloads, and follow your own "
                "procedure for what must not be held."),
    ProblemKind("MS-IMP-011", "a file without a record of this format", "at least one record",
                "Check that the export finished and that the format is the right one."),
    ProblemKind("MS-IMP-012", "JSON of another shape", "the shape of the format",
                "Check that the format is the right one."),
    ProblemKind("MS-IMP-013", "an object with too many fields", "at most 1,000 fields in an object",
                "Check that the format is the right one."),
    # --- a report in the XARF form ------------------------------------------------------------
    ProblemKind("MS-IMP-020", "a report of another version", "XARF version 4",
                "Ask the sender for version 4; version 3 names no confirmation."),
    ProblemKind("MS-IMP-021", "a report about something else", "the one report type that refers sites",
                "Nothing is to be done; such a report is not for this tool."),
    ProblemKind("MS-IMP-022", "a report about persons, which is out of scope", "reports about sites",
                "Hand it to those it is meant for; this tool must never hold it."),
    ProblemKind("MS-IMP-023", "a field about a person", "reports about sites, without fields about persons",
                "Hand it to those it is meant for; this tool must never hold it."),
    ProblemKind("MS-IMP-024", "a report that names no site", "the field url, or else domain",
                "Ask the sender which host is meant."),
    ProblemKind("MS-IMP-025", "an address that leads to no host", "a web address with a host name",
                "Ask the sender which host is meant."),
    ProblemKind("MS-IMP-026", "a url and a domain that disagree", "a domain that is the url's host or stands above it",
                "Ask the sender which of the two is meant."),
    ProblemKind("MS-IMP-027", "a field that the format requires is missing", "the field",
                "Ask the sender to fill the field."),
    ProblemKind("MS-IMP-028", "a report sent for testing", "reports that are meant",
                "Nothing is to be done; a report tagged as a test never becomes a referral."),
    ProblemKind("MS-IMP-029", "a field in another form than the format says", "the form of the format",
                "Ask the sender to correct the field."),
    # --- an indicator in the STIX form --------------------------------------------------------
    ProblemKind("MS-IMP-030", "an object of another version", "STIX 2.1",
                "Ask the sender for STIX 2.1."),
    ProblemKind("MS-IMP-031", "a pattern in another language", "pattern_type stix",
                "Ask the sender for a STIX pattern."),
    ProblemKind("MS-IMP-032", "a pattern that cannot be read", "such as [domain-name:value = 'shop.example']",
                "Ask the sender to correct the pattern."),
    ProblemKind("MS-IMP-033", "a pattern about something else than a domain name", "domain-name:value alone",
                "Nothing is to be done; only domain names can be screened."),
    ProblemKind("MS-IMP-034", "a pattern that several things must meet together", "domain names joined by OR",
                "Ask the sender for one indicator per site; taking the pattern apart would say more than it does."),
    ProblemKind("MS-IMP-035", "a pattern that compares otherwise than by =", "domain names after = or IN",
                "Ask the sender for the names themselves; a likeness accuses strangers."),
    ProblemKind("MS-IMP-036", "two versions of one object at the same moment", "one version per moment",
                "Ask the sender which one holds."),
    ProblemKind("MS-IMP-037", "a pattern with too many names", "at most 100 names",
                "Ask the sender for one indicator per site."),
    # --- a CSV file with a mapping ------------------------------------------------------------
    ProblemKind("MS-IMP-040", "a column that must not come in", "only columns that are mapped, ours, or ignored",
                "Remove the column at the source, or list it under ignore in the mapping; it is then left behind."),
    ProblemKind("MS-IMP-041", "a column that nothing is said about", "only columns that are mapped, ours, or ignored",
                "Map the column, or list it under ignore in the mapping."),
    ProblemKind("MS-IMP-042", "a column that is missing", "the columns of the mapping, and what every referral needs",
                "Correct the mapping, or have the column exported."),
    ProblemKind("MS-IMP-043", "the same column twice", "each column once",
                "Remove one of the two columns."),
    ProblemKind("MS-IMP-044", "a row of another hotline", "rows of the hotline named for the import",
                "Import the rows of each hotline on their own, under that hotline's id."),
    ProblemKind("MS-IMP-045", "a header that cannot be read", "one line of column names",
                "Export the file again as RFC 4180 CSV in UTF-8, names separated by commas."),
)  # fmt: skip

PROBLEMS: Final[dict[str, ProblemKind]] = {kind.code: kind for kind in _KINDS}
