"""The reader of `sql/`: one file is one SELECT that defines one table.

A file begins with a header of comments that names the table it defines, its grain, its key and its purpose:

    -- table: membership_counts
    -- grain: one row for each cell of each level
    -- key: reconciliation, as_of, downstream_system
    -- purpose: ...

`sql/schema/` holds CREATE TABLE statements instead and is read by `schema.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from memsync_assets.mart.dialects import parameter_names
from memsync_assets.settings import PROJECT

SQL = PROJECT / "sql"
_HEADER = re.compile(r"^--\s*(table|grain|key|purpose):\s*(.*?)\s*$")
_MORE = re.compile(r"^--\s{2,}(.*?)\s*$")


@dataclass(frozen=True)
class Query:
    """One file under `sql/`.

    Attributes:
        name: its path under `sql/` without the ending, e.g. `parity/membership_counts`.
        text: the T-SQL as written.
        table: the table that it defines.
        grain: what one row stands for.
        key: the columns that tell rows apart; empty when no key is promised.
        purpose: why the table is there.
    """

    name: str
    text: str
    table: str
    grain: str
    key: tuple[str, ...]
    purpose: str

    @property
    def parameters(self) -> frozenset[str]:
        """The names of the parameters that must be bound."""
        return parameter_names(self.text)


def _read_header(text: str) -> dict[str, str]:
    header: dict[str, str] = {}
    last = None
    for line in text.splitlines():
        if match := _HEADER.match(line):
            last = match[1]
            header[last] = match[2]
        elif last and (more := _MORE.match(line)):
            header[last] += " " + more[1]
        elif not line.startswith("--"):
            break
    return header


@cache
def read_query(name: str) -> Query:
    """The query of `sql/<name>.sql`.

    Raises:
        ValueError: its header lacks one of table, grain, key, purpose.
    """
    text = (SQL / f"{name}.sql").read_text(encoding="utf-8")
    header = _read_header(text)
    if missing := {"table", "grain", "key", "purpose"} - header.keys():
        raise ValueError(f"sql/{name}.sql: the header lacks {', '.join(sorted(missing))}")
    key = tuple(part.strip() for part in header["key"].split(",") if part.strip() not in ("", "none"))
    return Query(name, text, header["table"], header["grain"], key, header["purpose"])


def all_queries() -> list[Query]:
    """Every query under `sql/`, by name."""
    files = sorted(path for path in SQL.rglob("*.sql") if path.parent.name != "schema")
    return [read_query(_name(path)) for path in files]


def _name(path: Path) -> str:
    return path.relative_to(SQL).with_suffix("").as_posix()
