"""Files for others encrypted to their age keys: bytes in, bytes out.

Rules kept here:
* recipients are public keys, `age1...` or ssh-ed25519 and ssh-rsa; a secret key given by
  mistake is refused and never repeated;
* the bytes are for everyone named and for nobody else; there is no passphrase and no plug-in;
* pyrage is an optional extra: without it everything else works, and this says so in one line.

Opening is the recipients' business, with any age tool. Writing the file is left to the caller.
Source: age-encryption.org/v1; two-person, encrypted export of the threat model, row 18.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from merchantscreen.errors import Problem, ProblemKind, UsageError

try:
    import pyrage  # type: ignore[import-untyped]  # it ships no types
except ImportError:  # the extra is optional
    pyrage = None

NO_PYRAGE: Final = ProblemKind(
    "MS-SEAL-001", "the age extra is not installed", "pyrage", "pip install 'merchantscreen[age]'"
)
NO_RECIPIENT: Final = ProblemKind(
    "MS-SEAL-002", "no recipient", "at least one public key", "Name whom the file is for."
)
NOT_A_RECIPIENT: Final = ProblemKind(
    "MS-SEAL-003", "a recipient that is no public key", "age1..., ssh-ed25519 or ssh-rsa",
    "Ask the recipient for the public key, for instance by age-keygen -y.",
)  # fmt: skip
SECRET_KEY: Final = ProblemKind(
    "MS-SEAL-004", "a secret key instead of a public one", "age1..., ssh-ed25519 or ssh-rsa",
    "Tell its owner that this key has been seen, and ask for the public key of a new one.",
)  # fmt: skip
NOT_SEALED: Final = ProblemKind(
    "MS-SEAL-005", "encryption failed", "public keys that age can encrypt to", "Ask the recipients for other keys."
)
PROBLEMS: Final[dict[str, ProblemKind]] = {
    kind.code: kind for kind in (NO_PYRAGE, NO_RECIPIENT, NOT_A_RECIPIENT, SECRET_KEY, NOT_SEALED)
}

MAX_RECIPIENTS: Final = 100
_AGE: Final = "age1"
_SSH: Final = ("ssh-ed25519 ", "ssh-rsa ")
_SECRET: Final = ("AGE-SECRET-KEY-", "-----BEGIN")


def seal(data: bytes, recipients: Sequence[str], *, armoured: bool = False) -> bytes:
    """Encrypt bytes to recipients.

    Args:
        data: Anything, also nothing.
        recipients: Public keys, 1 to 100; `line` of a problem is the place of a key among them, from 1.
        armoured: As text that survives e-mail, a third longer.

    Raises:
        UsageError: No pyrage, no recipient, or one that is no public key; all of them are named.
    """
    if pyrage is None:
        raise _refusal(NO_PYRAGE.at("encryption"))
    if not 0 < len(recipients) <= MAX_RECIPIENTS:
        raise _refusal(NO_RECIPIENT.at("recipients", found=f"{len(recipients)} recipients" if recipients else None))
    keys = [_key(text.strip(), place) for place, text in enumerate(recipients, start=1)]
    problems = tuple(key for key in keys if isinstance(key, Problem))
    if problems:
        raise _refusal(*problems)
    try:
        sealed: bytes = pyrage.encrypt(data, keys, armored=armoured)
    except pyrage.EncryptError as error:
        raise _refusal(NOT_SEALED.at("recipients")) from error
    return sealed


def _key(text: str, place: int) -> Any:
    """Read one public key, or say what is wrong with it."""
    if text.upper().startswith(_SECRET):
        return SECRET_KEY.at("recipients", place)
    family = pyrage.x25519 if text.startswith(_AGE) else pyrage.ssh if text.startswith(_SSH) else None
    try:
        return NOT_A_RECIPIENT.at("recipients", place) if family is None else family.Recipient.from_str(text)
    except (pyrage.RecipientError, ValueError):
        return NOT_A_RECIPIENT.at("recipients", place)


def _refusal(*problems: Problem) -> UsageError:
    return UsageError(f"nothing was encrypted: {problems[0].found}", problems)
