from __future__ import annotations

import pytest

from memsync_assets.mart.lineage import column_lineage, schema_tables
from memsync_assets.mart.queries import Query, all_queries

CONTACTS = [query for query in all_queries() if query.name.startswith("contacts/")]


@pytest.mark.parametrize("query", CONTACTS, ids=lambda query: query.name)
def test_each_query_fills_declared_columns_from_known_tables(query: Query) -> None:
    lineage = column_lineage(query)
    assert lineage.keys() <= schema_tables()[query.table].keys()
    assert set(query.key) <= lineage.keys()
    assert any(lineage.values())
