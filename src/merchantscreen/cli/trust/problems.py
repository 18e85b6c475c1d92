"""Every way a change of the trust file can be asked for wrongly: codes `MS-TRU-…`.

What is wrong with a trust file itself, or with its signatures, has the codes of the exchange (MS-EXC).
"""

from __future__ import annotations

from typing import Final

from merchantscreen.errors import ProblemKind

NO_CHANGE: Final = ProblemKind(
    "MS-TRU-001", "no change", "an organisation, a key, an officer, a protected host or --expires",
    "Say what the next version is to hold; --expires alone renews the current one.",
)  # fmt: skip
NO_OFFICERS: Final = ProblemKind(
    "MS-TRU-002", "a first trust file without officers", "--officer NAME=ed25519:... for two persons or more",
    "Let every officer make a key with hotline keygen, and name them with the public lines.",
)  # fmt: skip
OFFICER_MALFORMED: Final = ProblemKind(
    "MS-TRU-003", "an officer without name or key", "NAME=ed25519:...", "Give the name, an equals sign and the line."
)
NO_ORGANISATION: Final = ProblemKind(
    "MS-TRU-004", "fields of an organisation that is not named", "--organisation ID", "Name the organisation."
)
KEY_LOST: Final = ProblemKind(
    "MS-TRU-005", "an organisation without a key that it has, or with other dates for it", "every key, as it is",
    "Take keys over as trust show --json has them; end them with trust rotate or trust revoke.",
)  # fmt: skip
KEY_UNCLEAR: Final = ProblemKind(
    "MS-TRU-006", "a key id that is not clear", "a key id, or its first 8 digits or more where one key has them",
    "Copy it from trust show.",
)  # fmt: skip
OFFICERS_KEY: Final = ProblemKind(
    "MS-TRU-007", "the key of an officer", "a key of an organisation",
    "Replace it with trust rotate, or take the officer out with trust remove --officer; what they signed stays.",
)  # fmt: skip
REASON_MALFORMED: Final = ProblemKind(
    "MS-TRU-008", "a reason that is no code", "letters, digits, . _ and -, up to 64, such as key-stolen",
    "Write a short code; it is recorded and stays.",
)  # fmt: skip
NO_REMOVAL: Final = ProblemKind(
    "MS-TRU-009", "nothing to remove", "--officer, --key, --organisation or --unprotect", "Say what is to go."
)
NO_OFFICER: Final = ProblemKind(
    "MS-TRU-010", "an officer that the trust file does not name", "a name as trust show has it",
    "Copy the whole name from trust show.",
)  # fmt: skip
TOO_FEW_OFFICERS: Final = ProblemKind(
    "MS-TRU-011", "fewer officers than have to sign", "two officers at least, and as many as have to sign",
    "Add another officer first with trust add --officer, or let fewer sign with --officers-needed, two at least.",
)  # fmt: skip
NOT_PROTECTED: Final = ProblemKind(
    "MS-TRU-012", "a host that is not protected", "a protected host of trust show", "Copy it from trust show --json."
)
TWO_GROUNDS: Final = ProblemKind(
    "MS-TRU-013", "--current together with --first-of", "one of them", "A first version follows none: leave one out."
)

PROBLEMS: Final[dict[str, ProblemKind]] = {
    value.code: value for value in list(globals().values()) if isinstance(value, ProblemKind)
}
"""Every kind of wrong request, by code."""
