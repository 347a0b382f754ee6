"""Upload specifications: which mart table fills which object, field by field, as YAML that people edit.

Read and validated here; whether they fit the mart and an org is found in `fit`. What differs from the org is planned
in `plan`, what is sent in `apply`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError

from memsync_assets.settings import DEFAULT_CONFIG, MemsyncError, Project, Section

# The loader in C, where PyYAML was built with it.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}$")]


class FieldRule(Section):
    """Where a field's value comes from.

    Attributes:
        column: the column of the upload table.
        references: the object that the column names by its external id.
        when_null: what a null means: `clear` empties the field, `keep` leaves what Salesforce has.
        owned: False: written when the record is made, and Salesforce's own from then on.
        values: the picklist value of each source value; `*` for all others.
    """

    column: Name
    references: Name | None = None
    when_null: Literal["clear", "keep"] = "clear"
    owned: bool = True
    values: dict[str, str] = Field(default_factory=dict)


class ExternalId(Section):
    """The field that tells whose record it is, and the column that fills it."""

    field: Name
    column: Name


class Removal(Section):
    """What becomes of a record that is no longer in the source.

    Attributes:
        action: ignore it, deactivate it by setting `set`, or delete it.
        set: fields and their values; for `deactivate`, and for records that cannot be deleted.
        deactivate_when: a flag of Salesforce's that marks records that cannot be deleted.
    """

    action: Literal["ignore", "deactivate", "delete"] = "ignore"
    set: dict[Name, str] = Field(default_factory=dict)
    deactivate_when: Name | None = None


class Bounces(Section):
    """The fields in which Salesforce says that an address bounced.

    Attributes:
        email: the field of the address.
        reason: why it bounced.
        at: when it did.
    """

    email: Name
    reason: Name
    at: Name


class UploadSpecification(Section):
    """One object and the upload table that fills it.

    Attributes:
        object: the Salesforce object.
        table: the upload table of the mart; one row a record, values as text in Salesforce's form.
        fields: where each field's value comes from, by field.
        adopt_by: fields by which a record without our external id is known; empty: none is adopted.
        bounces: where Salesforce says that an address bounced; such an address is not sent.
    """

    object: Name
    table: Name
    external_id: ExternalId
    fields: dict[Name, FieldRule] = Field(min_length=1)
    adopt_by: tuple[Name, ...] = ()
    removed: Removal = Removal()
    bounces: Bounces | None = None

    @property
    def live_table(self) -> str:
        """The mart's table of the org's live values."""
        return f"salesforce_{self.object.lower()}_live"

    @property
    def synced_table(self) -> str:
        """The mart's table of the values that org and mart last agreed on."""
        return f"salesforce_{self.object.lower()}_synced"

    @cached_property
    def live_fields(self) -> tuple[str, ...]:
        """The fields whose live values are kept, beside id and external id."""
        bounces = (self.bounces.reason, self.bounces.at) if self.bounces else ()
        more = (*self.adopt_by, *self.removed.set, self.removed.deactivate_when, *bounces)
        return tuple(dict.fromkeys((*self.fields, *(name for name in more if name))))

    @property
    def references(self) -> dict[str, str]:
        """The objects that its fields refer to, by field."""
        return {name: rule.references for name, rule in self.fields.items() if rule.references}

    @property
    def is_made_by_org(self) -> bool:
        """Whether Salesforce makes such records by itself, so that ours are known by what they refer to."""
        return bool(self.adopt_by) and all(name in self.references for name in self.adopt_by)


#: What is wrong, and the key that it is about.
Finding = tuple[Sequence[int | str], str]


@dataclass(frozen=True)
class Origin:
    """The file that a specification was read from."""

    path: Path
    node: yaml.Node | None = field(default=None, repr=False)

    def error(self, findings: Iterable[Finding]) -> MemsyncError:
        """What is wrong with it, by line and key."""
        said = (f"line {_line(self.node, loc)}: {'.'.join(map(str, loc)) or 'the file'}: {it}" for loc, it in findings)
        return MemsyncError(f"{self.path}: {'; '.join(said)}")


@dataclass(frozen=True)
class Specifications:
    """All upload specifications, parents before children; `origins` by object."""

    ordered: tuple[UploadSpecification, ...]
    origins: Mapping[str, Origin] = field(repr=False)

    def __iter__(self) -> Iterator[UploadSpecification]:
        return iter(self.ordered)

    def of(self, object_name: str) -> UploadSpecification:
        """The specification of an object."""
        return next(one for one in self.ordered if one.object == object_name)


def read_specifications(project: Project) -> Specifications:
    """The upload specifications beside the configuration, or the ones that come with memsync where it names none.

    Raises:
        MemsyncError: there is none, or one is wrong; the text names file, line and key.
    """
    folder = project.config.parent / project.settings.salesforce.upload_specifications
    if not folder.is_dir() and "upload_specifications" not in project.settings.salesforce.model_fields_set:
        folder = DEFAULT_CONFIG.parent / "upload_specifications"
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise MemsyncError(f"{folder}: holds no upload specification (*.yaml). See config/upload_specifications/.")
    return _ordered([_read(path) for path in files])


def _read(path: Path) -> tuple[Origin, UploadSpecification]:
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        origin = Origin(path, node)
        if repeated := list(_repeated_keys(node)):
            raise origin.error(repeated)
        found = UploadSpecification.model_validate(loader.construct_document(node) if node else None)
    except (OSError, UnicodeDecodeError) as error:
        raise MemsyncError(f"{path}: cannot be read as UTF-8 text ({type(error).__name__}).") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise MemsyncError(f"{path}: line {line}: is not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise MemsyncError(f"{path}: is not YAML: {error}") from error
    except ValidationError as error:
        raise origin.error((e["loc"], e["msg"]) for e in error.errors()) from error
    if findings := list(_inner_findings(found)):
        raise origin.error(findings)
    return origin, found


def _repeated_keys(node: yaml.Node | None, above: tuple[int | str, ...] = ()) -> Iterator[Finding]:
    """Keys that stand twice in one mapping: YAML would silently take the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[object] = set()
        for key, value in node.value:
            if key.value in seen:
                yield (*above, key.value), "is there twice"
            seen.add(key.value)
            yield from _repeated_keys(value, (*above, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            yield from _repeated_keys(value, (*above, place))


def _inner_findings(found: UploadSpecification) -> Iterator[Finding]:
    for name in found.adopt_by:
        if name not in found.fields:
            yield ("adopt_by",), f"{name} is not among the fields"
    if found.bounces and found.bounces.email not in found.fields:
        yield ("bounces", "email"), f"{found.bounces.email} is not among the fields"
    if found.removed.action == "deactivate" and not found.removed.set:
        yield ("removed", "set"), "deactivate needs fields to set"
    if found.removed.deactivate_when and not found.removed.set:
        yield ("removed", "set"), "deactivate_when needs fields to set"
    if found.external_id.field in found.fields:
        yield ("fields", found.external_id.field), "the external id is not repeated among the fields"


def _ordered(read: Sequence[tuple[Origin, UploadSpecification]]) -> Specifications:
    by_object: dict[str, UploadSpecification] = {}
    origins: dict[str, Origin] = {}
    for origin, one in read:
        if one.object in by_object:
            raise origin.error([(("object",), f"{one.object} has an upload specification already")])
        by_object[one.object], origins[one.object] = one, origin
    for origin, one in read:
        for name, target in one.references.items():
            if target not in by_object:
                raise origin.error([(("fields", name, "references"), f"{target} has no upload specification")])
    # A reference to the object itself is no matter of order between objects.
    graph = {name: set(one.references.values()) - {name} for name, one in by_object.items()}
    try:
        return Specifications(tuple(by_object[name] for name in TopologicalSorter(graph).static_order()), origins)
    except CycleError as error:
        circle = " > ".join(error.args[1])
        raise origins[error.args[1][0]].error([(("fields",), f"objects refer to each other: {circle}")]) from error


def _line(node: yaml.Node | None, loc: Sequence[int | str]) -> int:
    """The line, from 1, of the key that a finding is about, or of the nearest one above it."""
    line = 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            entry = next(((key, value) for key, value in reversed(node.value) if key.value == part), None)
            if entry is None:
                break
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def quoted(name: str) -> str:
    """A name of a specification as an identifier of T-SQL."""
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError("not a name")
    return f"[{name}]"
