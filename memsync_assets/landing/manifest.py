"""The manifest of a load: its form, and nothing about the files that it names."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from memsync_assets.landing import iso
from memsync_assets.landing.plain_files import open_plain

MANIFEST = "manifest.json"
#: A manifest lists files; one beyond this is not one.
MAX_BYTES = 8 * 2**20
ENDINGS = (".parquet", ".csv", ".csv.gz")


_Day = TypeVar("_Day", bound=date)


class ManifestError(Exception):
    """The manifest cannot be used: the text says why, without quoting the file."""


def _plain_file_name(name: str) -> str:
    if "/" in name or "\\" in name or "\0" in name or name.startswith("."):
        raise ValueError("must be a plain file name: no path")
    if not name.endswith(ENDINGS):
        raise ValueError(f"must end in one of {', '.join(ENDINGS)}")
    return name


def _in_iso_form(form: str, expected: str) -> BeforeValidator:
    """Text of this form: pydantic would take numbers, and digits, as seconds since 1970."""

    def check(value: object) -> object:
        if not isinstance(value, str) or not re.fullmatch(form, value):
            raise ValueError(f"must be {expected}")
        return value

    return BeforeValidator(check)


def _near(day: _Day) -> _Day:
    """Years that later steps can reckon with, by business days and time zones."""
    if not 1900 <= day.year <= 2200:
        raise ValueError("must be within the years 1900 to 2200")
    return day


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class DataFile(_Part):
    """One data file of a table."""

    name: Annotated[str, Field(max_length=255), AfterValidator(_plain_file_name)]
    rows: Annotated[int, Field(ge=0, strict=True)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]


class TableFiles(_Part):
    """The files of one table; none means that the table is empty."""

    files: tuple[DataFile, ...]


class Manifest(_Part):
    """A load's manifest. cutoff_at: up to when a downstream system has taken in its sources' changes (UTC)."""

    contract: Literal[1]
    system: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
    load_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:+-]*$", max_length=100)]
    kind: Literal["full", "delta"]
    as_of: Annotated[date, _in_iso_form(iso.DATE, "a date like 2026-11-20"), AfterValidator(_near)]
    cutoff_at: (
        Annotated[
            datetime,
            _in_iso_form(iso.MOMENT, "a moment like 2026-11-20T05:30:00Z"),
            AfterValidator(_near),
            AfterValidator(_utc),
        ]
        | None
    ) = None
    tables: dict[str, TableFiles]


def read_manifest(folder: Path) -> bytes:
    """The manifest of a load's folder, and no more of it than tells that it is too large.

    Raises:
        OSError: it is not there, no plain file, or may not be read.
    """
    with open_plain(folder / MANIFEST) as file:
        return file.read(MAX_BYTES + 1)


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ManifestError: it is too large, no JSON, or a field of it is missing or wrong.
    """
    if len(content) > MAX_BYTES:
        raise ManifestError(f"is larger than {MAX_BYTES:,} bytes")
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors())
        raise ManifestError("; ".join(wrong)) from None
    names = [file.name for table in manifest.tables.values() for file in table.files]
    if len(names) != len(set(names)):
        raise ManifestError("a file is listed more than once")
    return manifest
