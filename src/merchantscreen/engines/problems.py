"""The problems of an engine: what is not installed, cannot be reached, or failed underway. Codes `MS-ENG-…`."""

from __future__ import annotations

from typing import Final

from merchantscreen.errors import ProblemKind

_ROWS: Final = (
    ProblemKind("MS-ENG-001", "Spark's Python package is not installed", "pyspark of version 4",
                "Install it with: pip install 'merchantscreen[spark]', or 'merchantscreen[spark-connect]' where a "
                "Connect server does the work; or leave --engine out."),
    ProblemKind("MS-ENG-002", "no Java that Spark could start", "Java 17 or later, on the PATH or in JAVA_HOME",
                "Install one, such as openjdk-17-jre-headless; or use --spark-remote, or leave --engine out."),
    ProblemKind("MS-ENG-003", "options of Spark that do not go together",
                "--engine spark with --spark-master or --spark-remote, not both",
                "Name one place where Spark runs; without either it runs on this machine."),
    ProblemKind("MS-ENG-004", "a Spark that cannot be reached", "a master or a Connect server that answers",
                "Check the address and that the server is up and of version 4; nothing was published."),
    ProblemKind("MS-ENG-005", "a Spark job that failed", "a job that ends well",
                "Look at Spark's own log for the reason: room on its disks, memory, a lost executor; "
                "then run again. Nothing was published."),
    ProblemKind("MS-ENG-006", "executors that cannot run this package",
                "the same version of merchantscreen and of Python as here",
                "Install it on the cluster, or in the environment that PYSPARK_PYTHON names; or export the rows and "
                "give them with --transactions."),
    ProblemKind("MS-ENG-007", "a table or folder that Spark cannot open",
                "a table of its catalogue, or the address of Parquet files",
                "Check the name, and that this user may read it there."),
    ProblemKind("MS-ENG-008", "transactions from no place, or from two", "--transactions or --spark-transactions",
                "Give the files, or with --engine spark the tables; a repeated id can only be found in one place."),
    ProblemKind("MS-ENG-009", "a run whose transactions Spark read where they are", "a run from files",
                "Screen the tables again with --spark-transactions, if they still are what they were, and compare the "
                "two runs with merchantscreen diff."),
)  # fmt: skip

PROBLEMS: Final[dict[str, ProblemKind]] = {row.code: row for row in _ROWS}
