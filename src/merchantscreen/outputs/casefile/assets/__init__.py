"""Template and style of the investigation file; read as package data."""
