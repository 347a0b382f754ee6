"""The CSV of Bulk API 2.0: delimiters, line endings, the header, and cells as JSON values."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from memsync_assets.local_org.schema import ObjectDescribe, OrgSchema
from memsync_assets.local_org.values import from_csv

DELIMITERS = {"COMMA": ",", "TAB": "\t", "SEMICOLON": ";", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
_CLEAR = "#N/A"
_Place = Callable[[dict[str, Any], str], None]

csv.field_size_limit(2**31 - 1)


class UnreadableError(Exception):
    """The file as a whole cannot be processed; the message is the job's."""


@dataclass(frozen=True)
class Dialect:
    """How a file is written."""

    column_delimiter: str = "COMMA"
    line_ending: str = "LF"

    def write(self, rows: Iterable[Sequence[str]]) -> str:
        """Rows as CSV, every value quoted."""
        out = io.StringIO()
        writer = csv.writer(
            out,
            delimiter=DELIMITERS[self.column_delimiter],
            lineterminator=LINE_ENDINGS[self.line_ending],
            quoting=csv.QUOTE_ALL,
        )
        writer.writerows(rows)
        return out.getvalue()

    def read(self, data: bytes) -> tuple[list[str], Iterator[list[str]]]:
        """The header and the rows of a file. Raises UnreadableError, also while rows are read."""
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UnreadableError("InvalidBatch : The CSV file is not encoded in UTF-8") from None
        first = text.find("\n")
        if first >= 0 and (text[first - 1 : first] == "\r") != (self.line_ending == "CRLF"):
            raise UnreadableError(
                "ClientInputError : LineEnding is invalid on user data. "
                f"Current LineEnding setting is {self.line_ending}"
            )
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[self.column_delimiter], strict=True)
        header = next(lines, [])
        if not any(header):
            raise UnreadableError("InvalidBatch : No header row found")
        return header, _checked(lines, len(header))


def _checked(lines: Iterator[list[str]], width: int) -> Iterator[list[str]]:
    try:
        for row in lines:
            if not row:
                continue
            if len(row) != width:
                raise UnreadableError(f"InvalidBatch : Row has {len(row)} columns, but the header has {width} columns")
            yield row
    except csv.Error as error:
        raise UnreadableError(f"InvalidBatch : Failed to parse CSV: {error}") from None


def record_maker(
    schema: OrgSchema, sobject: ObjectDescribe, header: Sequence[str]
) -> Callable[[Sequence[str]], dict[str, Any]]:
    """A function from a row to the record that REST would be sent. Raises UnreadableError for the header."""
    places = [_place(schema, sobject, name) for name in header]
    if len({name.lower() for name in header}) < len(header):
        raise UnreadableError("InvalidBatch : Duplicate field names in the header row")

    def make(row: Sequence[str]) -> dict[str, Any]:
        record: dict[str, Any] = {}
        for place, cell in zip(places, row, strict=True):
            if cell:
                place(record, cell)
        return record

    return make


def _place(schema: OrgSchema, sobject: ObjectDescribe, column: str) -> _Place:
    """Where a column's cells go: into a field, or into the external id of a related record."""
    relation, dot, key_name = column.partition(".")
    if not dot:
        described = sobject.by_name.get(column.lower())
        if described is None:
            raise UnreadableError(f"InvalidBatch : Field name not found : {column}")
        name, convert = described.name, from_csv(described)

        def place_field(record: dict[str, Any], cell: str) -> None:
            record[name] = None if cell == _CLEAR else convert(cell)

        return place_field
    kind, colon, bare = relation.partition(":")
    reference = sobject.by_relationship.get((bare if colon else kind).lower())
    target = schema.by_name.get(kind.lower()) if colon else schema.target(reference) if reference else None
    key = target.by_name.get(key_name.lower()) if target else None
    if reference is None or target is None or key is None:
        raise UnreadableError(f"InvalidBatch : Field name not found : {column}")
    holder, key_value = str(reference.relationshipName), from_csv(key)

    def place_lookup(record: dict[str, Any], cell: str) -> None:
        lookup = {"attributes": {"type": target.name}, key.name: None if cell == _CLEAR else key_value(cell)}
        record[holder] = None if cell == _CLEAR else lookup

    return place_lookup
