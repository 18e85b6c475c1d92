"""A program that appends to a log and says each number once it is acknowledged; tests run and kill it.

python writing.py PLACE COUNT    append COUNT events
python writing.py PLACE kill N   N times: fork a writer without end, kill it, count what it was promised
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from eventlog.stores import AT

from merchantscreen.eventlog.log import open_log
from merchantscreen.eventlog.stored import Place


def write(place: Place, count: int | None, out: int) -> None:
    """Append events, each acknowledged by one byte."""
    with open_log(place, busy_seconds=120) as log:
        done = 0
        while count is None or done < count:
            log.append("test.written", f"process-{os.getpid()}", {"number": done}, at=AT, personal={"note": "n" * 50})
            os.write(out, b".")
            done += 1


def kill(place: Place, times: int) -> int:
    """Kill writers at random moments and return how many events they had been promised."""
    chance, promised = random.Random(4), 0
    for _ in range(times):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            write(place, None, writing)
        os.close(writing)
        if chance.random() < 0.75:  # The others are killed while they open the log.
            promised += len(os.read(reading, 1))
        time.sleep(chance.uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while got := os.read(reading, 65536):
            promised += len(got)
        os.close(reading)
    return promised


if __name__ == "__main__":
    where = Path(sys.argv[1]) if sys.argv[1].startswith("/") else sys.argv[1]
    if sys.argv[2] == "kill":
        sys.stdout.write(f"{kill(where, int(sys.argv[3]))}\n")
    else:
        write(where, int(sys.argv[2]), sys.stdout.fileno())
