"""Templates, style and script of the report, read as package data."""
