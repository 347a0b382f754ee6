"""Two spellings of one name."""

from __future__ import annotations

import pytest

from memsync_assets.contacts.same_name import is_same_name


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        (("Robert", "Smithers"), ("Bob", "Smithers"), True),
        (("José", "Núñez"), ("Jose", "Nunez"), True),
        (("Mary", "Kowal"), ("Mary A.", "Kowal"), True),
        (("Mary", "Kowal"), ("M", "Kowal"), True),
        (("Mary B", "Kowal"), ("Mary A.", "Kowal"), False),
        (("Mary", "Kowal"), ("", "Kowal"), False),
        (("Mary", "Kowal"), ("Mary", "Jones"), False),
        (("Patrick", "Kowal"), ("Patricia", "Kowal"), False),
        (("Paul", "Elder III"), ("Paul", "Elder Jr"), False),
        (("HR", "Benefits Dept"), ("Hr", "Benefits Dept"), True),
        (("HR", "Benefits Dept"), ("H", "Benefits Dept"), False),
    ],
)
def test_names(ours: tuple[str, str], theirs: tuple[str, str], same: bool) -> None:
    assert is_same_name(ours, theirs) is is_same_name(theirs, ours) is same
