"""An alert goes out once on each channel, over real sockets, and names no member."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from memsync_assets import cli
from memsync_assets.automation.channels import Alert, AlertError, deliver
from memsync_assets.automation.instance import open_instance
from memsync_assets.definitions import build_definitions
from memsync_assets.landing.systems import landed_systems
from memsync_assets.settings import Alerts, Home, Project, Reconciliation, Scope, Settings, Smtp, load_settings
from tests.landing.landed import Landing, member

WEBHOOK = "MEMSYNC_TEST_WEBHOOK"
ONE, TWO = Alert("1", "SLA breached: one"), Alert("2", "SLA breached: two")


class Slack:
    """A webhook on loopback."""

    def __init__(self) -> None:
        self.status = 200
        self.texts: list[str] = []
        slack = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if slack.status == 200:
                    slack.texts.append(body["text"])
                self.send_response(slack.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/secret"


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slack]:
    slack = Slack()
    thread = threading.Thread(target=slack.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv(WEBHOOK, slack.url)
    yield slack
    slack.server.shutdown()
    slack.server.server_close()
    thread.join()


class MailServer(socketserver.TCPServer):
    """As much of RFC 5321 as a sender needs."""

    mails: list[str]


class MailHandler(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.say("220 ready")
        while line := self.rfile.readline().decode().strip():
            verb = line.split(" ")[0].upper()
            if verb == "DATA":
                self.say("354 go on")
                lines = []
                while (text := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                    lines.append(text)
                self.server.mails.append("\n".join(lines))
            self.say("221 bye" if verb == "QUIT" else "250 ok")

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer(("127.0.0.1", 0), MailHandler) as server:
        server.mails = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def project(home: Path, alerts: Alerts) -> Project:
    settings = Settings(reconciliations={"ihm": Reconciliation(scope=Scope(flagged=True))}, alerts=alerts)
    return Project(settings, Home(home), home / "landing")


Told = Callable[[], list[str]]


@pytest.fixture(params=["file", "slack", "smtp"])
def channel(request: pytest.FixtureRequest, tmp_path: Path, slack: Slack, mail: MailServer) -> tuple[Project, Told]:
    """A project with one channel, and all the text that came out of it."""
    if request.param == "slack":
        return project(tmp_path, Alerts(file="", slack_webhook_variable=WEBHOOK)), lambda: slack.texts
    if request.param == "smtp":
        host, port = mail.server_address[:2]
        smtp = Smtp(host=str(host), port=port, security="none", sender="m@x.example", recipients=("a@x.example",))
        return project(tmp_path, Alerts(file="", smtp=smtp)), lambda: mail.mails
    return project(tmp_path, Alerts()), lambda: (tmp_path / "alerts.jsonl").read_text().splitlines()


def test_an_alert_goes_out_once(channel: tuple[Project, Told]) -> None:
    of, told = channel
    assert deliver(of, [ONE]) == 1
    assert deliver(of, [ONE]) == 0
    assert deliver(of, [ONE, TWO]) == 1
    assert ["one" in text for text in told()] == [True, False]
    assert ["two" in text for text in told()] == [False, True]


def test_a_line_that_a_crash_cut_off_is_written_again(tmp_path: Path) -> None:
    of = project(tmp_path, Alerts())
    deliver(of, [ONE])
    file = tmp_path / "alerts.jsonl"
    file.write_text(file.read_text() + '{"id": "2", "te')
    assert deliver(of, [ONE, TWO]) == 1
    assert json.loads(file.read_text().splitlines()[-1]) == {"id": "2", "text": TWO.text}
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_crash_between_sending_and_noting_sends_again_and_loses_none(tmp_path: Path, slack: Slack) -> None:
    of = project(tmp_path, Alerts(file="", slack_webhook_variable=WEBHOOK))
    deliver(of, [ONE])
    (tmp_path / "alerts_sent.jsonl").unlink()
    assert deliver(of, [ONE]) == 1
    assert slack.texts == [ONE.text, ONE.text]


def test_a_channel_that_fails_is_tried_again_and_holds_up_no_other(tmp_path: Path, slack: Slack) -> None:
    of = project(tmp_path, Alerts(slack_webhook_variable=WEBHOOK))
    slack.status = 503
    with pytest.raises(AlertError, match="HTTP 503") as failed:
        deliver(of, [ONE])
    assert "secret" not in str(failed.value)
    assert len((tmp_path / "alerts.jsonl").read_text().splitlines()) == 1
    slack.status = 200
    assert deliver(of, [ONE]) == 1
    assert slack.texts == [ONE.text]


def test_two_that_tell_at_once_do_not_tell_twice(tmp_path: Path, slack: Slack) -> None:
    of = project(tmp_path, Alerts(slack_webhook_variable=WEBHOOK))
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda _: deliver(of, [ONE, TWO]), range(4)))
    assert sum(sent) == 4
    assert slack.texts == [f"{ONE.text}\n{TWO.text}"]
    assert len((tmp_path / "alerts.jsonl").read_text().splitlines()) == 2


def test_an_address_that_nobody_listens_at_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WEBHOOK, "http://127.0.0.1:1/services/secret")
    with pytest.raises(AlertError, match="slack: ConnectionError") as failed:
        deliver(project(tmp_path, Alerts(file="", slack_webhook_variable=WEBHOOK)), [ONE])
    assert "secret" not in str(failed.value)
    monkeypatch.delenv(WEBHOOK)
    with pytest.raises(AlertError, match=f"set {WEBHOOK}"):
        deliver(project(tmp_path, Alerts(file="", slack_webhook_variable=WEBHOOK)), [ONE])


def test_the_sensor_tells_breaches_and_failed_checks_once(landing: Landing) -> None:
    """Two comparisons a month apart: a member stays missing, two are extra."""
    group = {"group_id": "G1", "group_name": "One", "ihm_indicator": "Y"}
    told = []
    with dg.instance_for_test() as instance:
        for day in ("2026-10-01", "2026-11-02"):
            landing.as_of = day
            landing.write("a", day, {"members": [member("secret-1")], "groups": [group]})
            extra = [{"source_system": "a", **member(f"secret-{n}")} for n in (2, 3)]
            landing.write("claims", day, {"members": extra})
            definitions = build_definitions(landing.project, landed_systems(landing.project))
            landing.take_in("a", day)
            landing.take_in("claims", day)
            run = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance, asset_selection=[dg.AssetKey(key) for key in PARITY]
            )
            assert run.success
            for _ in range(2):
                tick(definitions, landing.project, instance)
            told.append([json.loads(line)["text"] for line in alerts_file(landing.project).read_text().splitlines()])
    first, both = told
    assert first[0] == (
        "count_parity_claims_group failed: ihm: 1 of 1 cells beyond tolerance, 0 within; net 1, gross 3"
    )
    assert len(first) == 3
    assert [text for text in both if text.startswith("SLA")] == [
        "SLA breached: ihm, claims: 2 extra were due on 2026-10-16; owner downstream",
        "SLA breached: ihm, claims: 1 missing were due on 2026-10-16; owner it",
    ]
    assert len(both) == 5
    assert "secret" not in "".join(both)


def test_a_run_tells_at_its_end_and_the_sensor_not_again(landing: Landing, slack: Slack) -> None:
    """`memsync run` needs no daemon; a channel that fails is tried again by whoever comes next."""
    config = landing.project.home.root.with_name("memsync.yaml")
    config.write_text(
        f"reconciliations: {{ihm: {{scope: {{flagged: true}}}}}}\nalerts: {{slack_webhook_variable: {WEBHOOK}}}\n"
    )
    project = replace(landing.project, settings=load_settings(config))
    landing.write(
        "a",
        "1",
        {"members": [member("secret-1")], "groups": [{"group_id": "G1", "group_name": "One", "ihm_indicator": "Y"}]},
    )
    landing.write("claims", "1", {"members": [{"source_system": "a", **member(f"secret-{n}")} for n in (1, 2)]})
    where = ("--landing", project.landing, "--home", project.home.root, "--config", config)
    slack.status = 503
    ended = CliRunner().invoke(cli.app, ["run", *map(str, where)])
    assert ended.exit_code == 3, ended.output
    assert "slack: HTTP 503" in ended.output
    slack.status = 200
    ended = CliRunner().invoke(cli.app, ["run", *map(str, where)])
    assert ended.exit_code == 3, ended.output
    told = [json.loads(line)["text"] for line in alerts_file(project).read_text().splitlines()]
    assert [text.split()[0] for text in told] == [
        f"count_parity_claims_{level}" for level in ("group", "source", "state")
    ]
    assert slack.texts == ["\n".join(told)]
    definitions = build_definitions(project, landed_systems(project))
    with open_instance(project.home) as instance:
        tick(definitions, project, instance)
    assert len(slack.texts) == 1
    assert f"Alerts: {alerts_file(project)}" in ended.output
    assert len(alerts_file(project).read_text().splitlines()) == 3


PARITY = ("reconciliation_scope", "membership_counts", "discrepancies", "discrepancy_ledger")


def alerts_file(of: Project) -> Path:
    return of.home.root / of.settings.alerts.file


def tick(definitions: dg.Definitions, of: Project, instance: dg.DagsterInstance) -> None:
    context = dg.build_sensor_context(instance=instance, resources={"project": of})
    definitions.get_repository_def().get_sensor_def("alerts")(context)
