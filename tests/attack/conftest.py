"""Both kinds of stores, for the attacks in which the store matters, and the clock of a desk that takes referrals in."""

from __future__ import annotations

from exchange.desk import clock
from workspace.conftest import database, server, store

__all__ = ["clock", "database", "server", "store"]
