"""Both kinds of stores, for the attacks in which the store matters."""

from __future__ import annotations

from workspace.conftest import database, server, store

__all__ = ["database", "server", "store"]
