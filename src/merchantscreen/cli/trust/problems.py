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
    "Replace an officer's key with trust rotate; what officers signed together stays.",
)  # fmt: skip
REASON_MALFORMED: Final = ProblemKind(
    "MS-TRU-008", "a reason that is no code", "letters, digits, . _ and -, up to 64, such as key-stolen",
    "Write a short code; it is recorded and stays.",
)  # fmt: skip

PROBLEMS: Final[dict[str, ProblemKind]] = {
    value.code: value for value in list(globals().values()) if isinstance(value, ProblemKind)
}
"""Every kind of wrong request, by code."""
