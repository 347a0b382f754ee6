"""A small sample, written once."""

from __future__ import annotations

import pytest

from memsync_assets.sample import Truth, generate


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return generate(tmp_path_factory.mktemp("sample"), members=6_000)
