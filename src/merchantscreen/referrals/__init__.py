"""Referral events in, flagged domains as of a moment out."""
