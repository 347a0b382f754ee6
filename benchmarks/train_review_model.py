"""Makes the fixed model that ranks and explains the review queue: memsync_assets/contacts/review_model.json.

    python benchmarks/train_review_model.py [--contacts 400000] [--seed 7] [--output FILE]

The sample's contacts, of another seed than the benchmark's, are matched up to their judged pairs. The weights of all
agreements are then fitted together (logistic regression), since places, names and mailboxes hang together and weights
counted one by one would count the same thing twice. splink's model holds them as m and u: u as counted among pairs of
two persons, m such that log2(m / u) is the fitted weight. The same arguments give the same file.

Trained on pairs that people have decided, the same program would fit it to other data.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from matching import fill
from numpy.typing import NDArray

from memsync_assets.contacts.identity import find_candidates
from memsync_assets.contacts.legal_entities import roll_up_legal_entities
from memsync_assets.contacts.normalize import normalize_contacts
from memsync_assets.contacts.scoring import COMPARISONS, MODEL, PAIRS
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate

Floats = NDArray[np.float64]
#: No agreement weighs more than this (log2), and a title less: the sample's persons never change theirs.
_MOST = 8.0
_MOST_OF = {"titles": 3.0}
_RIDGE = 1.0
_TRUE = """
SELECT j.left_number, j.right_number, l.true_person = r.true_person AS is_one
FROM judged_pairs AS j
JOIN contact_evidence AS a ON j.left_number = a.contact_number
JOIN contact_evidence AS b ON j.right_number = b.contact_number
JOIN truth AS l ON (l.system, l.contact_id) = (a.source_system, a.contact_id)
JOIN truth AS r ON (r.system, r.contact_id) = (b.source_system, b.contact_id)
"""


def labelled_pairs(contacts: int, seed: int) -> pa.Table:
    """Judged pairs of the sample as the model takes them, with is_one."""
    mart = DuckDBMart()
    migrate(mart)
    truth = fill(mart, contacts, seed)
    roll_up_legal_entities(mart)
    normalize_contacts(mart)
    find_candidates(mart)
    mart.connection.register("truth", truth)
    mart.connection.register("pairs", mart.fetch(PAIRS))
    labelled = mart.connection.sql(
        f"SELECT p.*, t.is_one FROM pairs AS p JOIN ({_TRUE}) AS t USING (left_number, right_number) ORDER BY 1, 2"
    ).to_arrow_table()
    mart.close()
    return labelled


def fit(features: Floats, labels: Floats, bounds: Floats) -> Floats:
    """The coefficients of a logistic regression within bounds, by Newton's method; those at a bound are held there."""
    weights = np.zeros(features.shape[1])
    for _ in range(60):
        odds = features @ weights
        chance = 1 / (1 + np.exp(-np.clip(odds, -40, 40)))
        gradient = features.T @ (labels - chance) - _RIDGE * weights
        curvature = (features * (chance * (1 - chance))[:, None]).T @ features + _RIDGE * np.eye(len(weights))
        held = (np.abs(weights) >= bounds) & (np.sign(gradient) == np.sign(weights))
        step = np.zeros(len(weights))
        step[~held] = np.linalg.solve(curvature[np.ix_(~held, ~held)], gradient[~held])
        weights = np.clip(weights + step, -bounds, bounds)
        if np.abs(step).max() < 1e-9:
            break
    return weights


def levels_of(labelled: pa.Table, name: str) -> list[str]:
    """The agreements of a comparison, the commonest first."""
    counts = labelled[name].value_counts().to_pylist()
    return [item["values"] for item in sorted(counts, key=lambda item: (-item["counts"], item["values"]))]


def train(labelled: pa.Table) -> dict[str, Any]:
    """splink's settings with the fitted weights."""
    labels = labelled["is_one"].to_numpy().astype(np.float64)
    columns = {name: np.asarray(labelled[name].to_pylist()) for name in COMPARISONS}
    levels = {name: levels_of(labelled, name) for name in COMPARISONS}
    parts = [(columns[name] == level).astype(np.float64) for name in COMPARISONS for level in levels[name]]
    rarity = -np.log(labelled["tf_namesakes"].to_numpy())
    bounds = np.array([_MOST_OF.get(name, _MOST) * np.log(2) for name in COMPARISONS for _ in levels[name]])
    bounds = np.append(bounds, [np.inf, np.inf])
    fitted = fit(np.column_stack([*parts, rarity, np.ones(len(labels))]), labels, bounds)
    prior = fitted[-1]
    comparisons = []
    position = 0
    for name in COMPARISONS:
        ratios = np.exp(fitted[position : position + len(levels[name])])
        position += len(levels[name])
        counted = np.array([(columns[name][labels == 0] == level).sum() + 1 for level in levels[name]])
        different = counted / counted.sum()
        # What makes the m of a comparison add up to one is a part of the prior.
        total = float((ratios * different).sum())
        prior += np.log(total)
        comparisons.append(_comparison(name, levels[name], ratios * different / total, different))
    comparisons.append(_rarity(float(fitted[-2])))
    return {
        "sql_dialect": "duckdb",
        "link_type": "dedupe_only",
        "unique_id_column_name": "pair_number",
        "probability_two_random_records_match": round(float(1 / (1 + np.exp(-prior))), 9),
        "blocking_rules_to_generate_predictions": [],
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,
        "comparisons": comparisons,
    }


def _comparison(name: str, levels: list[str], same: Floats, different: Floats) -> dict[str, Any]:
    found = [
        {
            "sql_condition": f"{name}_l = '{level}'",
            "label_for_charts": level,
            "m_probability": round(float(m), 9),
            "u_probability": round(float(u), 9),
        }
        for level, m, u in zip(levels, same, different, strict=True)
    ]
    unseen = {"sql_condition": "ELSE", "label_for_charts": "never seen", "m_probability": 1e-6, "u_probability": 1e-6}
    return {"output_column_name": name, "comparison_levels": [*found, unseen]}


def _rarity(power: float) -> dict[str, Any]:
    """No agreement, but the adjustment for how many contacts of the name there are by chance."""
    level = {
        "sql_condition": "namesakes_l = namesakes_r",
        "label_for_charts": "rarity of the name at the place",
        "m_probability": 1.0,
        "u_probability": 1.0,
        "tf_adjustment_column": "namesakes",
        "tf_adjustment_weight": round(power, 9),
        "disable_tf_exact_match_detection": True,
    }
    never = {"sql_condition": "ELSE", "label_for_charts": "none", "m_probability": 1.0, "u_probability": 1.0}
    return {"output_column_name": "namesakes", "comparison_levels": [level, never]}


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=400_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", type=Path, default=MODEL)
    asked = parser.parse_args()
    model = train(labelled_pairs(asked.contacts, asked.seed))
    asked.output.write_text(json.dumps(model, indent=1) + "\n", encoding="utf-8")
    for one in model["comparisons"]:
        for level in one["comparison_levels"]:
            weight = np.log2(level["m_probability"] / level["u_probability"])
            print(f"{one['output_column_name']:16}{level['label_for_charts']:34}{weight:8.2f}")


if __name__ == "__main__":
    main()
