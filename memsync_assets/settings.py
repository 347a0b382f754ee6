"""The typed form of config/memsync.yaml, and where a home keeps its state.

Every setting of memsync is here, with its default and its meaning. Secrets are not settings: they come from
the environment when they are used. Nothing here opens a file other than the configuration.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

_HERE = Path(__file__).resolve().parent
#: Where `sql/` and `config/` lie: beside the package in a checkout, inside it in an installed wheel.
PROJECT = _HERE.parent if (_HERE.parent / "sql").is_dir() else _HERE / "_project"
DEFAULT_CONFIG = PROJECT / "config" / "memsync.yaml"
#: Holds the URL of the local org while one runs.
LOCAL_ORG_URL_VARIABLE = "MEMSYNC_LOCAL_ORG_URL"

Role = Literal["source", "downstream"]
Level = Literal["source", "group", "state", "plan"]
Kind = Literal["missing", "extra", "duplicate", "wrong_group", "wrong_state", "wrong_plan", "stale_dates"]


#: A plain name, which needs no quotes in any database.
ColumnName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


def _file_name(name: str) -> str:
    """A reconciliation names its reports, which must not lie anywhere else."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name):
        raise ValueError(f"{name!r} names files: give it letters, digits, _ and - only, 100 at most")
    return name


def _pair_of_texts(given: object) -> object:
    if isinstance(given, list | tuple) and len(given) == 2 and all(isinstance(part, str) for part in given):
        return given
    raise ValueError(
        f"{given!r} is no [source system, group id] of two texts, as in [heritage_tx, HT-0011]; an id of digits needs"
        ' quotes, as in [heritage_tx, "0011"], or else it is a number and loses its zeros'
    )


#: A source system and the id of one of its groups.
GroupName = Annotated[tuple[str, str], BeforeValidator(_pair_of_texts)]


class MemsyncError(Exception):
    """What a user can mend: the text says what is wrong, where, and what to do."""

    #: Of the command that it ends: wrong use, unless a kind of error says otherwise.
    exit_code = 2


class Section(BaseModel):
    """A block of the configuration: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _knows_each_key(cls, given: object) -> object:
        for key in given if isinstance(given, Mapping) else ():
            if key not in cls.model_fields:
                near = get_close_matches(str(key), cls.model_fields, n=1)
                hint = f"did you mean {near[0]}?" if near else f"its keys are {', '.join(cls.model_fields)}"
                raise PydanticCustomError("unknown_key", "there is no key {key}; {hint}", {"key": key, "hint": hint})
        return given


class Extraction(Section):
    """How the loads of a system are read from its database, by queries in that database's own SQL.

    A query may use `:load_id`, `:as_of`, `:cutoff_at`, and, in `changes`, `:since`: the cutoff_at of the load before.
    """

    connection_variable: str = Field(description="environment variable with an ODBC connection string")
    loads: str = Field(description="SELECT load_id, as_of, cutoff_at of the loads that are complete")
    tables: dict[str, str] = Field(description="for each table of a full load, its SELECT")
    changes: dict[str, str] = Field(
        default_factory=dict, description="for each table of a delta, its SELECT with the column `change`"
    )
    keys: dict[str, tuple[ColumnName, ...]] = Field(
        default_factory=dict, description="for each table that is read in parts, the columns that tell its rows apart"
    )

    @model_validator(mode="after")
    def _keys_are_of_tables(self) -> Self:
        if unknown := sorted(self.keys.keys() - self.tables.keys() - self.changes.keys()):
            raise ValueError(f"keys: there is no query for {', '.join(unknown)}")
        return self


class System(Section):
    """A system that delivers loads. One that is not configured is known by its first load."""

    role: Role
    priority: int = Field(default=100, description="survivorship: the lower number wins")
    owner: str = Field(default="data-engineering", description="who answers for its loads")
    extraction: Extraction | None = Field(default=None, description="where it delivers no files: its database")


class Scope(Section):
    """Which employer groups a reconciliation covers: the union of what is named here."""

    flagged: bool = Field(default=False, description="groups whose ihm_indicator is Y")
    more_than_members: int | None = Field(default=None, ge=0, description="groups above this many members")
    groups: tuple[GroupName, ...] = Field(default=(), description="[source system, group id] pairs")

    @model_validator(mode="after")
    def _covers_something(self) -> Self:
        if not self.flagged and self.more_than_members is None and not self.groups:
            raise ValueError("covers no group: set flagged: true, more_than_members or groups")
        return self


class Tolerance(Section):
    """A variance within either bound is `within_tolerance`."""

    members: int = Field(default=0, ge=0)
    percent: float = Field(default=0.0, ge=0)


class Reconciliation(Section):
    """One area to compare between the source systems and the downstream systems."""

    description: str = ""
    scope: Scope
    sources: tuple[str, ...] = Field(default=(), description="empty: every source system")
    downstream_systems: tuple[str, ...] = Field(default=(), description="empty: every downstream system")
    levels: Annotated[tuple[Level, ...], Field(min_length=1)] = ("source", "group", "state")
    counted: Literal["members", "subscribers"] = Field(
        default="members", description="subscribers: a subscriber with its dependents counts as one"
    )
    tolerance: dict[Level, Tolerance] = Field(default_factory=dict, description="by level")
    owners: dict[Kind, str] = Field(default_factory=dict, description="who works a kind of discrepancy off")
    business_days: int = Field(default=10, ge=1, description="the time to work a discrepancy off")

    @field_validator("levels")
    @classmethod
    def _are_told_once(cls, levels: tuple[Level, ...]) -> tuple[Level, ...]:
        if twice := sorted({level for level in levels if levels.count(level) > 1}):
            raise ValueError(f"{', '.join(twice)} stands twice: name each level once")
        return levels


class Calendar(Section):
    """Which days count as business days, and whose midnight begins a day."""

    holidays: str = "US"
    extra_holidays: tuple[date, ...] = ()
    time_zone: str = "America/Chicago"

    @field_validator("holidays")
    @classmethod
    def _are_known(cls, country: str) -> str:
        try:
            holidays.country_holidays(country)
        except NotImplementedError as error:
            raise ValueError(f"no holidays are known for {country!r}; use a code like US") from error
        return country

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone {zone!r}; use a name like America/Chicago") from error
        return zone


class Breaker(Section):
    """A plan beyond these bounds is not applied until a person approves it."""

    changed_share: float = Field(default=0.25, ge=0, le=1, description="share of an object's live records")
    minimum_records: int = Field(default=200, ge=0, description="below this many changes the share is not asked")
    removals: int = Field(default=100, ge=0, description="deletes and deactivations of one object")


class Salesforce(Section):
    """The org that is brought into agreement."""

    target: Literal["none", "local", "org"] = Field(
        default="none", description="none: plan only; local: the org that memsync starts; org: a real one"
    )
    domain: str = Field(default="", description="My Domain host of a real org, e.g. acme.my.salesforce.com")
    api_version: str = "62.0"
    upload_specifications: str = Field(default="upload_specifications", description="folder beside the config")
    allow_production: bool = False
    bulk_above: int = Field(default=2000, ge=0, description="records of an object above which Bulk 2.0 is used")
    api_calls_reserved: int = Field(default=1000, ge=0, description="calls of the day left to others")
    retry_wait: float = Field(default=1.0, ge=0, description="seconds; doubled, with jitter, at each further try")
    breaker: dict[str, Breaker] = Field(default_factory=dict, description="by object; `default` for the others")


class Identity(Section):
    """How much a run may change who is who before it is held."""

    changed_share: float = Field(
        default=0.2, ge=0, le=1, description="share of living persons merged, split or retired by one run"
    )
    minimum_persons: int = Field(default=200, ge=0, description="below this many the share is not asked")


class MartSettings(Section):
    """Where the data mart is. A connection string comes from the environment variable that is named."""

    engine: Literal["duckdb", "sqlserver", "postgres"] = "duckdb"
    connection_variable: str = "MEMSYNC_MART_CONNECTION"
    memory_limit: str = Field(default="2GB", description="DuckDB's; it spills to disk beyond")
    columnstore: bool = Field(
        default=False, description="SQL Server: tables of members are stored by columns, for tens of millions of rows"
    )


class Smtp(Section):
    """A mail server that takes alerts."""

    host: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str
    recipients: Annotated[tuple[str, ...], Field(min_length=1)]
    user: str = Field(default="", description="empty: no login")
    password_variable: str = Field(default="MEMSYNC_SMTP_PASSWORD", description="environment variable")


class Alerts(Section):
    """Who is told of breaches of the SLA and of failed parity checks."""

    file: str = Field(default="alerts.jsonl", description="in the home, a JSON line an alert; empty: none")
    slack_webhook_variable: str = Field(default="", description="environment variable with the webhook's address")
    smtp: Smtp | None = None


class Settings(Section):
    """The whole of config/memsync.yaml."""

    systems: dict[str, System] = Field(default_factory=dict)
    mart: MartSettings = MartSettings()
    identity: Identity = Identity()
    salesforce: Salesforce = Salesforce()
    reconciliations: Annotated[dict[Annotated[str, AfterValidator(_file_name)], Reconciliation], Field(min_length=1)]
    calendar: Calendar = Calendar()
    alerts: Alerts = Alerts()

    def priority(self, system: str) -> int:
        """The survivorship rank of a source system; the lower wins."""
        return self.systems[system].priority if system in self.systems else System(role="source").priority


def load_settings(path: Path = DEFAULT_CONFIG) -> Settings:
    """Read a configuration file.

    Raises:
        MemsyncError: the file cannot be read, is not YAML, or a setting in it is wrong.
    """
    try:
        content = yaml.load(path.read_bytes(), _Loader) or {}
        return Settings.model_validate(content)
    except OSError as error:
        raise MemsyncError(f"{path}: cannot be read ({error.strerror}). Name it with --config.") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise MemsyncError(f"{path}: line {line}: is not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise MemsyncError(f"{path}: is not YAML: {error}") from error
    except ValidationError as error:
        findings = "; ".join(f"{_key(e['loc'])}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors())
        raise MemsyncError(f"{path}: {findings}") from error


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key that stands twice, of which YAML's own takes the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value} stands twice in one block", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return node


def _key(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in place if part != "[key]") or "the whole file"


@dataclass(frozen=True)
class Home:
    """The folder that holds all of memsync's state: remove it, and memsync has never run here."""

    root: Path

    def make(self) -> None:
        """Create the folder where there is none, and close it to all but its owner: it holds members' data."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)

    @property
    def mart(self) -> Path:
        """The embedded data mart."""
        return self.root / "mart.duckdb"

    @property
    def dagster(self) -> Path:
        """Dagster's runs, events, cursors and partitions."""
        return self.root / "dagster"

    @property
    def reports(self) -> Path:
        """Workbooks and pages; members' data, mode 0600."""
        return self.root / "reports"

    @property
    def quarantine(self) -> Path:
        """Refused loads, each with its reason.json."""
        return self.root / "quarantine"

    @property
    def extracted(self) -> Path:
        """What was extracted over ODBC: the manifest of each load."""
        return self.root / "extracted"

    @property
    def org(self) -> Path:
        """The local Salesforce org."""
        return self.root / "org.sqlite"


@dataclass(frozen=True)
class Project:
    """What one memsync works on: its settings, its home and where loads land.

    Attributes:
        as_of: the date that membership is compared for; None: the latest as-of date of the applied loads.
        plan_only: True leaves the org as it is, whatever the settings allow.
        exact: True compares every row of members, also where sums of hashes say that nothing differs.
    """

    settings: Settings
    home: Home
    landing: Path
    config: Path = DEFAULT_CONFIG
    as_of: date | None = None
    plan_only: bool = False
    exact: bool = False


def project_from_environment() -> Project:
    """The project that Dagster's processes work on: MEMSYNC_CONFIG, MEMSYNC_HOME, MEMSYNC_LANDING."""
    config = Path(os.environ.get("MEMSYNC_CONFIG", DEFAULT_CONFIG))
    home = Home(Path(os.environ.get("MEMSYNC_HOME", PROJECT / ".memsync")).resolve())
    landing = Path(os.environ.get("MEMSYNC_LANDING", home.root / "landing")).resolve()
    return Project(load_settings(config), home, landing, config)
