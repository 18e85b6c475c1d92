"""Encryption to age recipients, tried with the real thing."""

from __future__ import annotations

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.errors import UsageError
from merchantscreen.outputs import sealing
from merchantscreen.outputs.sealing import seal

ONE, TWO = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN alice@host.example"


def codes(*recipients: str) -> list[tuple[int | None, str]]:
    """Return place and code of every recipient that is refused."""
    with pytest.raises(UsageError) as caught:
        seal(b"x", recipients)
    return [(problem.line, problem.code) for problem in caught.value.problems]


@pytest.mark.parametrize("armoured", [False, True])
@pytest.mark.parametrize("data", [b"", b"a receipt", bytes(range(256)) * 1000])
def test_every_recipient_can_open_it_and_nobody_else(data: bytes, armoured: bool) -> None:
    """Two recipients, one stranger; text or binary."""
    sealed = seal(data, [str(ONE.to_public()), f" {TWO.to_public()}\n"], armoured=armoured)
    assert pyrage.decrypt(sealed, [ONE]) == pyrage.decrypt(sealed, [TWO]) == data
    assert sealed.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----" if armoured else b"age-encryption.org/v1")
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [pyrage.x25519.Identity.generate()])


def test_keys_of_ssh_are_recipients_too() -> None:
    """What people already publish is enough."""
    assert seal(b"x", [SSH]).startswith(b"age-encryption.org/v1")


def test_what_is_no_public_key_is_refused_by_its_place() -> None:
    """All of them at once, without repeating them."""
    assert codes(str(ONE.to_public()), "age1nonsense", "somebody") == [(2, "MS-SEAL-003"), (3, "MS-SEAL-003")]
    assert codes("ssh-ed25519 AAAA") == [(1, "MS-SEAL-003")]
    assert codes() == [(None, "MS-SEAL-002")]


def test_a_secret_key_is_never_repeated() -> None:
    """Given by mistake, it is refused and not shown."""
    secret = str(ONE)
    assert codes(secret.lower()) == [(1, "MS-SEAL-004")]
    with pytest.raises(UsageError) as caught:
        seal(b"x", [secret])
    assert secret not in f"{caught.value}{caught.value.problems}"


@given(st.text(max_size=80) | st.text(max_size=60).map("age1{}".format) | st.text(max_size=60).map("ssh-rsa {}".format))
def test_any_recipient(text: str) -> None:
    """No foreign exception, whatever is given as a key."""
    with pytest.raises(UsageError):
        seal(b"x", [text])


def test_without_pyrage_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional; what is missing and how to get it is in the message."""
    monkeypatch.setattr(sealing, "pyrage", None)
    with pytest.raises(UsageError) as caught:
        seal(b"x", ["age1"])
    (problem,) = caught.value.problems
    assert (problem.code, problem.fix) == ("MS-SEAL-001", "pip install 'merchantscreen[age]'")
