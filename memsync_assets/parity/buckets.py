"""Buckets of rows and their sums, in arrays: the arithmetic of `narrowing`. No SQL here.

A bucket holds the rows of the members whose hashes begin alike; its sum is that of its rows' hashes, modulo 2^64. Where
a row is, is one number, its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import TemporaryFile

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.uint64]
_ROWS_A_BUCKET = 2
#: The sums of a system take 8 bytes a bucket: 32 MB at most.
_MOST_BITS = 22
#: Few enough to stay in the processor's cache.
BATCH_ROWS = 100_000


@dataclass(frozen=True)
class Layout:
    """What a place is made of: 64 bits, the head of the member's hash, which begins with the bucket, then the row's id.

    Attributes:
        bucket_bits: there are 2 ** bucket_bits buckets.
        id_bits: row ids are less than 2 ** id_bits.
    """

    bucket_bits: int
    id_bits: int

    @classmethod
    def of(cls, source_rows: int, last_id: int | None) -> Layout:
        """For so many rows of the source, and for row ids up to the last."""
        bucket_bits = math.ceil(math.log2(max(2, source_rows / _ROWS_A_BUCKET)))
        return cls(min(_MOST_BITS, bucket_bits), (last_id or 0).bit_length())

    @property
    def hash_mask(self) -> int:
        """Leaves the head of a member's hash."""
        return (1 << 64) - (1 << self.id_bits)

    def buckets(self, places: Places) -> npt.NDArray[np.intp]:
        """The bucket of each place."""
        # Numpy adds up fast where it need not convert the indices.
        return (places >> np.uint64(64 - self.bucket_bits)).view(np.intp)

    def rows(self, places: Places) -> pa.Table:
        """The bucket and the row id of each place."""
        row_ids = (places & np.uint64((1 << self.id_bits) - 1)).view(np.int64)
        return pa.table({"bucket": self.buckets(places), "row_id": row_ids})


class Scanned:
    """What a scan keeps of the rows it met: the sums of their buckets, and their places.

    Places wait in a temporary file, since they are 8 bytes a row.
    """

    def __init__(self, layout: Layout) -> None:
        self.sums: Hashes = np.zeros(1 << layout.bucket_bits, np.uint64)
        self.row_count = 0
        self._layout = layout
        self._file = TemporaryFile()  # noqa: SIM115 - see close

    def add(self, places: Places, row_hashes: Hashes) -> None:
        """Take rows in."""
        np.add.at(self.sums, self._layout.buckets(places), row_hashes)
        self._file.write(places.data)
        self.row_count += len(places)

    def repeated(self) -> npt.NDArray[np.intp]:
        """The buckets in which a member has several rows, or the hashes of two members begin alike."""
        self._file.seek(0)
        places = np.fromfile(self._file, np.uint64)
        places.sort()
        found = [np.empty(0, np.intp)]
        for begin in range(0, len(places), BATCH_ROWS):
            batch = places[begin : begin + BATCH_ROWS + 1]
            members = batch >> np.uint64(self._layout.id_bits)
            found.append(self._layout.buckets(batch[1:][members[1:] == members[:-1]]))
        return np.concatenate(found)

    def within(self, looked_at: npt.NDArray[np.bool_]) -> pa.Table:
        """The rows whose bucket is looked at."""
        batches = (places[looked_at.take(self._layout.buckets(places))] for places in self._batches())
        return self._layout.rows(np.concatenate([np.empty(0, np.uint64), *batches]))

    def close(self) -> None:
        """The file is gone."""
        self._file.close()

    def _batches(self) -> Iterator[Places]:
        self._file.seek(0)
        while batch := self._file.read(BATCH_ROWS * np.uint64().itemsize):
            yield np.frombuffer(batch, np.uint64)
