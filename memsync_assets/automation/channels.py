"""How an alert reaches people: a file of the home, a Slack webhook, mail. Each alert goes out once a channel.

The file is its own record: an alert that is in it is never written again, so it errs neither way. Of Slack and mail it
is noted that an alert was sent after it was: a crash in between sends it again, and none is ever lost. A repeated mail
has the same Message-ID, by which mail systems know it. Who tells, a run or the sensor, holds a lock for as long.
"""

from __future__ import annotations

import fcntl
import json
import os
import smtplib
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path

import requests

from memsync_assets.settings import Alerts, MemsyncError, Project, Smtp

_SENT = "alerts_sent.jsonl"
_LOCK = ".alerts.lock"
_TIMEOUT = 15


@dataclass(frozen=True)
class Alert:
    """One thing to tell: counts, never members.

    Attributes:
        id: the same for the same thing.
    """

    id: str
    text: str


class AlertError(MemsyncError):
    """A channel did not take an alert. The text names no address and no secret."""


def alert_id(*parts: object) -> str:
    """The id of what these parts name."""
    return sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:32]


def alerts_file(project: Project) -> Path | None:
    """Where alerts are written to; None: there are none yet, or the settings name no file."""
    name = project.settings.alerts.file
    path = project.home.root / name
    return path if name and path.is_file() else None


def deliver(project: Project, alerts: Sequence[Alert]) -> int:
    """Send what has not been sent, on every channel of the settings. Returns how many messages went out.

    Raises:
        AlertError: a channel failed; the others were served. Call again, and it is tried again.
    """
    with _alone(project.home.root):
        return _deliver(project, alerts)


def _deliver(project: Project, alerts: Sequence[Alert]) -> int:
    settings = project.settings.alerts
    failures: list[str] = []
    sent = _append(project.home.root / settings.file, alerts) if settings.file else 0
    noted = project.home.root / _SENT
    for channel, send in _channels(settings):
        done = _ids(noted, channel)
        new = [alert for alert in alerts if alert.id not in done]
        if not new:
            continue
        try:
            send(new)
        except AlertError as error:
            failures.append(str(error))
            continue
        _write(noted, ({"channel": channel, "id": alert.id} for alert in new))
        sent += len(new)
    if failures:
        raise AlertError("; ".join(failures))
    return sent


def _channels(settings: Alerts) -> Iterator[tuple[str, Callable[[Sequence[Alert]], None]]]:
    """Those that keep no record of their own."""
    if variable := settings.slack_webhook_variable:
        yield "slack", lambda new: _slack(variable, new)
    if smtp := settings.smtp:
        yield "smtp", lambda new: _mail(smtp, new)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """What was sent is read and noted by one process at a time; the lock goes with the process."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _append(path: Path, alerts: Sequence[Alert]) -> int:
    done = _ids(path)
    new = [alert for alert in alerts if alert.id not in done]
    _write(path, (asdict(alert) for alert in new))
    return len(new)


def _ids(path: Path, channel: str | None = None) -> set[str]:
    """The ids in a file of ours; a line that a crash cut off does not count."""
    found: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("channel") == channel:
            found.add(entry["id"])
    return found


def _write(path: Path, entries: Iterable[dict[str, str]]) -> None:
    lines = "".join(json.dumps(entry) + "\n" for entry in entries)
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    cut_off = path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="utf-8") as file:
        file.write("\n" + lines if cut_off else lines)
        file.flush()
        os.fsync(file.fileno())


def _slack(variable: str, alerts: Sequence[Alert]) -> None:
    address = os.environ.get(variable)
    if not address:
        raise AlertError(f"alerts.slack_webhook_variable: set {variable} in the environment to the webhook's address")
    try:
        answer = requests.post(address, json={"text": _text(alerts)}, timeout=_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        # Its text holds the address, which is the secret.
        raise AlertError(f"slack: {type(error).__name__}; see to the network, or the address in {variable}") from None
    if answer.status_code != requests.codes.ok:
        raise AlertError(f"slack: HTTP {answer.status_code}; see to the address in {variable}")


def _mail(smtp: Smtp, alerts: Sequence[Alert]) -> None:
    message = EmailMessage()
    message["Subject"] = f"memsync: {len(alerts)} alerts" if len(alerts) > 1 else f"memsync: {alerts[0].text}"
    message["From"] = smtp.sender
    message["To"] = ", ".join(smtp.recipients)
    message["Message-ID"] = f"<{alert_id(*(alert.id for alert in alerts))}@memsync.invalid>"
    message.set_content(_text(alerts))
    password = os.environ.get(smtp.password_variable, "")
    if smtp.user and not password:
        raise AlertError(f"alerts.smtp.password_variable: set {smtp.password_variable} in the environment")
    connect = smtplib.SMTP_SSL if smtp.security == "tls" else smtplib.SMTP
    try:
        with connect(smtp.host, smtp.port, timeout=_TIMEOUT) as server:
            if smtp.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if smtp.user:
                server.login(smtp.user, password)
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise AlertError(f"smtp: {type(error).__name__} at {smtp.host}:{smtp.port}") from None


def _text(alerts: Sequence[Alert]) -> str:
    return "\n".join(alert.text for alert in alerts)
