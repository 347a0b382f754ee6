"""How likely judged pairs are one person: splink with the fixed model beside this file, and why it says so.

SQL has compared the pairs already (judged_pairs), so that rules and model see the same; splink is given one record for
each pair, which it holds against itself, and adds the weights of its agreements up. `benchmarks/train_review_model.py`
made the model. How rare a name is at a place is counted over all contacts, not over the pairs that splink is given: a
pair's weight does not depend on which others are scored with it. Nothing is trained here. On a server, too, it runs
in this process, on Arrow.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from splink import DuckDBAPI, Linker

from memsync_assets.mart.engine import Mart
from memsync_assets.quiet_duckdb import connect

MODEL = Path(__file__).with_name("review_model.json")
#: A pair of this weight (log2 of the odds that it is one person) or more is worth a look by people: of such pairs that
#: no rule links, at least 85 of 100 are one person (benchmarks/matching.py).
REVIEW_WEIGHT = -0.3
#: The comparisons of the model, each a column of `PAIRS`.
COMPARISONS = (
    "first_names", "last_names", "middle_names", "titles", "mailboxes", "telephones", "places", "systems",
)  # fmt: skip

#: Each judged pair as splink takes it. tf_namesakes: how many contacts of this name the place that both work at has by
#: chance; all contacts are one place for those that share none.
PAIRS = """
SELECT
    j.left_number,
    j.right_number,
    j.first_names,
    j.last_names,
    j.middle_names,
    j.titles,
    CASE
        WHEN j.same_email = 1 THEN 'same'
        WHEN j.other_email = 'D' THEN 'two of one domain'
        WHEN j.other_email = 'Y' THEN 'different'
        ELSE 'missing'
    END AS mailboxes,
    CASE
        WHEN j.same_direct_phone = 1 THEN 'same direct'
        WHEN j.same_phone = 1 THEN 'same office line'
        WHEN j.areas = 'same' THEN 'of one area'
        WHEN j.areas = 'different' THEN 'of two areas'
        ELSE 'missing'
    END AS telephones,
    CASE WHEN j.place_contacts IS NULL THEN 'none' ELSE 'same' END AS places,
    CASE WHEN j.same_system = 'Y' THEN 'same' ELSE 'different' END AS systems,
    0 AS namesakes,
    CASE WHEN j.place_contacts IS NULL THEN CAST(j.name_count AS FLOAT)
        ELSE CAST(j.name_count AS FLOAT) * j.place_contacts / t.contact_count END AS tf_namesakes,
    CASE WHEN k.left_number IS NULL THEN 'N' ELSE 'Y' END AS is_linked
FROM judged_pairs AS j
CROSS JOIN (SELECT COUNT(*) AS contact_count FROM contact_evidence) AS t
LEFT OUTER JOIN contact_links AS k ON j.left_number = k.left_number AND j.right_number = k.right_number
"""
_MEMORY = "1GB"


def score_pairs(mart: Mart) -> int:
    """Make pair_scores: the weight of each pair that a rule links or that people should look at. Returns how many."""
    scores = score(mart.fetch(PAIRS), REVIEW_WEIGHT)
    mart.execute("DELETE FROM pair_scores")
    return mart.append("pair_scores", scores)


def score(pairs: pa.Table, least: float) -> pa.Table:
    """The weight of pairs and its parts in words: of those that reach a weight, and of the linked ones.

    Args:
        pairs: what `PAIRS` selects.
        least: the least weight (log2 of the odds) of a pair that no rule links.

    Returns:
        left_number, right_number, weight, evidence.
    """
    if pairs.num_rows == 0:
        return _RESULT.empty_table()
    with connect(memory_limit=_MEMORY, preserve_insertion_order="false") as db:
        weights = predict(db, pairs, MODEL)
        db.register("pairs", numbered(pairs))
        return db.sql(_KEPT.format(weights), params={"least": least}).to_arrow_table().cast(_RESULT)


def numbered(pairs: pa.Table) -> pa.Table:
    """The pairs with the number by which splink knows them, pair_number."""
    return pairs.append_column("pair_number", pa.array(np.arange(pairs.num_rows)))


def predict(db: duckdb.DuckDBPyConnection, pairs: pa.Table, model: Path) -> str:
    """Weigh compared pairs with splink. Returns the name of a table in `db`, with pair_number_l and match_weight."""
    records = numbered(pairs)
    numbers = records["pair_number"]
    each_with_itself = pa.table({"join_key_l": numbers, "join_key_r": numbers, "match_key": pa.nulls(len(numbers))})
    api = DuckDBAPI(connection=db)
    linker = Linker(api.register(records), model, log_level="ERROR")
    linker.table_management.register_blocked_pairs_for_predict(api.register(each_with_itself))
    table: str = linker.inference.predict().physical_name
    return table


def _parts() -> str:
    """SQL of the words that explain a weight: each comparison with what it found and what that weighs.

    The rarity of the name belongs to the place; the start is the share of true pairs among those that are judged.
    """
    weights = [f"w.mw_{name}" for name in COMPARISONS]
    weights[COMPARISONS.index("places")] += " + w.mw_tf_adj_namesakes"
    parts = [
        f"printf('{name.replace('_', ' ')} %s %+.1f', p.{name}, {weight})"
        for name, weight in zip(COMPARISONS, weights, strict=True)
    ]
    start = f"printf('start %+.1f', w.match_weight - ({' + '.join(weights)}))"
    return " || '; ' || ".join([*parts, start])


_KEPT = f"""
SELECT p.left_number, p.right_number, round(w.match_weight, 3) AS weight, {_parts()} AS evidence
FROM {{}} AS w JOIN pairs AS p ON w.pair_number_l = p.pair_number
WHERE w.match_weight >= $least OR p.is_linked = 'Y'
ORDER BY ALL
"""  # noqa: S608
_RESULT = pa.schema(
    {"left_number": pa.int64(), "right_number": pa.int64(), "weight": pa.float64(), "evidence": pa.string()}
)
