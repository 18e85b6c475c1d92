"""Cases: one account in one workspace, what was decided about it, by whom, and what is new since.

    model     what a case is made of
    logged    the kinds of log events that make cases, written and read
    history   the fold of a log into cases
    items     a run's evidence by digest, so that a decision can say what it had seen
    standing  where a case stands against a run
    due       days within which somebody has to look
    receipts  what hotlines are told of decisions: counts

Pure folds over the log and frames of a run: no file, no clock, no person at work. Recording is left to
workspace/cases.py, words and tables to outputs/ and cli/.
"""
