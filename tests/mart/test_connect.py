"""Opening the mart that the settings name, and what `memsync doctor` says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyodbc
import pytest

from memsync_assets.doctor import Finding, examine
from memsync_assets.mart.connect import open_mart
from memsync_assets.mart.drivers import complete, find_driver
from memsync_assets.settings import Extraction, Home, MartSettings, MemsyncError, Project, System, load_settings
from tests.mart.cluster import Cluster


def _project(tmp_path: Path, engine: str) -> Project:
    settings = load_settings().model_copy(update={"mart": MartSettings(engine=engine)})  # type: ignore[arg-type]
    (tmp_path / "landing").mkdir()
    return Project(settings, Home(tmp_path / "home"), tmp_path / "landing")


def _examined(project: Project) -> dict[str, Finding]:
    return {finding.about: finding for finding in examine(project)}


def test_nobody_else_can_look_into_a_home_that_memsync_made(tmp_path: Path) -> None:
    project = _project(tmp_path, "duckdb")
    with open_mart(project):
        assert project.home.root.stat().st_mode & 0o777 == 0o700


def test_a_server_without_a_connection_string_says_which_variable_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEMSYNC_MART_CONNECTION", raising=False)
    project = _project(tmp_path, "sqlserver")
    with pytest.raises(MemsyncError, match="set MEMSYNC_MART_CONNECTION"), open_mart(project):
        pass
    found = _examined(project)["mart"]
    assert not found.ok
    assert "MEMSYNC_MART_CONNECTION" in found.text


def test_a_connection_string_that_names_its_driver_is_left_alone() -> None:
    for given in ("DRIVER={My Own};SERVER=x", "server=x;driver=y", "DSN=mart"):
        assert complete("sqlserver", given) == given


@pytest.mark.parametrize(
    ("registered", "used"),
    [
        (["FreeTDS", "ODBC Driver 17 for SQL Server", "ODBC Driver 18 for SQL Server"], "ODBC Driver 18"),
        (["FreeTDS", "ODBC Driver 17 for SQL Server"], "ODBC Driver 17"),
    ],
)
def test_microsofts_driver_goes_before_freetds(
    registered: list[str], used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyodbc, "drivers", lambda: registered)
    assert used in find_driver("sqlserver").name


def test_the_driver_in_the_wheel_of_mssql_python_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mssql_python_odbc", reason="the extra [sqlserver] is not installed")
    monkeypatch.setattr(pyodbc, "drivers", lambda: ["FreeTDS"])
    driver = find_driver("sqlserver")
    assert Path(driver.name).is_file()
    # It loads, and says of its own that there is no such server.
    with pytest.raises(pyodbc.Error, match="ODBC Driver 18 for SQL Server"):
        pyodbc.connect(driver.connection_string("SERVER=127.0.0.1,1;UID=x;PWD=x;Encrypt=no"), timeout=1)


def test_without_a_driver_it_is_said_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyodbc, "drivers", list)
    monkeypatch.setenv("MEMSYNC_MART_CONNECTION", "SERVER=x")
    found = _examined(_project(tmp_path, "postgres"))
    assert not found["odbc drivers"].ok
    assert "odbc-postgresql" in found["odbc drivers"].text
    assert not found["mart"].ok


@pytest.mark.postgres
def test_doctor_opens_the_mart_as_a_run_would(
    tmp_path: Path, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSYNC_MART_CONNECTION", postgres_database)
    found = _examined(_project(tmp_path, "postgres"))
    assert found["mart"].ok, found["mart"].text
    assert found["mart"].text.startswith("postgres, 0 loads applied")
    assert "PostgreSQL Unicode is used" in found["odbc drivers"].text


@pytest.mark.postgres
def test_doctor_tells_a_user_who_may_read_and_not_write(
    tmp_path: Path, postgres_database: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _project(tmp_path, "postgres")
    monkeypatch.setenv("MEMSYNC_MART_CONNECTION", postgres_database)
    assert _examined(project)["mart"].ok
    database = dict(part.split("=", 1) for part in postgres_database.split(";"))["DATABASE"]
    cluster.sql("CREATE ROLE looker LOGIN")
    cluster.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker", database)
    monkeypatch.setenv("MEMSYNC_MART_CONNECTION", postgres_database.replace("UID=memsync", "UID=looker"))
    found = _examined(project)["mart"]
    cluster.sql("DROP OWNED BY looker", database)
    cluster.sql("DROP ROLE looker")
    assert not found.ok
    assert "permission denied for table delta_keys" in found.text


@pytest.mark.postgres
def test_doctor_asks_each_database_that_loads_are_extracted_from(
    tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = "SELECT 'L1' AS load_id, CURRENT_DATE AS as_of, NULL AS cutoff_at"
    tables = {"members": "SELECT 1"}
    systems = {
        name: System(role="source", extraction=Extraction(connection_variable=name.upper(), loads=loads, tables=tables))
        for name in ("here", "there")
    }
    project = _project(tmp_path, "duckdb")
    project = replace(project, settings=project.settings.model_copy(update={"systems": systems}))
    monkeypatch.setenv("HERE", postgres)
    monkeypatch.setenv("THERE", "DRIVER={PostgreSQL Unicode};SERVER=127.0.0.1;PORT=1;UID=x;PWD=hush")
    found = _examined(project)
    assert (found["extraction of here"].ok, found["extraction of there"].ok) == (True, False)
    assert "1 new complete loads" in found["extraction of here"].text
    assert "THERE" in found["extraction of there"].text
    assert "hush" not in found["extraction of there"].text


@pytest.mark.postgres
def test_doctor_says_why_a_server_does_not_have_us(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSYNC_MART_CONNECTION", cluster.connection_string("nowhere") + ";PWD=hush")
    found = _examined(_project(tmp_path, "postgres"))["mart"]
    assert not found.ok
    assert 'database "nowhere" does not exist' in found.text
    assert "hush" not in found.text
