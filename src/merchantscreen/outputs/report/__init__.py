"""The report: one self-contained page about a run, made from its bundle alone."""

from merchantscreen.outputs.report.page import WATCH_CASES, render

__all__ = ["WATCH_CASES", "render"]
