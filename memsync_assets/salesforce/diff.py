"""The T-SQL that finds what differs between an upload table and the org's live values.

Its columns follow the upload specifications, so it is written from them; everything else that the mart runs is in
`sql/`. Nothing is run here. Each function gives one statement.

Words: `u` is the upload row, `l` the live record, `m` the record that an upload row is, `s` the values that org and
mart last agreed on. References are compared by record: `r_<field>` is the record that the upload row refers to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from memsync_assets.salesforce.changes import CLEARED
from memsync_assets.salesforce.specifications import FieldRule, Specifications, UploadSpecification, quoted

NEW = "new"
ADOPTED = "adopted"
CHANGED = "source changed"
DRIFT = "drift: changed in Salesforce"
GONE = "no longer in the source"
# Stands for the id that a record of the same plan will have.
_UNBORN = "'(new)'"


def matches(one: UploadSpecification) -> str:
    """Live records that carry our external id."""
    return f"""
INSERT INTO record_matches (object_name, external_id, record_id, is_adopted)
SELECT {_text(one.object)}, l.external_id, l.record_id, 'N'
FROM {one.table} AS u
INNER JOIN {one.live_table} AS l ON u.{_key(one)} = l.external_id"""  # noqa: S608


def adoptions(one: UploadSpecification) -> str:
    """Live records without our external id that are certainly those of an upload row: one for one.

    Of several that are the same one the first is adopted; the others are doubles, and matter to `merge_candidates`.
    Contacts that spell a name otherwise are found by `mailboxes` afterwards.
    """
    same = []
    for name in one.adopt_by:
        rule = one.fields[name]
        same.append(
            f"r_{name}.record_id = l.{quoted(name)}"
            if rule.references
            else f"LOWER(u.{quoted(rule.column)}) = LOWER(l.{quoted(name)})"
        )
    parents = _joins_of_references(one, one.adopt_by)
    free = "l.external_id IS NULL"
    if one.is_made_by_org:
        # There is one for each pair: one with a key that is nobody's any more, say after a merge, is ours too.
        free = f"({free} OR NOT EXISTS (SELECT 1 FROM {one.table} AS k WHERE k.{_key(one)} = l.external_id))"  # noqa: S608
    return f"""
INSERT INTO record_matches (object_name, external_id, record_id, is_adopted)
SELECT {_text(one.object)}, c.external_id, c.record_id, 'Y'
FROM (
    SELECT
        u.{_key(one)} AS external_id,
        l.record_id,
        ROW_NUMBER() OVER (PARTITION BY u.{_key(one)} ORDER BY l.record_id) AS place,
        COUNT(*) OVER (PARTITION BY l.record_id) AS claims
    FROM {one.table} AS u
    LEFT OUTER JOIN record_matches AS m
        ON m.object_name = {_text(one.object)} AND m.external_id = u.{_key(one)}{parents}
    INNER JOIN {one.live_table} AS l ON {" AND ".join(same)}
    WHERE m.record_id IS NULL AND {free}
) AS c
WHERE c.place = 1 AND c.claims = 1"""  # noqa: S608


def new_records(one: UploadSpecification) -> str:
    """Upload rows that are no live record."""
    return f"""
INSERT INTO changed_records (object_name, external_id, record_id, operation, reason)
SELECT {_text(one.object)}, u.{_key(one)}, NULL, 'insert', '{NEW}'
FROM {one.table} AS u
LEFT OUTER JOIN record_matches AS m ON m.object_name = {_text(one.object)} AND m.external_id = u.{_key(one)}
WHERE m.record_id IS NULL"""  # noqa: S608


def different_records(one: UploadSpecification) -> str:
    """Live records that are to be adopted, or of which a field differs that the membership systems own."""
    differing = [_differs(name, rule) for name, rule in one.fields.items() if rule.owned]
    return f"""
INSERT INTO changed_records (object_name, external_id, record_id, operation, reason)
SELECT {_text(one.object)}, m.external_id, m.record_id, 'update',
    CASE WHEN m.is_adopted = 'Y' THEN '{ADOPTED}' ELSE '{CHANGED}' END
FROM record_matches AS m
INNER JOIN {one.table} AS u ON m.external_id = u.{_key(one)}
INNER JOIN {one.live_table} AS l ON m.record_id = l.record_id{_joins_of_references(one, one.fields)}
WHERE m.object_name = {_text(one.object)}
    AND (m.is_adopted = 'Y'{"".join(f" OR {condition}" for condition in differing)})"""  # noqa: S608


def removed_records(one: UploadSpecification) -> str:
    """Live records with an external id of ours that are no upload row's."""
    differs = " OR ".join(
        f"COALESCE(l.{quoted(name)}, '') <> {_text(value)}" for name, value in one.removed.set.items()
    )
    if one.removed.action == "deactivate":
        operation, condition = "'deactivate'", differs
    elif one.removed.deactivate_when:
        stays = f"l.{quoted(one.removed.deactivate_when)} = 'true'{_parent_stays(one)}"
        operation = f"CASE WHEN {stays} THEN 'deactivate' ELSE 'delete' END"
        condition = f"NOT ({stays}) OR {differs}"
    else:
        operation, condition = "'delete'", "1 = 1"
    return f"""
INSERT INTO changed_records (object_name, external_id, record_id, operation, reason)
SELECT {_text(one.object)}, l.external_id, l.record_id, {operation}, '{GONE}'
FROM {one.live_table} AS l
LEFT OUTER JOIN record_matches AS m ON m.object_name = {_text(one.object)} AND m.record_id = l.record_id
WHERE l.external_id IS NOT NULL AND m.record_id IS NULL AND ({condition}){_ends_stay(one)}"""  # noqa: S608


def _ends_stay(one: UploadSpecification) -> str:
    """That neither end of a relation is planned to be deleted: Salesforce deletes the relation with it."""
    if not one.is_made_by_org:
        return ""
    deleted = " OR ".join(
        f"(d.object_name = {_text(one.references[name])} AND d.record_id = l.{quoted(name)})" for name in one.adopt_by
    )
    return f" AND NOT EXISTS (SELECT 1 FROM changed_records AS d WHERE d.operation = 'delete' AND ({deleted}))"  # noqa: S608


def _parent_stays(one: UploadSpecification) -> str:
    """That no parent is planned to change what the flag depends on.

    AccountContactRelation.IsDirect follows Contact.AccountId: once the contact has moved, its former relation can be
    deleted.
    """
    if one.object != "AccountContactRelation" or "ContactId" not in one.fields:
        return ""
    return (
        " AND NOT EXISTS (SELECT 1 FROM planned_changes AS p WHERE p.object_name = 'Contact'"
        " AND p.field_name = 'AccountId' AND p.record_id = l.[ContactId])"
    )


def changed_fields(all_of_them: Specifications, one: UploadSpecification, name: str) -> str:
    """The changes of one field: of new records where it is given, of others where it differs."""
    rule = one.fields[name]
    before, parent = f"l.{quoted(name)}", ""
    if rule.references:
        parent = f"\nLEFT OUTER JOIN {all_of_them.of(rule.references).live_table} AS lp ON lp.record_id = {before}"
        before = f"COALESCE(lp.external_id, {before})"
    updated = f" OR (c.operation = 'update' AND {_differs(name, rule)})" if rule.owned else ""
    return f"""
INSERT INTO planned_changes
    (object_name, external_id, record_id, operation, field_name, before_value, after_value, reason)
SELECT
    c.object_name, c.external_id, c.record_id, c.operation, {_text(name)}, {before}, {_given(rule)},
    CASE
        WHEN c.reason <> '{CHANGED}' THEN c.reason
        WHEN s.external_id IS NOT NULL AND COALESCE(s.{quoted(name)}, '') = COALESCE({_given(rule)}, '')
            THEN '{DRIFT}'
        ELSE '{CHANGED}'
    END
FROM changed_records AS c
INNER JOIN {one.table} AS u ON c.external_id = u.{_key(one)}
LEFT OUTER JOIN {one.live_table} AS l ON c.record_id = l.record_id
LEFT OUTER JOIN {one.synced_table} AS s ON c.external_id = s.external_id{_joins_of_references(one, [name])}{parent}
WHERE c.object_name = {_text(one.object)}
    AND ((c.operation = 'insert' AND {_given(rule)} IS NOT NULL){updated})"""  # noqa: S608


def external_ids(one: UploadSpecification) -> str:
    """The external id of records that are new or adopted."""
    return f"""
INSERT INTO planned_changes
    (object_name, external_id, record_id, operation, field_name, before_value, after_value, reason)
SELECT
    c.object_name, c.external_id, c.record_id, c.operation, {_text(one.external_id.field)}, l.external_id,
    c.external_id, c.reason
FROM changed_records AS c
LEFT OUTER JOIN {one.live_table} AS l ON c.record_id = l.record_id
WHERE c.object_name = {_text(one.object)} AND c.reason IN ('{NEW}', '{ADOPTED}')"""  # noqa: S608


def removals(one: UploadSpecification) -> str:
    """Deletions: one row each, with no field."""
    return f"""
INSERT INTO planned_changes
    (object_name, external_id, record_id, operation, field_name, before_value, after_value, reason)
SELECT c.object_name, c.external_id, c.record_id, c.operation, '', NULL, NULL, c.reason
FROM changed_records AS c
WHERE c.object_name = {_text(one.object)} AND c.operation = 'delete'"""  # noqa: S608


def deactivations(one: UploadSpecification, name: str) -> str:
    """One field that a deactivation sets."""
    value = _text(one.removed.set[name])
    return f"""
INSERT INTO planned_changes
    (object_name, external_id, record_id, operation, field_name, before_value, after_value, reason)
SELECT c.object_name, c.external_id, c.record_id, c.operation, {_text(name)}, l.{quoted(name)}, {value}, c.reason
FROM changed_records AS c
INNER JOIN {one.live_table} AS l ON c.record_id = l.record_id
WHERE c.object_name = {_text(one.object)} AND c.operation = 'deactivate'
    AND COALESCE(l.{quoted(name)}, '') <> {value}"""  # noqa: S608


def orphans(one: UploadSpecification) -> str:
    """Planned records that refer to a record that neither is in the org nor is planned."""
    names = ", ".join(_text(name) for name in one.references)
    targets = " ".join(f"WHEN {_text(name)} THEN {_text(target)}" for name, target in one.references.items())
    return f"""
SELECT p.object_name, p.external_id
FROM planned_changes AS p
LEFT OUTER JOIN record_matches AS m
    ON m.object_name = CASE p.field_name {targets} END AND m.external_id = p.after_value
LEFT OUTER JOIN changed_records AS c
    ON c.object_name = CASE p.field_name {targets} END AND c.external_id = p.after_value AND c.operation = 'insert'
WHERE p.object_name = {_text(one.object)} AND p.field_name IN ({names}) AND p.after_value IS NOT NULL
    AND m.record_id IS NULL AND c.external_id IS NULL"""  # noqa: S608


def blocked(one: UploadSpecification) -> Iterator[str]:
    """Planned records that hang on a record of the same plan that was not written.

    They refer to a new one that is not there, or are to be deleted once the other has changed.
    """
    for name, target in one.references.items():
        yield f"""
SELECT p.external_id
FROM sync_plan AS p
INNER JOIN sync_outcomes AS o
    ON p.plan_hash = o.plan_hash AND o.object_name = {_text(target)} AND p.after_value = o.external_id
INNER JOIN changed_records AS c ON o.object_name = c.object_name AND o.external_id = c.external_id
WHERE p.object_name = {_text(one.object)} AND p.field_name = {_text(name)}
    AND o.status <> 'succeeded' AND c.operation = 'insert'"""  # noqa: S608
        yield f"""
SELECT p.external_id
FROM sync_plan AS p
INNER JOIN {one.live_table} AS l ON p.record_id = l.record_id
INNER JOIN changed_records AS c ON c.object_name = {_text(target)} AND c.record_id = l.{quoted(name)}
INNER JOIN sync_outcomes AS o
    ON p.plan_hash = o.plan_hash AND c.object_name = o.object_name AND c.external_id = o.external_id
WHERE p.object_name = {_text(one.object)} AND p.operation = 'delete' AND o.status <> 'succeeded'"""  # noqa: S608


def read_back(all_of_them: Specifications, one: UploadSpecification) -> Iterator[str]:
    """Changes that succeeded and are not what the org holds."""
    names = dict.fromkeys((*one.fields, *one.removed.set))
    for name in names:
        found, parent = f"l.{quoted(name)}", ""
        if name in one.references:
            target = all_of_them.of(one.references[name])
            parent = f"\nLEFT OUTER JOIN {target.live_table} AS lp ON lp.record_id = {found}"
            found = f"COALESCE(lp.external_id, {found})"
        yield f"""
INSERT INTO read_back_differences (plan_hash, object_name, external_id, field_name, sent_value, found_value)
SELECT r.plan_hash, r.object_name, r.external_id, r.field_name, p.after_value, {found}
{_SUCCEEDED}
LEFT OUTER JOIN {one.live_table} AS l ON r.external_id = l.external_id{parent}
WHERE r.plan_hash = @plan_hash AND r.status = 'succeeded' AND r.object_name = {_text(one.object)}
    AND r.field_name = {_text(name)} AND COALESCE(p.after_value, '') <> COALESCE({found}, '')"""
    yield f"""
INSERT INTO read_back_differences (plan_hash, object_name, external_id, field_name, sent_value, found_value)
SELECT r.plan_hash, r.object_name, r.external_id, r.field_name, NULL, l.record_id
{_SUCCEEDED}
INNER JOIN {one.live_table} AS l ON p.record_id = l.record_id
WHERE r.plan_hash = @plan_hash AND r.status = 'succeeded' AND r.object_name = {_text(one.object)}
    AND r.operation = 'delete'"""


_SUCCEEDED = """FROM salesforce_sync_results AS r
INNER JOIN sync_plan AS p
    ON r.plan_hash = p.plan_hash AND r.object_name = p.object_name AND r.external_id = p.external_id
    AND r.field_name = p.field_name"""


def agreed(one: UploadSpecification) -> tuple[str, str]:
    """Remember the upload rows that the org agrees with now: all but those of which something failed."""
    names = ", ".join(quoted(name) for name in one.fields)
    columns = ", ".join(_given(rule) for rule in one.fields.values())
    open_ones = f"""SELECT o.external_id FROM sync_outcomes AS o
    WHERE o.plan_hash = @plan_hash AND o.object_name = {_text(one.object)} AND o.status <> 'succeeded'
    UNION ALL SELECT d.external_id FROM dead_letters AS d WHERE d.object_name = {_text(one.object)}"""  # noqa: S608
    return (
        f"DELETE FROM {one.synced_table} WHERE external_id NOT IN ({open_ones})",  # noqa: S608
        f"""
INSERT INTO {one.synced_table} (external_id, {names})
SELECT u.{_key(one)}, {columns}
FROM {one.table} AS u
WHERE u.{_key(one)} NOT IN ({open_ones})""",  # noqa: S608
    )


def _differs(name: str, rule: FieldRule) -> str:
    given, live = _given(rule), f"COALESCE(l.{quoted(name)}, '')"
    wanted = f"COALESCE(r_{name}.record_id, {_UNBORN})" if rule.references else given
    if rule.when_null == "keep":
        return f"({given} IS NOT NULL AND {wanted} <> {live})"
    return f"CASE WHEN {given} IS NULL THEN '' ELSE {wanted} END <> {live}"


def _given(rule: FieldRule) -> str:
    """The value of an upload row: a text that Bulk takes for none is none, however it is sent."""
    return f"NULLIF(u.{quoted(rule.column)}, {_text(CLEARED)})"


def _joins_of_references(one: UploadSpecification, names: Iterable[str]) -> str:
    """The records that the upload rows refer to, where they are in the org."""
    joins = []
    for name in names:
        rule = one.fields[name]
        if rule.references:
            joins.append(
                f"\nLEFT OUTER JOIN record_matches AS r_{name}"
                f" ON r_{name}.object_name = {_text(rule.references)}"
                f" AND r_{name}.external_id = u.{quoted(rule.column)}"
            )
    return "".join(joins)


def _key(one: UploadSpecification) -> str:
    return quoted(one.external_id.column)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
