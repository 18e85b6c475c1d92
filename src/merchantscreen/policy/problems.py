"""Every way a rule folder can be wrong, with its code, what is expected and how it is mended.

A rule folder is refused as a whole: a policy that is half understood would
screen with half of its safeguards. All problems of all files come at once.
"""

from __future__ import annotations

from typing import Final

from merchantscreen.errors import ProblemKind

# --------------------------------------------------------------------------- folder and files
FOLDER_UNREADABLE: Final = ProblemKind(
    "MS-POL-001",
    "the rule folder cannot be read",
    "a folder with evidence.yml, tiers.yml and rules",
    "Pass a rule folder with --rules, or leave the option away to use the policy that is built in.",
)
FILE_MISSING: Final = ProblemKind(
    "MS-POL-002",
    "the file is missing",
    "all four policy files in the rule folder",
    "Copy the file from the built-in policy and adapt it.",
)
FILE_UNEXPECTED: Final = ProblemKind(
    "MS-POL-003",
    "a file that would be skipped",
    "policy files at the top, and one folder per typology with rules named <rule-id>.yml",
    "Move the file to its place or out of the rule folder; nothing in it is skipped in silence.",
)
FILE_TOO_LARGE: Final = ProblemKind(
    "MS-POL-004", "the file is too large", "at most 1 MiB", "Split the file, or remove what does not belong in it."
)
NOT_UTF8: Final = ProblemKind("MS-POL-005", "bytes that are not UTF-8", "UTF-8 text", "Save the file as UTF-8.")
NOT_YAML: Final = ProblemKind(
    "MS-POL-006", "text that is not YAML", "one YAML 1.2 mapping", "Mend the line that is named."
)
ANCHOR: Final = ProblemKind(
    "MS-POL-007",
    "an anchor or alias",
    "every value written out where it counts",
    "Write the value out; what a reviewer reads must be what is loaded.",
)
TAG: Final = ProblemKind("MS-POL-008", "a tag", "plain values without tags", "Remove the tag.")
DUPLICATE_KEY: Final = ProblemKind("MS-POL-009", "a key that stands twice", "each key once", "Keep one of the two.")
MERGE_KEY: Final = ProblemKind("MS-POL-010", "a merge key", "every field written out", "Write the fields out.")
TOO_DEEP: Final = ProblemKind("MS-POL-011", "nesting that is too deep", "at most 20 levels", "Flatten the file.")
NOT_ONE_DOCUMENT: Final = ProblemKind(
    "MS-POL-012",
    "directives or a second document",
    "exactly one YAML 1.2 document",
    "Remove directives and everything after the first document.",
)
NOT_A_MAPPING: Final = ProblemKind(
    "MS-POL-013", "no mapping at the top of the file", "fields such as `id: ...`", "Begin the file with its fields."
)

# --------------------------------------------------------------------------- fields
FIELD_UNKNOWN: Final = ProblemKind(
    "MS-POL-020", "a field that nobody reads", "only documented fields", "Correct the name or remove the field."
)
FIELD_MISSING: Final = ProblemKind("MS-POL-021", "a missing field", "every required field", "Add the field.")
VALUE_WRONG: Final = ProblemKind(
    "MS-POL-022", "a value of the wrong form", "a value as documented", "Correct the value."
)
TOO_MANY_DECIMALS: Final = ProblemKind(
    "MS-POL-023",
    "a fraction with more than nine decimals",
    "at most nine decimals, for example 0.95",
    "Round the fraction; evidence is counted in units of 0.000000001.",
)
KINDS_DIFFER: Final = ProblemKind(
    "MS-POL-024",
    "link kinds that differ from the identifier table",
    "one entry per kind, no more and no fewer",
    "Add or remove the kind; the table is in identifiers.py and docs/identifiers.md.",
)
FIXED_DIFFERS: Final = ProblemKind(
    "MS-POL-025",
    "a fixed exponent that differs from the one at work",
    "the exponents of formula evid-2",
    "Restore the number: it is part of the formula, listed for readers and not adjustable.",
)
TIER_ORDER: Final = ProblemKind(
    "MS-POL-026",
    "tier conditions out of order",
    "conditions for T1, then T2, then T3",
    "Sort the conditions; the first that holds places the account.",
)
TIER_FORGEABLE: Final = ProblemKind(
    "MS-POL-027",
    "a way into T1 that anyone could forge",
    "clue_merchant_id, or NOT direct_forgeable, as a requirement",
    "Add `AND NOT direct_forgeable`: what anyone can set never suffices for T1.",
)
DUPLICATE_ID: Final = ProblemKind("MS-POL-028", "an id that is used twice", "unique ids", "Rename one of the two.")

# --------------------------------------------------------------------------- conditions
NOT_AN_EXPRESSION: Final = ProblemKind(
    "MS-POL-030",
    "text that is not one SQL expression",
    "one boolean such as `purchase_count >= 20`",
    "Mend the expression at the place named.",
)
NOT_ALLOWED: Final = ProblemKind(
    "MS-POL-031",
    "something conditions may not contain",
    "AND, OR, NOT, comparisons, arithmetic, BETWEEN, IN, IS NULL, COALESCE, ABS, LOWER",
    "Say it with the allowed forms; what needs more is a new feature, not a rule.",
)
NAME_UNKNOWN: Final = ProblemKind(
    "MS-POL-032",
    "a name that is not in the catalogue",
    "a feature of docs/features.md, written as there",
    "Correct the name.",
)
TYPE_CLASH: Final = ProblemKind(
    "MS-POL-033",
    "values that cannot be combined",
    "numbers with numbers, text with text, booleans with AND, OR, NOT",
    "Correct the operands.",
)
CONSTANT: Final = ProblemKind(
    "MS-POL-034",
    "a part whose result does not depend on any feature",
    "a feature in every comparison",
    "Remove the part, or compare a feature in it.",
)
NULL_LITERAL: Final = ProblemKind(
    "MS-POL-035",
    "NULL as a value",
    "NULL only in IS NULL and IS NOT NULL",
    "Ask with IS NULL; a comparison with NULL never holds.",
)
NUMBER_RANGE: Final = ProblemKind(
    "MS-POL-036",
    "a number outside the range that is exact",
    "0 or a size from 0.000000001 to 1000000000000000, with at most 15 digits",
    "Correct the number.",
)
TOO_COMPLEX: Final = ProblemKind(
    "MS-POL-037",
    "a condition that is too long or too deep",
    "at most 2000 characters, 20 levels, 200 parts",
    "Split the rule in two.",
)
SAMPLE_FAILED: Final = ProblemKind(
    "MS-POL-038",
    "a condition that fails on sample values",
    "one boolean per account, for any values",
    "Rewrite the condition, and report this message: it should have been found earlier.",
)

# --------------------------------------------------------------------------- rules
NO_RULES: Final = ProblemKind(
    "MS-POL-040",
    "no rule that is in use",
    "at least one rule that is not retired",
    "Add rules, or point --rules at the right folder.",
)
NO_CITATION: Final = ProblemKind(
    "MS-POL-041",
    "a rule without a source",
    "at least one reference, and where the threshold comes from",
    "Name the document, or say `origin: design` and why.",
)
TEST_MISSING: Final = ProblemKind(
    "MS-POL-042",
    "a rule without a test for every outcome",
    "tests that expect hit, no_hit and not_evaluated",
    "Add the missing test.",
)
CATEGORY_ALONE: Final = ProblemKind(
    "MS-POL-043",
    "a rule that can hit on MCC, country or missing data alone",
    "behaviour in every way to a hit",
    "Add a measured feature with AND: whole categories of merchants are never suspect.",
)
ADULT_CATEGORY: Final = ProblemKind(
    "MS-POL-044",
    "a ranking rule that singles out a lawful adult category",
    "no weight on MCC 5967 or 7273",
    "Leave the category out; lawful trade is no indicator.",
)
REVIEW_OVERDUE: Final = ProblemKind(
    "MS-POL-045",
    "a rule past its review date",
    "a review date in the future",
    "Review the rule, then set a new review_by and version.",
)
SELF_APPROVED: Final = ProblemKind(
    "MS-POL-046",
    "a rule approved by its own author",
    "an approver other than the owner",
    "Have somebody else approve it, or leave approver empty.",
)
REQUIRES_DIFFER: Final = ProblemKind(
    "MS-POL-047",
    "a list of required features that differs from the condition",
    "exactly the features that `when` reads",
    "Correct `requires`.",
)
REASON_TEMPLATE: Final = ProblemKind(
    "MS-POL-048",
    "a reason with a placeholder that cannot be filled",
    "{names} of features in `requires`",
    "Correct the placeholder.",
)
WRONG_PLACE: Final = ProblemKind(
    "MS-POL-049",
    "a rule whose file name or folder differs from its id or typology",
    "<typology>/<id>.yml",
    "Rename the file, or correct the field.",
)
TEST_VALUE: Final = ProblemKind(
    "MS-POL-050",
    "a test value that does not fit its feature",
    "a value of the feature's type, or null",
    "Correct the value.",
)
REVIEW_BEFORE_START: Final = ProblemKind(
    "MS-POL-051",
    "a review date before the rule takes effect",
    "review_by after effective_from",
    "Correct one of the dates.",
)

PROBLEMS: Final[dict[str, ProblemKind]] = {
    kind.code: kind for kind in list(globals().values()) if isinstance(kind, ProblemKind)
}
"""Every kind above by its code; docs/errors.md is generated from it."""
