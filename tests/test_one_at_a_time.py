"""Commands that meet at one home: those that read wait for a step, those that change are turned away at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import tenacity

from memsync_assets import cli
from memsync_assets.mart import connect
from memsync_assets.mart.connect import open_mart
from memsync_assets.mart.engine import MartBusyError
from memsync_assets.run_lock import only_run
from tests.landing.landed import Landing

_HOLD = "import sys, duckdb; connection = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(landing: Landing) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the mart open until its input ends."""
    with open_mart(landing.project):
        pass
    command = [sys.executable, "-c", _HOLD, str(landing.project.home.mart)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_a_mart_that_another_process_has_open_is_waited_for(
    landing: Landing, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []

    def end_holder(seconds: float) -> None:
        waits.append(seconds)
        holder.kill()
        holder.wait()

    monkeypatch.setattr(tenacity.nap.time, "sleep", end_holder)
    with open_mart(landing.project) as mart:
        assert mart.columns("loads")
    assert len(waits) == 1


def test_patience_ends(landing: Landing, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "PATIENCE", 0)
    with pytest.raises(MartBusyError, match="another memsync process"), open_mart(landing.project):
        pass


@pytest.mark.parametrize("command", ["run", "plan", "apply", "merge", "demo"])
def test_a_second_command_that_changes_is_turned_away_and_that_is_no_wrong_use(
    command: str, landing: Landing, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--landing", str(landing.project.landing)] if command == "run" else []
    monkeypatch.setattr(sys, "argv", ["memsync", command, "--home", str(landing.project.home.root), *where])
    with only_run(landing.project.home), pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert "another memsync command works on" in " ".join(capsys.readouterr().err.split())


def test_the_home_is_free_after_an_error(landing: Landing) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), only_run(landing.project.home):
            raise ZeroDivisionError
