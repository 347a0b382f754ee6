"""Deleting and undeleting: the recycle bin, and what goes and comes back with a record.

A deleted record takes along the children that cascade and clears the other references to it; an undelete
brings both back. Relations between accounts and contacts follow in `relations`, merges in `merge`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from memsync_assets.local_org import relations
from memsync_assets.local_org.drafts import Saved, WriteOptions, audit
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.ids import canonical
from memsync_assets.local_org.schema import ObjectDescribe, OrgSchema
from memsync_assets.local_org.store import Row, Store
from memsync_assets.local_org.targets import duplicate

_TABLE = """CREATE TABLE IF NOT EXISTS _recycled (
    root TEXT NOT NULL, sobject TEXT NOT NULL, id TEXT NOT NULL, field TEXT, value TEXT)"""
_INDEX = "CREATE INDEX IF NOT EXISTS _recycled_root ON _recycled (root)"


class RecycleBin:
    """The recycle bin of one org. For each deletion the file remembers what it took along."""

    def __init__(self, store: Store, schema: OrgSchema) -> None:
        self.store = store
        self.schema = schema
        with store.transaction():
            store.connection.execute(_TABLE)
            store.connection.execute(_INDEX)

    def delete(self, record_ids: Sequence[str], options: WriteOptions, *, hard: bool = False) -> list[Saved]:
        """Delete records of any objects; `hard` leaves nothing in the bin."""
        with self.store.transaction():
            return [self._delete_one(record_id, options, hard) for record_id in record_ids]

    def undelete(self, record_ids: Sequence[str], options: WriteOptions) -> list[Saved]:
        """Bring records back, with what was deleted along with them."""
        with self.store.transaction():
            return [self._undelete_one(record_id, options) for record_id in record_ids]

    def _delete_one(self, record_id: str, options: WriteOptions, hard: bool) -> Saved:
        try:
            sobject, row = self._found(record_id)
            if not sobject.deletable:
                raise OrgError("INSUFFICIENT_ACCESS_OR_READONLY", f"entity type {sobject.name} cannot be deleted")
            if row["IsDeleted"] and not hard:
                raise OrgError("ENTITY_IS_DELETED", "entity is deleted")
            if sobject.name == relations.RELATION:
                relations.check_delete(row)
        except OrgError as error:
            return Saved(error=error)
        self._remove(sobject, [row["Id"]], row["Id"], options, hard)
        return Saved(row["Id"], locked=(row["Id"],))

    def _found(self, record_id: str) -> tuple[ObjectDescribe, Row]:
        wanted = canonical(record_id, "Id")
        sobject = self.schema.by_prefix.get(wanted[:3])
        row = self.store.by_ids(sobject, [wanted]).get(wanted) if sobject else None
        if sobject is None or row is None:
            raise OrgError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        return sobject, row

    def _remove(self, sobject: ObjectDescribe, gone: list[str], root: str, options: WriteOptions, hard: bool) -> None:
        changed = audit(options)
        for relation in self.schema.children(sobject.name):
            child = self.schema.sobject(relation.childSObject)
            reference = child.field(relation.field)
            pairs = self.store.find_pairs(child, reference, gone)
            if pairs and relation.cascadeDelete:
                self._remove(child, [record_id for record_id, _ in pairs], root, options, hard)
            elif pairs and reference.nillable:
                self.store.update(child, [{"Id": one, reference.name: None, **changed} for one, _ in pairs])
                if not hard:
                    self._remember((root, child.name, one, reference.name, value) for one, value in pairs)
        if hard:
            self.store.purge(sobject, gone)
            self._forget(root)
        else:
            self.store.update(sobject, [{"Id": one, "IsDeleted": 1, **changed} for one in gone])
            self._remember((root, sobject.name, one, None, None) for one in gone)

    def _undelete_one(self, record_id: str, options: WriteOptions) -> Saved:
        try:
            sobject, row = self._found(record_id)
            if not sobject.undeletable or not row["IsDeleted"]:
                raise OrgError("UNDELETE_FAILED", "entity is not in the recycle bin")
            self._check_free(sobject, row)
        except OrgError as error:
            return Saved(error=error)
        self._restore(sobject, row, options)
        return Saved(row["Id"])

    def _check_free(self, sobject: ObjectDescribe, row: Row) -> None:
        for key in sobject.unique_fields:
            for other, _ in self.store.find_pairs(sobject, key, [row[key.name]]):
                raise duplicate(key.name, other)

    def _restore(self, sobject: ObjectDescribe, row: Row, options: WriteOptions) -> None:
        changed = audit(options)
        merged = "masterrecordid" in sobject.by_name and row["MasterRecordId"] is not None
        known = self.store.connection.execute(
            "SELECT sobject, id, field, value FROM _recycled WHERE root = ?", [row["Id"]]
        ).fetchall()
        for name, record_id, field, value in known:
            restored = {field: value} if field else {"IsDeleted": 0}
            self.store.update(self.schema.sobject(name), [{"Id": record_id, **restored, **changed}])
        if merged:
            back = {"Id": row["Id"], "IsDeleted": 0, "MasterRecordId": None, **changed}
            self.store.update(sobject, [back])
            if sobject.name == "Contact":
                relations.restore_direct(self.store, self.schema, row, changed)
        self._forget(row["Id"])

    def _remember(self, rows: Iterable[tuple[str | None, ...]]) -> None:
        self.store.connection.executemany("INSERT INTO _recycled VALUES (?, ?, ?, ?, ?)", rows)

    def _forget(self, root: str) -> None:
        self.store.connection.execute("DELETE FROM _recycled WHERE root = ?", [root])
