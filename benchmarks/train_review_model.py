"""Makes the fixed model that ranks and explains the review queue: memsync_assets/contacts/review_model.json.

    python benchmarks/train_review_model.py [--contacts 400000] [--seed 7] [--output FILE]

The sample's contacts, of another seed than the benchmark's, are matched up to their judged pairs; model_fitting.py fits
the weights. The same arguments give the same file. Given pairs that people have decided, the same program would fit the
model to other data.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pyarrow as pa
from matching import fill
from model_fitting import fitted_model, print_weights

from memsync_assets.contacts.identity import find_candidates
from memsync_assets.contacts.legal_entities import roll_up_legal_entities
from memsync_assets.contacts.normalize import normalize_contacts
from memsync_assets.contacts.scoring import COMPARISONS, MODEL, PAIRS
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate

#: A title weighs no more: the sample's persons never change theirs.
_MOST = {"titles": 3.0}
_LABELLED = """
SELECT p.*, l.true_person = r.true_person AS is_one
FROM pairs AS p
JOIN contact_evidence AS a ON p.left_number = a.contact_number
JOIN contact_evidence AS b ON p.right_number = b.contact_number
JOIN truth AS l ON (l.system, l.contact_id) = (a.source_system, a.contact_id)
JOIN truth AS r ON (r.system, r.contact_id) = (b.source_system, b.contact_id)
ORDER BY p.left_number, p.right_number
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
    labelled = mart.connection.sql(_LABELLED).to_arrow_table()
    mart.close()
    return labelled


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=400_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", type=Path, default=MODEL)
    asked = parser.parse_args()
    model = fitted_model(labelled_pairs(asked.contacts, asked.seed), COMPARISONS, _MOST)
    asked.output.write_text(json.dumps(model, indent=1) + "\n", encoding="utf-8")
    print_weights(model)


if __name__ == "__main__":
    main()
