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
    "all policy files at the top of the rule folder",
    "Copy the file from the built-in policy and adapt it.",
)
FILE_UNEXPECTED: Final = ProblemKind(
    "MS-POL-003",
    "a file that would be skipped",
    "policy files at the top, one folder per typology with rules named <rule-id>.yml, and exceptions/",
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

INDICATOR_UNKNOWN: Final = ProblemKind(
    "MS-POL-052",
    "an indicator that is not in the catalogue",
    "one or more ids of indicators.yml",
    "Correct the id, or add the indicator with its source to indicators.yml.",
)
INDICATOR_EXCLUDED: Final = ProblemKind(
    "MS-POL-053",
    "a rule for an indicator that was excluded",
    "indicators that are not excluded in indicators.yml",
    "Read the reason there; build no rule on it, or have the exclusion reviewed first.",
)
GATE_READS_BEHAVIOUR: Final = ProblemKind(
    "MS-POL-054",
    "a rule of role gate that reads more than links to referred domains",
    "link features only: referred_..., clue_..., linked_...",
    "Give it the role rank or context, or leave behaviour out: behaviour alone opens no case.",
)
RANK_READS_LINKS: Final = ProblemKind(
    "MS-POL-055",
    "a ranking rule that counts a link a second time",
    "behaviour only; links have their weight in evidence.yml",
    "Leave the link feature out, or give the rule the role gate or context.",
)
BOUNDARY_UNTESTED: Final = ProblemKind(
    "MS-POL-056",
    "a threshold without a test that stands exactly on it",
    "a test whose value equals the number in `when`",
    "Add the test: whether the boundary itself hits is what reviewers ask first.",
)
CONDITION_TWICE: Final = ProblemKind(
    "MS-POL-057",
    "the same condition as another rule",
    "one rule per condition",
    "Merge the two: the same behaviour would count twice.",
)
REASON_SILENT: Final = ProblemKind(
    "MS-POL-058",
    "a reason that shows no observed value",
    "at least one {feature} in `reason`",
    "Name the values that decided; the sentence is what an analyst reads.",
)
SUPPRESSION_UNKNOWN: Final = ProblemKind(
    "MS-POL-059",
    "a suppression of a lint that does not exist",
    "the name of a lint in docs/lints/",
    "Correct the name, or remove the suppression.",
)
SUPPRESSION_REFUSED: Final = ProblemKind(
    "MS-POL-060",
    "a suppression of a lint that cannot be suppressed",
    "suppressions only where docs/lints/ allows them",
    "Remove the suppression and mend the rule.",
)
SUPPRESSION_EXPIRED: Final = ProblemKind(
    "MS-POL-061",
    "a suppression that has expired",
    "`until` in the future",
    "Mend the rule, or give the reason again with a new date.",
)
SUPPRESSION_UNUSED: Final = ProblemKind(
    "MS-POL-062",
    "a suppression that suppresses nothing",
    "suppressions of lints that would speak",
    "Remove it.",
)
EXCEPTION_RULE: Final = ProblemKind(
    "MS-POL-063",
    "an exception from a rule that is not in use",
    "ids of rules that are not retired",
    "Correct the id, or remove the exception.",
)
EXCEPTION_GATE: Final = ProblemKind(
    "MS-POL-064",
    "an exception from a rule of role gate",
    "rules of role rank or context",
    "Remove it: no exception hides a link. If the referral is wrong, the hotline retracts it.",
)
EXCEPTION_LONG: Final = ProblemKind(
    "MS-POL-065",
    "an exception for longer than a year",
    "at most 366 days from effective_from to expires_on",
    "Shorten it; whoever still needs it then gives the reason again.",
)
EXCEPTION_DATES: Final = ProblemKind(
    "MS-POL-066",
    "an exception that expires before it begins",
    "expires_on after effective_from",
    "Correct one of the dates.",
)
EXCEPTION_KIND: Final = ProblemKind(
    "MS-POL-067",
    "an exception for a kind of identifier that does not exist",
    "a kind of docs/identifiers.md that ties account to account",
    "Correct the kind.",
)
CODE_TWICE: Final = ProblemKind(
    "MS-POL-068", "a code or class that stands twice", "each code in one class", "Keep one of the two."
)
LOCK_UNREADABLE: Final = ProblemKind(
    "MS-POL-070",
    "a lock that cannot be read",
    "a rules.lock as `merchantscreen rules lock` writes it",
    "Restore the file; it is not for editing. Only where there is no copy, remove it and lock anew.",
)
LOCK_STALE: Final = ProblemKind(
    "MS-POL-071",
    "a file that differs from the lock",
    "the bytes that were locked",
    "Undo the change, or lock and approve the policy again.",
)
LOCK_VERSION: Final = ProblemKind(
    "MS-POL-072",
    "a changed meaning under an old version",
    "a version above the locked one",
    "Raise `version` in the file, then lock again.",
)
LOCK_BACK: Final = ProblemKind(
    "MS-POL-073",
    "a version below the locked one",
    "a version that never falls",
    "Raise `version` above the locked one; going back is a change like any other.",
)
LOCK_MISSING: Final = ProblemKind(
    "MS-POL-074",
    "a policy without a lock",
    "rules.lock in the rule folder",
    "Run `merchantscreen rules lock`.",
)
NOT_APPROVED: Final = ProblemKind(
    "MS-POL-075",
    "a policy that nobody has approved as it is",
    "an approval of exactly this lock",
    "Have somebody who wrote none of it review it and run `merchantscreen rules approve`.",
)
APPROVALS_UNREADABLE: Final = ProblemKind(
    "MS-POL-076",
    "an approval that cannot be read or was changed",
    "approvals.jsonl as `merchantscreen rules approve` writes it",
    "Restore the file; it is appended to and never edited.",
)
APPROVER_WROTE: Final = ProblemKind(
    "MS-POL-077",
    "an approver who wrote what is to be approved",
    "somebody other than the owner of every file",
    "Have somebody else approve it.",
)
APPROVER_OTHER: Final = ProblemKind(
    "MS-POL-078",
    "an approver other than the one the file asks for",
    "the approver named in the file",
    "Have the person or desk named there approve it, or have the file changed first.",
)

# --------------------------------------------------------------------------- what-if
WHAT_IF_FORM: Final = ProblemKind(
    "MS-POL-090",
    "a what-if that cannot be read",
    "RULE.FEATURE=+10%, TIER.FACT=0.5, evidence.kinds.phone.weight=0.5 or measures.night_from_hour=23",
    "Write the rule or file, a dot, the number's name, `=`, and a number or a percentage with its sign.",
)
WHAT_IF_TARGET: Final = ProblemKind(
    "MS-POL-091",
    "a what-if about something that is not there",
    "a rule, a way into a tier, or a number of evidence.yml or measures.yml, by its name",
    "Look the name up with `merchantscreen rules explain`.",
)
WHAT_IF_NUMBER: Final = ProblemKind(
    "MS-POL-092",
    "a what-if that does not say which number is meant",
    "a feature that the condition compares with one number, or a percentage for all of its numbers",
    "Give a percentage, or change the rule in a copy of the folder and compare the two folders.",
)
WHAT_IF_RESULT: Final = ProblemKind(
    "MS-POL-093",
    "a what-if that leads to a number that cannot stand there",
    "another number than before, within the range of its place",
    "Choose another number.",
)

GATE_WITHOUT_LINK: Final = ProblemKind(
    "MS-POL-079",
    "a gate that can hit where there is no link",
    "no hit where every count is 0 or not known",
    "Ask for at least one link; the absence of links states none.",
)
OUTCOME_FIXED: Final = ProblemKind(
    "MS-POL-080",
    "a condition that comes out the same for every account",
    "values that hit and values that do not",
    "Compare with numbers that the feature can have; shares go from 0 to 1.",
)
PART_IDLE: Final = ProblemKind(
    "MS-POL-081",
    "a part of the condition that decides nothing",
    "parts each of which makes a difference for some account",
    "Remove the part, or correct its number.",
)
TOO_WIDE: Final = ProblemKind(
    "MS-POL-082",
    "a condition with too many parts to try every case",
    "about eight features with a threshold each",
    "Split the rule in two; nobody could review it either.",
)
PART_UNTESTED: Final = ProblemKind(
    "MS-POL-083",
    "a part of the condition that no test depends on",
    "for every part a test whose outcome it decides",
    "Add a test that only this part makes hit, or keeps from hitting.",
)
TEST_IMPOSSIBLE: Final = ProblemKind(
    "MS-POL-084",
    "a test with a value that no account can have",
    "values as docs/features.md gives them; shares go from 0 to 1",
    "Correct the value.",
)
TEST_FOREIGN: Final = ProblemKind(
    "MS-POL-085",
    "a test with a value that the rule does not read",
    "values of the features in `when`",
    "Correct the name, or remove the value.",
)
TEST_TWICE: Final = ProblemKind(
    "MS-POL-086",
    "two tests with one name or the same values",
    "tests that differ in both",
    "Rename one of the two, or remove it.",
)
PLACEHOLDER_TEXT: Final = ProblemKind(
    "MS-POL-087",
    "a word that stands for a text still to be written",
    "the text itself",
    "Write the text, or leave the rule out until there is one.",
)
ACCUSING: Final = ProblemKind(
    "MS-POL-088",
    "a title or reason that accuses",
    "what was observed, without a verdict",
    "Say what was seen and leave the conclusion to the reviewer.",
)
SUPPRESSION_LONG: Final = ProblemKind(
    "MS-POL-089",
    "a suppression that outlasts the rule's review",
    "`until` no later than `review_by`; for review-overdue at most 92 days later",
    "Shorten it; the review decides whether it is still needed.",
)
CASE_FAILED: Final = ProblemKind(
    "MS-POL-094",
    "a test of the rule that fails",
    "the outcome that the test expects",
    "Correct the rule or the test; see `merchantscreen rules explain`.",
)

PROBLEMS: Final[dict[str, ProblemKind]] = {
    kind.code: kind for kind in list(globals().values()) if isinstance(kind, ProblemKind)
}
"""Every kind above by its code; docs/errors.md is generated from it."""
