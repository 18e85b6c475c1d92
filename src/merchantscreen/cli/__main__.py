"""`python -m merchantscreen.cli`, the same as the command `merchantscreen`."""

from __future__ import annotations

import sys

from merchantscreen.cli import main

sys.exit(main())
