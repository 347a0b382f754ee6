"""Sums, places and repeated members of buckets, against lists in plain Python."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memsync_assets.parity.buckets import Layout, Scanned

#: The hashes of a member and of its row. Few heads, so that buckets have several members and members several rows.
_HASHES = st.tuples(
    st.builds(lambda head, tail: head << 40 | tail, st.sampled_from([0, 1, 1 << 21, 2**24 - 1]), st.integers(0, 3)),
    st.integers(0, 2**64 - 1),
)
_ROWS = st.lists(_HASHES, max_size=30)


def _scanned(layout: Layout, rows: list[tuple[int, int]], batch: int) -> Scanned:
    scanned = Scanned(layout)
    for begin in range(0, len(rows), batch):
        ids = range(begin, min(begin + batch, len(rows)))
        places = np.array([rows[i][0] & layout.hash_mask | i for i in ids], np.uint64)
        scanned.add(places, np.array([rows[i][1] for i in ids], np.uint64))
    return scanned


@given(rows=_ROWS, batch=st.integers(1, 31), data=st.data())
def test_sums_and_places_are_those_of_the_rows(rows: list[tuple[int, int]], batch: int, data: st.DataObject) -> None:
    layout = Layout.of(len(rows), len(rows))
    sums: dict[int, int] = defaultdict(int)
    for member, row in rows:
        sums[member >> (64 - layout.bucket_bits)] += row
    looked_at = np.array(data.draw(st.lists(st.booleans(), min_size=1 << layout.bucket_bits)), np.bool_)
    with closing(_scanned(layout, rows, batch)) as scanned:
        assert {b: int(s) for b, s in enumerate(scanned.sums) if s} == {
            b: s % 2**64 for b, s in sums.items() if s % 2**64
        }
        assert scanned.row_count == len(rows)
        for _ in range(2):
            found = {(row["bucket"], row["row_id"]) for row in scanned.within(looked_at).to_pylist()}
            buckets = [member >> (64 - layout.bucket_bits) for member, _ in rows]
            assert found == {(bucket, i) for i, bucket in enumerate(buckets) if looked_at[bucket]}


@given(rows=_ROWS, batch=st.integers(1, 31))
def test_buckets_of_repeated_members_are_found(rows: list[tuple[int, int]], batch: int) -> None:
    layout = Layout.of(len(rows), len(rows))
    members = [member for member, _ in rows]
    heads = [member & layout.hash_mask for member in members]
    with closing(_scanned(layout, rows, batch)) as scanned:
        found = set(scanned.repeated().tolist())
    assert found >= {m >> (64 - layout.bucket_bits) for m in members if members.count(m) > 1}
    assert found == {h >> (64 - layout.bucket_bits) for h in heads if heads.count(h) > 1}


def test_repeated_members_are_found_over_the_edges_of_batches() -> None:
    members = np.arange(250_000, dtype=np.uint64) << np.uint64(40)
    members[200_000] = members[199_999] = members[100_000] = members[99_999]
    layout = Layout.of(len(members), len(members))
    with closing(Scanned(layout)) as scanned:
        scanned.add(members | np.arange(len(members), dtype=np.uint64), members)
        assert set(scanned.repeated().tolist()) == {99_999 << 40 >> (64 - layout.bucket_bits)}


def test_layouts() -> None:
    assert Layout.of(0, None) == Layout(bucket_bits=1, id_bits=0)
    assert Layout.of(10_000_000, 30_000_000) == Layout(bucket_bits=22, id_bits=25)
    assert Layout(22, 25).hash_mask == 0xFFFF_FFFF_FE00_0000
