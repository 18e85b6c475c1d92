"""What a run looks like from outside: files, console, explanation. Views of the ledger, never its maker."""
