"""What tests of the command share: the clock of a desk that takes referrals in."""

from __future__ import annotations

from exchange.desk import clock

__all__ = ["clock"]
