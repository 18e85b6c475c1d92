"""The report: one self-contained page about a run, made from its bundle alone."""

from merchantscreen.outputs.report.page import MOST_CASES, WATCH_CASES, Extent, Limits, pieces, render

__all__ = ["MOST_CASES", "WATCH_CASES", "Extent", "Limits", "pieces", "render"]
