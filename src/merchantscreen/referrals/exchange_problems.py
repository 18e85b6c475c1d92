"""Every way an envelope, a key, a statement, the trust file or its place in a stream can be wrong.

A refusal here keeps a forged referral out, or names a lost one, so each says what the
person in front of it can do. No value is repeated: what is refused may be what must not
come in. What is wrong with the referral event inside a statement has the codes of
`problems` (MS-REF). docs/errors.md is generated from this table.
"""

from __future__ import annotations

from typing import ClassVar, Final

from merchantscreen.errors import InputError, ProblemKind

EXIT_UNTRUSTED: Final = 6
"""Exit code for a stream with a gap or fork, and for anything that is not signed as it has to be."""


class EnvelopeError(InputError):
    """An envelope, or what is inside it, cannot be read at all."""


class SignatureError(EnvelopeError):
    """An envelope is well formed and not signed by whom it has to be."""

    exit_code: ClassVar[int] = EXIT_UNTRUSTED


class TrustError(InputError):
    """A trust file does not follow from the one we hold."""

    exit_code: ClassVar[int] = EXIT_UNTRUSTED


_SEND_AGAIN: Final = "Ask the sender for the file as it was signed; do not edit it."
_ASK_OFFICERS: Final = "Ask the network's officers, over a channel you already trust, which version is right."
_ASK_ISSUER: Final = "Ask the hotline what happened; nothing else of it is taken in until this is settled."

_KINDS: Final = (
    # --- the envelope -------------------------------------------------------------------------
    ProblemKind("MS-EXC-001", "a file that is too large", "at most 65,536 bytes in an envelope, 40,000 in its payload",
                "Leave out what is not part of a referral event."),
    ProblemKind("MS-EXC-002", "bytes that are not JSON in UTF-8", "one JSON object", _SEND_AGAIN),
    ProblemKind("MS-EXC-003", "the same key twice in one object", "each key once", _SEND_AGAIN),
    ProblemKind("MS-EXC-004", "a number that is not whole, or too large", "whole numbers below 2^53", _SEND_AGAIN),
    ProblemKind("MS-EXC-005", "JSON nested too deeply", "at most 16 levels", _SEND_AGAIN),
    ProblemKind("MS-EXC-006", "a text that is not in Unicode form C", "composed characters and whole code points",
                "Let the sending program normalise its texts (NFC) before it signs."),
    ProblemKind("MS-EXC-007", "fields that an envelope does not have, or lacks",
                "payload, payloadType and signatures; in a signature keyid and sig", _SEND_AGAIN),
    ProblemKind("MS-EXC-008", "base64 that is not strict", "RFC 4648 base64 with padding and nothing else",
                _SEND_AGAIN),
    ProblemKind("MS-EXC-009", "an envelope of another kind", "the payload type that belongs to this command",
                "Check that this is the file you meant: statements and trust files are not exchangeable."),
    ProblemKind("MS-EXC-010", "no signature, or too many", "1 to 32 signatures", _SEND_AGAIN),
    ProblemKind("MS-EXC-011", "two signatures of one key", "each key signs once",
                "Remove the second signature; it adds nothing."),
    ProblemKind("MS-EXC-012", "a signature of a key that is not known here", "keys of the trust file",
                "Check whether the trust file is current; if it is, the key is not trusted and neither is the file."),
    ProblemKind("MS-EXC-013", "a signature that does not fit", "a signature over exactly these bytes", _SEND_AGAIN),
    ProblemKind("MS-EXC-014", "a key id of another form", "sha256 of the public key in 64 hexadecimal digits",
                _SEND_AGAIN),
    # --- keys ---------------------------------------------------------------------------------
    ProblemKind("MS-EXC-020", "a text that is not a public key", "ed25519: and 44 characters of base64",
                "Copy the whole line that `hotline keygen` printed."),
    ProblemKind("MS-EXC-021", "a public key that must not be trusted",
                "a canonical point of prime order, as every generated key is",
                "Make a new key with `hotline keygen`; do not accept this one from anybody."),
    ProblemKind("MS-EXC-022", "bytes that are not a private key", "an unencrypted Ed25519 key as PKCS 8 in PEM",
                "Use the file that `hotline keygen` wrote."),
    # --- the statement ------------------------------------------------------------------------
    ProblemKind("MS-EXC-030", "a field that is missing, unknown or malformed", "the fields of docs/exchange.md",
                "Write the statement with `hotline draft`, or correct the sending program."),
    ProblemKind("MS-EXC-031", "another issuer than the hotline of the event", "one hotline in both places",
                "Let the hotline that made the referral sign its own events."),
    ProblemKind("MS-EXC-032", "another time of issue than that of the event", "one time in both places",
                "Write the same issued_at in the statement and in its event."),
    ProblemKind("MS-EXC-033", "a first statement with a predecessor, or a later one without",
                "64 zeros as prev in statement 1, and in no other",
                "Give prev the sha256 of the payload of your previous statement."),
    # --- the trust file -----------------------------------------------------------------------
    ProblemKind("MS-EXC-040", "a field of the trust file that is missing, unknown or malformed",
                "the fields of docs/exchange.md", "Make the change with `trust add`, `rotate` or `revoke`."),
    ProblemKind("MS-EXC-041", "parts of the trust file that contradict each other", "parts that agree",
                "Correct one of the parts named."),
    ProblemKind("MS-EXC-042", "too few signatures of the current officers",
                "as many as the threshold of the version we hold", "Gather the missing signatures with `trust sign`."),
    ProblemKind("MS-EXC-043", "too few signatures of the officers it names", "as many as its own threshold",
                "Gather the missing signatures with `trust sign`."),
    ProblemKind("MS-EXC-044", "an older version than the one we hold", "the next version",
                "Keep the version you hold; somebody sent an old one. " + _ASK_OFFICERS),
    ProblemKind("MS-EXC-045", "a version that skips others", "the version after the one we hold",
                "Ask for the versions in between and accept them in order."),
    ProblemKind("MS-EXC-046", "a second trust file with the version we hold", "one file for each version",
                _ASK_OFFICERS),
    ProblemKind("MS-EXC-047", "a trust file that has expired", "one that has not",
                "Ask the officers for the current version; until then nothing signed is taken in."),
    ProblemKind("MS-EXC-048", "the trust file of another network", "the audience of this workspace",
                "Check which network the file was meant for."),
    ProblemKind("MS-EXC-049", "another file than the one that was pinned", "the file with the pinned sha256",
                _ASK_OFFICERS),
    ProblemKind("MS-EXC-050", "a trust file from the future, or older than its predecessor",
                "issued after its predecessor and not after now", "Check the clocks of both sides."),
    ProblemKind("MS-EXC-051", "a key that the trust file does not hold", "the id of one of its keys",
                "List the keys with `trust show`."),
    ProblemKind("MS-EXC-052", "an organisation that the trust file does not hold", "the id of one of its organisations",
                "List the organisations with `trust show`."),
    ProblemKind("MS-EXC-053", "no trust file", "a trust file that was accepted here",
                "Accept the network's first trust file with `trust accept`."),
    # --- admission ----------------------------------------------------------------------------
    ProblemKind("MS-EXC-060", "a gap in the hotline's numbers", "every number once, in order",
                "Ask the hotline for the statements that are missing, then send this one again."),
    ProblemKind("MS-EXC-061", "two statements of one hotline that cannot both be in its stream", "one stream",
                _ASK_ISSUER + " The officers settle it with `trust revoke`."),
    ProblemKind("MS-EXC-062", "a statement that was revoked, sent again", "statements that were not revoked",
                "Nothing; find out who sends it."),
    ProblemKind("MS-EXC-063", "a statement outside what the hotline may state", "its events, countries and suffixes",
                "Ask the officers to widen its scope; the hotline then states it again under a new number."),
    ProblemKind("MS-EXC-064", "a statement for another network", "the audience of this workspace",
                "Send it to the network that it names."),
    ProblemKind("MS-EXC-065", "a statement from the future", "a time of issue at most 10 minutes ahead of our clock",
                "Check the clocks of both sides, then send it again."),
    ProblemKind("MS-EXC-066", "a statement without a valid signature of its own hotline",
                "a key of the hotline that is valid when it signs and when we receive",
                "Let the hotline sign with a current key."),
    ProblemKind("MS-EXC-067", "a statement received while the trust file was expired", "a current trust file",
                "Accept the current trust file, then send the statement again."),
    ProblemKind("MS-EXC-070", "more statements in a day than this hotline usually makes",
                "less than a hundred times its usual day", "An officer looks at them and releases them."),
    ProblemKind("MS-EXC-071", "a protected host", "confirmations of two organisations and the release of an officer",
                "Ask a second organisation; then an officer decides."),
    ProblemKind("MS-EXC-072", "fewer organisations than the network asks for", "confirmations of enough organisations",
                "Ask another organisation to confirm it; it counts as soon as they do."),
    # --- the log ------------------------------------------------------------------------------
    ProblemKind("MS-EXC-080", "a logged event that does not have the form of its kind", "the form that we write",
                "Run `log verify`, and report this with the index named."),
    ProblemKind("MS-EXC-081", "a transcribed list without two different officers", "two officers who both compared it",
                "Let a second officer compare the list with its source and countersign."),
    ProblemKind("MS-EXC-082", "a release of something that does not wait", "a quarantined statement",
                "List what waits with `referrals list`."),
    ProblemKind("MS-EXC-083", "a referral event that is too large to be recorded", "at most 40,000 bytes",
                "Leave out what is not part of a referral event."),
)  # fmt: skip

PROBLEMS: Final[dict[str, ProblemKind]] = {kind.code: kind for kind in _KINDS}
