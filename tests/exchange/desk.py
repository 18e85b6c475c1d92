"""A desk that takes referrals in by the real command: a workspace with three hotlines, a clock, a folder for files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cli.command import AS_OF, Inputs, Ran, merchantscreen
from exchange import network
from workplace import Clock, Workplace

from merchantscreen.referrals.keys import SigningKey

PROTECTED: Final = "bank.example"
SITE: Final = "amber-shop.example"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set the only clock there is; it goes on a second with every look."""
    return Clock(network.NOW, timedelta(seconds=1)).put_up(monkeypatch)


class Desk(Workplace):
    """A workspace whose network has three hotlines, and a folder for files beside it."""

    def __init__(self, folder: Path, clock: Clock, *init: str) -> None:
        """Make the workspace, with more words for `init` if any, and let it accept the network's trust file."""
        super().__init__(folder / "ws")
        self.folder = folder
        self.clock = clock
        assert merchantscreen("init", self.place, "--audience", network.AUDIENCE, *init).code == 0
        self.trust = network.trust(protected_hosts=(PROTECTED,))
        trust_file = folder / "trust.json"
        trust_file.write_bytes(network.signed_trust(self.trust))
        assert merchantscreen("trust", "accept", trust_file, "--workspace", self.place).code == 0

    def send(self, *data: bytes, name: str = "sent.dsse.jsonl") -> Ran:
        """Import envelopes, one a line."""
        path = self.folder / name
        path.write_bytes(b"".join(one + b"\n" for one in data))
        return self.run("referrals", "import", path)

    def sent(self, *data: bytes) -> dict[str, Any]:
        """Import envelopes, whatever the exit code, and read what it says."""
        path = self.folder / "sent.dsse.jsonl"
        path.write_bytes(b"".join(one + b"\n" for one in data))
        stated: dict[str, Any] = json.loads(self.run("referrals", "import", path, "--json").out)
        return stated

    def states(self) -> dict[str, str]:
        """Return the state of every referral by number."""
        return {one["number"]: one["state"] for one in self.json("referrals", "list")["referrals"]}

    def screen(self, run_id: str) -> dict[str, Any]:
        """Screen three small accounts."""
        inputs = Inputs.good(self.folder)
        named = ("--merchants", inputs.folder / "merchants.csv", "--transactions", inputs.folder / "transactions.csv")
        return self.json("screen", *named, "--as-of", AS_OF, "--run-id", run_id)

    def officer(self, name: str, key: SigningKey) -> Sequence[str | Path]:
        """Return the words by which an officer signs."""
        path = self.folder / f"{key.key_id[:8]}.key"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_bytes(key.private_pem())
        return "--officer", name, "--key", path

    @property
    def first(self) -> Sequence[str | Path]:
        """Return the words of the first officer."""
        return self.officer("Officer 1", network.FIRST_OFFICER)

    @property
    def second(self) -> Sequence[str | Path]:
        """Return the words of the second officer."""
        return self.officer("Officer 2", network.SECOND_OFFICER)


def confirms(hotline: network.Hotline, domain: str = SITE, **changes: Any) -> bytes:
    """Return a hotline's confirmation of a site, in time for the run."""
    stated = {"received_at": "2026-09-09T09:00:00Z", "confirmed_at": "2026-09-10T09:00:00Z", **changes}
    return hotline.states(domain=domain, **stated)
