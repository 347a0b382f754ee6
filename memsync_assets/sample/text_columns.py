"""Columns of text, put together from columns of numbers and texts: whole columns at a time, in Arrow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from memsync_assets.sample.draws import Bools, Ints

Text: TypeAlias = pa.StringArray


def words(values: Sequence[str | None], places: Ints) -> Text:
    """The value at each of these places."""
    return pc.take(pa.array(values, pa.string()), pa.array(places))


def joined(*parts: Text | str) -> Text:
    """Parts put together, row by row; null where one is."""
    return pc.binary_join_element_wise(*parts, "")


def chosen(places: Ints, *columns: Text | str | None) -> Text:
    """Row by row the column of this number."""
    typed = [c if isinstance(c, pa.Array) else pa.scalar(c, pa.string()) for c in columns]
    return pc.choose(pa.array(places), *typed)


def where(mask: Bools, then: Text | str | None, otherwise: Text | str | None) -> Text:
    """`then` where the mask is true."""
    typed = [c if isinstance(c, pa.Array) else pa.scalar(c, pa.string()) for c in (then, otherwise)]
    return pc.if_else(pa.array(mask), *typed)


def rewritten(column: Text, mask: Bools, change: Callable[[str, int], str]) -> Text:
    """The few masked values changed one by one; `change` also gets the row's number."""
    rows = np.flatnonzero(mask)
    texts = pc.take(column, pa.array(rows)).to_pylist()
    new = [text if text is None else change(text, row) for text, row in zip(texts, rows.tolist(), strict=True)]
    return pc.replace_with_mask(column, pa.array(mask), pa.array(new, pa.string()))


def numbers_text(numbers: Ints, width: int = 0) -> Text:
    """Numbers in decimal, with zeros before them up to the width."""
    text = pc.cast(pa.array(numbers), pa.string())
    return pc.utf8_lpad(text, width, "0") if width else text


def letters(column: Text) -> Text:
    """In lower case, letters only."""
    return pc.replace_substring_regex(pc.utf8_lower(column), "[^a-z]", "")


def distinct(column: Text) -> Text:
    """What each further row of an equal value needs behind it to be the only one: nothing, 2, 3 and so on."""
    codes = pc.dictionary_encode(column).indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], codes[order])
    place = np.empty(len(codes), dtype=np.int64)
    place[order] = np.arange(len(codes)) - starts
    return where(place == 0, "", numbers_text(place + 1))
