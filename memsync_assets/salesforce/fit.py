"""Whether an upload specification fits the mart's table and the org, found before anything is planned or sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.describe import FieldDescription, ObjectDescription
from memsync_assets.salesforce.errors import RefusedError
from memsync_assets.salesforce.specifications import FieldRule, Finding, Specifications, UploadSpecification, quoted


def check_table(mart: Mart, specifications: Specifications, one: UploadSpecification) -> None:
    """Hold a specification against its upload table.

    Raises:
        MemsyncError: the table or a column is not there; the text names file, line and key.
    """
    columns = mart.columns(one.table)
    if not columns:
        raise specifications.origins[one.object].error([(("table",), f"the mart has no table {one.table}")])
    named: list[tuple[tuple[str, ...], str]] = [(("external_id", "column"), one.external_id.column)]
    named += [(("fields", name, "column"), rule.column) for name, rule in one.fields.items()]
    if findings := [(loc, f"{one.table} has no column {name}") for loc, name in named if name not in columns]:
        raise specifications.origins[one.object].error(findings)


def check_org(mart: Mart, specifications: Specifications, one: UploadSpecification, org: Org) -> None:
    """Hold a specification and the values of its upload table against what the org says of the object.

    Raises:
        MemsyncError: the object or a field is missing, of a type that cannot be, or not ours to write, or the values of
            a column are not of its field's type, or keys differ only in case where the org takes them for one. Every
            finding is named with file, line and key; values are only counted.
    """
    origin = specifications.origins[one.object]
    try:
        described = org.describe(one.object)
    except RefusedError as error:
        if error.code != "NOT_FOUND":
            raise
        finding = f"the org has no object {one.object}, or this user does not see it"
        raise origin.error([(("object",), finding)]) from error
    findings = [*_findings(one, described)] or [*_value_findings(mart, one, described)]
    if findings:
        raise origin.error(findings)


def _meant(described: ObjectDescription, name: str) -> str:
    """The field that is spelt so but for its case, as a question."""
    meant = next((known for known in described.by_name if known.lower() == name.lower()), None)
    return f" (is {meant} meant?)" if meant else ""


def _findings(one: UploadSpecification, described: ObjectDescription) -> Iterator[Finding]:
    if described.name != one.object:
        yield ("object",), f"the org spells it {described.name}"
    key = described.by_name.get(one.external_id.field)
    if key is None:
        yield (
            ("external_id", "field"),
            f"the org has no field {one.external_id.field}{_meant(described, one.external_id.field)};"
            " it must be made as Unique and External ID",
        )
    elif not key.externalId:
        yield ("external_id", "field"), f"{key.name} is no External ID in the org; make it Unique and External ID"
    for name in one.live_fields:
        field = described.by_name.get(name)
        if field is None:
            yield (
                _named(one, name),
                f"the org's {one.object} has no field {name}{_meant(described, name)}, or this user does not see it",
            )
        elif name in one.fields:
            yield from _field_findings(field, one.fields[name])
    for name, value in one.removed.set.items():
        if name in described.by_name:
            yield from _constant_findings(("removed", "set", name), described.by_name[name], [value])
    if one.removed.action == "delete" and not described.deletable:
        yield ("removed", "action"), "this user may not delete the object's records"


def _named(one: UploadSpecification, name: str) -> tuple[str, ...]:
    """Where a specification names a field."""
    if name in one.fields:
        return "fields", name
    if one.bounces and name in (one.bounces.reason, one.bounces.at):
        return "bounces", "reason" if name == one.bounces.reason else "at"
    return ("removed", "set", name) if name in one.removed.set else ("removed", "deactivate_when")


def _field_findings(field: FieldDescription, rule: FieldRule) -> Iterator[Finding]:
    loc = ("fields", field.name)
    if not field.createable:
        yield loc, "cannot be written"
    elif rule.owned and not field.updateable:
        yield loc, "can be written only when the record is made; say `owned: false`"
    if rule.references and rule.references not in field.referenceTo:
        yield (*loc, "references"), f"the field refers to {', '.join(field.referenceTo) or 'nothing'}"
    if not rule.references and field.referenceTo:
        yield loc, "is a reference; name its object with `references`"
    for source, value in rule.values.items():
        yield from _constant_findings((*loc, "values", source), field, [value])


def _constant_findings(loc: tuple[str, ...], field: FieldDescription, values: Sequence[str]) -> Iterator[Finding]:
    """What is wrong with values that stand in the specification itself."""
    allowed = {one.value for one in field.picklistValues if one.active}
    for value in values:
        if field.restrictedPicklist and value not in allowed:
            yield loc, f"'{value}' is none of the values of the restricted picklist {field.name}"
        elif field.length and len(value) > field.length:
            yield loc, f"has {len(value)} characters, the field takes {field.length}"
        elif not field.takes(value):
            yield loc, f"'{value}' is no {field.type}"


def _value_findings(mart: Mart, one: UploadSpecification, described: ObjectDescription) -> Iterator[Finding]:
    """What is wrong with the values of the upload table."""
    for name, rule in one.fields.items():
        field, column = described.by_name[name], quoted(rule.column)
        if field.is_typed:
            distinct = mart.fetch(f"SELECT DISTINCT u.{column} AS v FROM {one.table} AS u WHERE u.{column} IS NOT NULL")  # noqa: S608
            wrong = sum(not field.takes(value) for value in distinct["v"].to_pylist())
            if wrong:
                yield ("fields", name, "column"), f"{wrong} values of {one.table}.{rule.column} are no {field.type}"
    key = quoted(one.external_id.column)
    if not described.by_name[one.external_id.field].caseSensitive:
        folded = mart.fetch(
            f"SELECT COUNT(*) AS n FROM (SELECT LOWER(u.{key}) AS k FROM {one.table} AS u"  # noqa: S608
            f" GROUP BY LOWER(u.{key}) HAVING COUNT(*) > 1) AS t"
        )["n"][0].as_py()
        if folded:
            yield (
                ("external_id", "field"),
                f"{folded} keys differ only in upper and lower case, and the org takes them for one; "
                'set the field to "Unique, case sensitive" in Salesforce',
            )
