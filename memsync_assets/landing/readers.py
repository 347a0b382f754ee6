"""Reading data files by DuckDB: what each column holds as it should be, and what is wrong with it, as SQL.

Nothing is read row by row in Python. A `Reader` is one file's SELECT; `validation` runs it to check,
`application` to load.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from memsync_assets.landing import iso
from memsync_assets.landing.contract import STATE_CODES, Column, TableContract
from memsync_assets.landing.plain_files import open_plain

CHANGE = "change"
_BLANKS = "' ' || chr(9) || chr(10) || chr(13) || chr(160)"
_TIMESTAMPS = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
_ZONED = ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS")
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_CSV = "auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', strict_mode = true"
#: A folder above that is named `key=value` is no column.
_NO_PATH_COLUMNS = "hive_partitioning = false"


class UnreadableError(Exception):
    """The file cannot be read as what its name says; the text quotes nothing of it."""


@dataclass(frozen=True)
class Check:
    """A condition that no row of a file may meet."""

    kind: str
    column: str
    message: str
    condition: str


@dataclass(frozen=True)
class Reader:
    """How one file is read.

    Attributes:
        file: its name.
        source: a FROM item that gives the contract's columns, raw, and `file_row`, the data row from 1.
        values: the SQL of each column's value as the contract wants it; `change` too in a delta.
        checks: what no row may meet.
        missing: required columns that are not there.
        unknown: columns that the contract does not know.
    """

    file: str
    source: str
    values: dict[str, str]
    checks: tuple[Check, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]

    def nearly(self, column: str) -> str | None:
        """A column that the contract does not know and that differs from this one in case and blanks at most."""
        return next((name for name in self.unknown if name.strip().lower() == column), None)

    def select(self, columns: tuple[str, ...]) -> str:
        """A SELECT of these columns' values."""
        return f"SELECT {', '.join(f'{self.values[c]} AS {c}' for c in columns)} FROM {self.source}"  # noqa: S608


def open_reader(connection: duckdb.DuckDBPyConnection, path: Path, table: TableContract, *, delta: bool) -> Reader:
    """Look at a file's columns and say how to read it.

    Raises:
        UnreadableError: the file is truncated, not what its ending says, or repeats a column.
    """
    try:
        open_plain(path).close()  # DuckDB would wait for a pipe, and follow a link
        reader, raw = _parquet(connection, path) if path.suffix == ".parquet" else _csv(path)
    except (duckdb.Error, OSError, EOFError, zlib.error) as error:
        raise UnreadableError(f"cannot be read ({type(error).__name__})") from None
    wanted = {column.name: column for column in table.columns}
    if delta:
        wanted[CHANGE] = Column(CHANGE, "text")
    values: dict[str, str] = {}
    checks: list[Check] = []
    for name, column in wanted.items():
        values[name] = _value(column, raw[name]) if name in raw else _null(column)
        if name in raw:
            checks += _checks(column, raw[name], table)
    if delta and CHANGE in raw:
        checks = [*_for_delta(checks, values[CHANGE]), _unknown_change(values[CHANGE])]
    return Reader(
        file=path.name,
        source=_source(reader, [name for name in wanted if name in raw]),
        values=values,
        checks=tuple(checks),
        missing=tuple(name for name, column in wanted.items() if not column.nullable and name not in raw),
        unknown=tuple(sorted(name for name in raw if name not in wanted)),
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _path_literal(path: Path) -> str:
    """A path that DuckDB reads as it stands, and not as a pattern of many paths."""
    return _literal(re.sub(r"([*?\[])", r"[\1]", str(path.absolute())))


def _parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[str, dict[str, str]]:
    reader = f"read_parquet({_path_literal(path)}, {_NO_PATH_COLUMNS})"
    described = connection.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall()  # noqa: S608
    return reader, {name: kind for name, kind, *_ in described}


def _csv(path: Path) -> tuple[str, dict[str, str]]:
    header = _header(path)
    if len(header) != len({name.lower() for name in header}):
        raise UnreadableError("repeats a column in its header")
    columns = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in header)
    reader = f"read_csv({_path_literal(path)}, {_CSV}, {_NO_PATH_COLUMNS}, columns = {{{columns}}})"
    return reader, dict.fromkeys(header, "VARCHAR")


def _source(reader: str, columns: Iterable[str]) -> str:
    """Only columns of the contract come out of a file, so that none of its own can pass for `file_row`.

    The row's number is the place in the file, which costs something only where it is asked for.
    """
    selected = ", ".join([*map(_quoted, columns), "row_number() OVER () AS file_row"])
    return f"(SELECT {selected} FROM {reader})"  # noqa: S608


def _header(path: Path) -> list[str]:
    """The names in the first row. What is wrong further on is for DuckDB to find, with its row."""
    with open_plain(path) as raw:
        content = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        with io.TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            try:
                header = next(csv.reader(text, strict=True), [])
            except csv.Error:
                raise UnreadableError(
                    "has a header with a quote that is not closed, or a name that is too long"
                ) from None
    if not header:
        raise UnreadableError("has no header")
    if not all(map(_is_utf8, header)):
        raise UnreadableError("has a header that is not UTF-8")
    return header


def _is_utf8(name: str) -> bool:
    """Whether no byte of it had to be escaped when it was decoded."""
    return not any("\udc80" <= character <= "\udcff" for character in name)


def _null(column: Column) -> str:
    kinds = {"date": "DATE", "timestamp": "TIMESTAMP", "count": "BIGINT"}
    return f"CAST(NULL AS {kinds.get(column.kind, 'VARCHAR')})"


def _trimmed(name: str) -> str:
    """The text without blanks around it, null when nothing is left.

    TRIM of a set of characters takes several times as long as all else that is done to a value: it is asked only when
    the first or the last character is a blank, or no ASCII.
    """
    raw = _quoted(name)
    ends = f"{raw} <= '!' OR {raw} >= chr(128) OR right({raw}, 1) <= '!' OR right({raw}, 1) >= chr(128)"
    return f"NULLIF(CASE WHEN {ends} THEN TRIM({raw}, {_BLANKS}) ELSE {raw} END, '')"


def _is_text(raw_type: str) -> bool:
    return raw_type == "VARCHAR" or raw_type.startswith("ENUM")


def _value(column: Column, raw_type: str) -> str:
    """The value as the contract wants it; null where a check finds fault with it."""
    name = _quoted(column.name)
    if column.kind in ("id", "state", "flag"):
        return _trimmed(column.name) if _is_text(raw_type) else _null(column)
    if column.kind == "text":
        return f"NULLIF(CAST({name} AS VARCHAR), '')" if _is_text(raw_type) else _null(column)
    if column.kind == "count":
        if raw_type in _WHOLE:
            return f"TRY_CAST({name} AS BIGINT)"
        return f"TRY_CAST({_trimmed(column.name)} AS BIGINT)" if _is_text(raw_type) else _null(column)
    if column.kind == "date":
        if raw_type == "DATE" or raw_type in _TIMESTAMPS:
            return f"CAST({name} AS DATE)"
        return f"TRY_CAST({_trimmed(column.name)} AS DATE)" if _is_text(raw_type) else _null(column)
    if raw_type in _TIMESTAMPS or raw_type == "DATE":
        return f"CAST({name} AS TIMESTAMP)"
    if raw_type in _ZONED:
        return _utc(_zoned(name))
    if _is_text(raw_type):
        text = _trimmed(column.name)
        zoned = f"regexp_full_match({text}, '{iso.LOCAL_MOMENT}{iso.ZONE}')"
        with_zone = _utc(f"TRY_CAST(upper({text}) AS TIMESTAMPTZ)")
        return f"CASE WHEN {zoned} THEN {with_zone} ELSE TRY_CAST({text} AS TIMESTAMP) END"
    return _null(column)


def _zoned(name: str) -> str:
    """Few of DuckDB's functions know nanoseconds with a time zone."""
    return f"CAST({name} AS TIMESTAMPTZ)"


def _utc(moment: str) -> str:
    """A moment with a time zone as UTC without one, whatever the zone of this machine."""
    return f"make_timestamp(epoch_us({moment}))"


def _checks(column: Column, raw_type: str, table: TableContract) -> list[Check]:
    name, value, raw = column.name, _value(column, raw_type), _quoted(column.name)
    found = []
    if _is_text(raw_type):
        found.append(Check("control_character", name, "holds a NUL character", f"contains({raw}, chr(0))"))
    if not _fits(column, raw_type):
        found.append(
            Check("wrong_type", name, f"is {_kind_of_type(raw_type)}, not {_expected(column)}", f"{raw} IS NOT NULL")
        )
    elif column.kind in ("date", "timestamp"):
        found += _moment_checks(column, raw_type, value)
    elif column.kind == "count":
        digits = f"regexp_full_match(CAST({_trimmed(name) if _is_text(raw_type) else raw} AS VARCHAR), '[0-9]{{1,18}}')"
        found.append(Check("wrong_type", name, "must be a whole number from 0", f"NOT {digits}"))
    if column.kind == "state":
        known = ", ".join(_literal(code) for code in sorted(STATE_CODES))
        found.append(Check("unknown_state", name, "is no state code of the US", f"{value} NOT IN ({known})"))
    if column.kind == "flag":
        found.append(Check("wrong_type", name, "must be Y or N", f"{value} NOT IN ('Y', 'N')"))
    if column.longest and _is_text(raw_type):
        found.append(_length_check(column, value))
    if not column.nullable:
        in_key = name in table.delta_key
        kind = "null_key" if in_key else "null_value"
        found.append(Check(kind, name, "must not be null", f"{value} IS NULL" + _unless_wrong(found)))
    return found


def _length_check(column: Column, value: str) -> Check:
    """Bytes are never fewer than UTF-16 units: few values are looked at twice."""
    beyond = f"length({value}) + length(regexp_replace({value}, '[\\x{{0}}-\\x{{FFFF}}]', '', 'g')) > {column.longest}"
    condition = f"strlen({value}) > {column.longest} AND {beyond}"
    return Check("too_long", column.name, f"is longer than {column.longest} characters", condition)


def _unless_wrong(found: list[Check]) -> str:
    """A value that is null because it is wrong is told once."""
    return "".join(f" AND NOT COALESCE({check.condition}, FALSE)" for check in found)


def _fits(column: Column, raw_type: str) -> bool:
    if _is_text(raw_type):
        return True
    if column.kind == "date":
        return raw_type == "DATE" or raw_type in _TIMESTAMPS
    if column.kind == "timestamp":
        return raw_type in (*_TIMESTAMPS, *_ZONED, "DATE")
    return column.kind == "count" and raw_type in _WHOLE


def _kind_of_type(raw_type: str) -> str:
    """A type without what is in it: the fields of a structure, and the values of an enumeration, are the file's."""
    return raw_type.split("(")[0].split("[")[0]


def _expected(column: Column) -> str:
    expected = {"date": "a date", "timestamp": "a timestamp", "count": "a whole number"}
    return expected.get(column.kind, "text (ids are text: leading zeros count)")


def _moment_checks(column: Column, raw_type: str, value: str) -> Iterator[Check]:
    """DuckDB's cast takes more than ISO, and ignores what it does not know: the form is held first."""
    raw, name = _quoted(column.name), column.name
    beyond = f"year({value}) NOT BETWEEN 1800 AND 9999"
    if _is_text(raw_type):
        form = iso.DATE if column.kind == "date" else f"{iso.DATE}|{iso.MOMENT}"
        looks = f"regexp_full_match({_trimmed(name)}, '{form}')"
        beyond = f"{looks} AND {beyond}"
        yield Check("wrong_type", name, "is not in ISO form", f"NOT {looks}")
        yield Check("impossible_date", name, "is no date of the calendar", f"{looks} AND {value} IS NULL")
    else:
        # An infinite one has no year, or is cast to one that looks sound.
        beyond = f"NOT isfinite({_zoned(raw) if raw_type in _ZONED else raw}) OR {beyond}"
        if column.kind == "date" and raw_type in _TIMESTAMPS:
            timed = f"isfinite({raw}) AND CAST({raw} AS TIMESTAMP) <> {value}"
            yield Check("wrong_type", name, "has a time of day", timed)
    yield Check("impossible_date", name, "is outside the years 1800 to 9999", beyond)


def _unknown_change(change: str) -> Check:
    condition = f"{change} IS NOT NULL AND {change} NOT IN ('upsert', 'delete')"
    return Check("unknown_change", CHANGE, "must be upsert or delete", condition)


def _for_delta(checks: list[Check], change: str) -> list[Check]:
    """In a delta, a row that deletes needs its key only."""
    return [
        Check(c.kind, c.column, c.message, f"({c.condition}) AND {change} IS DISTINCT FROM 'delete'")
        if c.kind == "null_value" and c.column != CHANGE
        else c
        for c in checks
    ]
