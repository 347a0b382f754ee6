"""Labelled pairs into a fixed model for splink.

The weights of all agreements are fitted together (logistic regression), since names, places and mailboxes hang
together: weights counted one by one would count the same thing twice. splink holds them as m and u: u as counted among
pairs of two persons, m such that log2(m / u) is the fitted weight. The same pairs give the same model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: No agreement weighs more than this (log2), unless a bound of its own is given.
MOST = 8.0
_RIDGE = 1.0


def fitted_model(labelled: pa.Table, comparisons: Sequence[str], most: Mapping[str, float]) -> dict[str, Any]:
    """splink's settings with the fitted weights.

    Args:
        labelled: pairs with a column for each comparison, tf_namesakes (how many have the names by chance) and is_one.
        comparisons: the names of the comparisons.
        most: the greatest weight of the agreements of some of them.
    """
    labels = labelled["is_one"].to_numpy().astype(np.float64)
    columns = {name: np.asarray(labelled[name].to_pylist()) for name in comparisons}
    levels = {name: _levels(labelled, name) for name in comparisons}
    parts = [(columns[name] == level).astype(np.float64) for name in comparisons for level in levels[name]]
    rarity = -np.log(labelled["tf_namesakes"].to_numpy())
    bounds = [most.get(name, MOST) * np.log(2) for name in comparisons for _ in levels[name]]
    fitted = _fit(np.column_stack([*parts, rarity, np.ones(len(labels))]), labels, np.array([*bounds, np.inf, np.inf]))
    prior = fitted[-1]
    made = []
    position = 0
    for name in comparisons:
        ratios = np.exp(fitted[position : position + len(levels[name])])
        position += len(levels[name])
        counted = np.array([(columns[name][labels == 0] == level).sum() + 1 for level in levels[name]])
        different = counted / counted.sum()
        # What makes the m of a comparison add up to one is a part of the prior.
        total = float((ratios * different).sum())
        prior += np.log(total)
        made.append(_comparison(name, levels[name], ratios * different / total, different))
    made.append(_rarity(float(fitted[-2])))
    return {
        "sql_dialect": "duckdb",
        "link_type": "dedupe_only",
        "unique_id_column_name": "pair_number",
        "probability_two_random_records_match": round(float(1 / (1 + np.exp(-prior))), 9),
        "blocking_rules_to_generate_predictions": [],
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,
        "comparisons": made,
    }


def print_weights(model: Mapping[str, Any]) -> None:
    """Each agreement with its weight."""
    for one in model["comparisons"]:
        for level in one["comparison_levels"]:
            weight = np.log2(level["m_probability"] / level["u_probability"])
            print(f"{one['output_column_name']:16}{level['label_for_charts']:34}{weight:8.2f}")


def _fit(features: Floats, labels: Floats, bounds: Floats) -> Floats:
    """The coefficients of a logistic regression within bounds, by Newton's method; those at a bound are held there."""
    weights = np.zeros(features.shape[1])
    for _ in range(60):
        chance = 1 / (1 + np.exp(-np.clip(features @ weights, -40, 40)))
        gradient = features.T @ (labels - chance) - _RIDGE * weights
        curvature = (features * (chance * (1 - chance))[:, None]).T @ features + _RIDGE * np.eye(len(weights))
        held = (np.abs(weights) >= bounds) & (np.sign(gradient) == np.sign(weights))
        step = np.zeros(len(weights))
        step[~held] = np.linalg.solve(curvature[np.ix_(~held, ~held)], gradient[~held])
        weights = np.clip(weights + step, -bounds, bounds)
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _levels(labelled: pa.Table, name: str) -> list[str]:
    """The agreements of a comparison, the commonest first."""
    counts = labelled[name].value_counts().to_pylist()
    return [item["values"] for item in sorted(counts, key=lambda item: (-item["counts"], item["values"]))]


def _comparison(name: str, levels: Sequence[str], same: Floats, different: Floats) -> dict[str, Any]:
    found = [_level(f"{name}_l = '{v}'", v, m, u) for v, m, u in zip(levels, same, different, strict=True)]
    return {"output_column_name": name, "comparison_levels": [*found, _level("ELSE", "never seen", 1e-6, 1e-6)]}


def _level(condition: str, label: str, m: float, u: float) -> dict[str, Any]:
    return {
        "sql_condition": condition,
        "label_for_charts": label,
        "m_probability": round(float(m), 9),
        "u_probability": round(float(u), 9),
    }


def _rarity(power: float) -> dict[str, Any]:
    """No agreement, but the adjustment for how many have the names by chance."""
    level = _level("namesakes_l = namesakes_r", "rarity of the name", 1, 1) | {
        "tf_adjustment_column": "namesakes",
        "tf_adjustment_weight": round(power, 9),
        "disable_tf_exact_match_detection": True,
    }
    return {"output_column_name": "namesakes", "comparison_levels": [level, _level("ELSE", "none", 1, 1)]}
