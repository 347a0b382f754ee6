"""What Dagster shows of a table of the mart: row count, schema, column lineage, never a row.

The only module of the mart that knows Dagster; the assets of every domain use it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from memsync_assets.mart.engine import Mart
from memsync_assets.mart.lineage import column_lineage
from memsync_assets.mart.queries import Query, all_queries


def dagster_name(text: str) -> str:
    """A text as a part of a name that Dagster allows; texts that differ have names that differ."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", text)
    return plain if plain == text else f"{plain}_{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def table_spec(group: str, table: str, deps: Sequence[str], description: str) -> dg.AssetSpec:
    """The asset of a table that is made by SQL."""
    return dg.AssetSpec(table, deps=deps, group_name=group, kinds={"sql", "table"}, description=description)


def _query_of(table: str) -> Query | None:
    return next((query for query in all_queries() if query.table == table), None)


def table_metadata(mart: Mart, table: str) -> dict[str, Any]:
    """The metadata of one table as it stands in the mart."""
    columns = [dg.TableColumn(name, kind) for name, kind in mart.columns(table).items()]
    counted = mart.fetch(f"SELECT COUNT(*) AS row_count FROM {table}")  # noqa: S608  (a name of our own schema)
    metadata: dict[str, Any] = {
        "dagster/row_count": counted["row_count"][0].as_py(),
        "dagster/table_name": table,
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns)),
    }
    if query := _query_of(table):
        metadata["dagster/column_lineage"] = dg.MetadataValue.column_lineage(_lineage(query))
        text = f"`sql/{query.name}.sql`: {query.grain}\n\n```sql\n{query.text}\n```"
        metadata["sql"] = dg.MetadataValue.md(text)
    return metadata


def _lineage(query: Query) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(dg.AssetKey(table), name) for table, name in sorted(sources)]
            for column, sources in column_lineage(query).items()
        }
    )


def table_results(
    mart: Mart, tables: Sequence[str], metadata: Mapping[str, Any] | None = None
) -> Iterator[dg.MaterializeResult[None]]:
    """A result for each of the tables that one step made; `metadata` is shown beside the first."""
    for position, table in enumerate(tables):
        more = dict(metadata or {}) if position == 0 else {}
        about = {**table_metadata(mart, table), **more}
        yield dg.MaterializeResult(asset_key=dg.AssetKey(table), metadata=about)
