"""One org over HTTP: login, calls with retries, queries, describes. What is sent and why is decided elsewhere.

simple-salesforce logs in; the calls are made here, because its own loop on a 401 without bound and lose headers when
they log in again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from simple_salesforce.login import SalesforceLogin
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from urllib3.util import Retry

from memsync_assets.salesforce.describe import ObjectDescription
from memsync_assets.salesforce.errors import (
    NO_CODE,
    BudgetError,
    RefusedError,
    SalesforceError,
    TransientError,
    UnknownOutcomeError,
    code_of,
    is_transient,
)
from memsync_assets.settings import LOCAL_ORG_URL_VARIABLE, MemsyncError, Project, Salesforce

ID_VARIABLE = "MEMSYNC_SALESFORCE_CLIENT_ID"
SECRET_VARIABLE = "MEMSYNC_SALESFORCE_CLIENT_SECRET"
# The local org is open to whoever is on this machine: its client is no secret.
_LOCAL_CLIENT = ("memsync-demo", "memsync-demo-secret")
_TIMEOUT = (10, 120)
_ATTEMPTS = 5
_LOGINS = 2
_PASSING_STATUSES = (429, 500, 502, 503, 504)
_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")


class Adapter(HTTPAdapter):
    """Gives every call a timeout, and leads what is meant for https to a local org where there is one."""

    def __init__(self, local_url: str | None = None, retries: Retry | None = None) -> None:
        super().__init__(max_retries=retries or 0)
        self._local_url = local_url

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request."""
        if self._local_url:
            rest = str(request.url).partition("://")[2]
            request.url = f"{self._local_url}/{rest.partition('/')[2]}"
        kwargs["timeout"] = kwargs.get("timeout") or _TIMEOUT
        return super().send(request, *args, **kwargs)


@dataclass(frozen=True)
class Access:
    """How to get into an org. `domain` is its My Domain without `.salesforce.com`."""

    domain: str
    client_id: str
    client_secret: str = field(repr=False)
    local_url: str | None = None


@dataclass(frozen=True)
class Organization:
    """Which org it is."""

    organization_id: str
    is_sandbox: bool


class Org:
    """A session of one org.

    Attributes:
        calls: how many API calls were made.
        calls_left: how many of the day's calls the org has left, as its last answer said; None before the first.
    """

    def __init__(self, access: Access, settings: Salesforce) -> None:
        """Log in.

        Raises:
            MemsyncError: the org does not let us in.
        """
        self.settings = settings
        self.calls = 0
        self.calls_left: int | None = None
        self.is_local = access.local_url is not None
        self._access = access
        self._described: dict[str, ObjectDescription] = {}
        self._session = requests.Session()
        self._session.mount("https://", Adapter(access.local_url))
        # A login may be made again whatever became of the first: simple-salesforce makes it only once.
        retries = Retry(
            total=_ATTEMPTS,
            status_forcelist=_PASSING_STATUSES,
            allowed_methods=None,
            backoff_factor=settings.retry_wait,
            backoff_jitter=settings.retry_wait,
            backoff_max=60,
        )
        self._session.mount(
            f"https://{access.domain}.salesforce.com/services/oauth2/", Adapter(access.local_url, retries)
        )
        self._session.trust_env = not self.is_local
        self.login()

    def login(self) -> None:
        """Begin a new session. Raises MemsyncError."""
        try:
            token, instance = SalesforceLogin(
                domain=self._access.domain,
                consumer_key=self._access.client_id,
                consumer_secret=self._access.client_secret,
                session=self._session,
            )
        except SalesforceAuthenticationFailed as error:
            raise MemsyncError(
                f"Salesforce ({self._access.domain}) refuses the login: {error.code}. "
                f"Check salesforce.domain, {ID_VARIABLE} and {SECRET_VARIABLE}."
            ) from None
        except requests.RequestException as error:
            raise MemsyncError(
                f"Salesforce ({self._access.local_url or self._access.domain}) does not answer "
                f"({type(error).__name__}). Check salesforce.domain and the network."
            ) from None
        self.token = str(token)
        self.host = str(instance)

    def call(self, method: str, path: str, *, repeatable: bool, **given: Any) -> requests.Response:
        """One call of the REST API below /services/data/vXX.X, tried again where that is safe.

        Args:
            method: the HTTP method.
            path: what follows the version, or a whole path beginning with /services.
            repeatable: whether the call may be made again when nobody knows whether it was carried out.
            given: params, json, data, headers, as `requests` takes them.

        Raises:
            UnknownOutcomeError: it may have been carried out (not when `repeatable`).
            TransientError: it was not carried out, after all the tries.
            BudgetError: the day's calls are used up.
            RefusedError: the org refused it.
        """

        def again(error: BaseException) -> bool:
            return isinstance(error, TransientError) and (repeatable or not isinstance(error, UnknownOutcomeError))

        retrying = Retrying(
            retry=retry_if_exception(again),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random_exponential(multiplier=self.settings.retry_wait, max=60),
            reraise=True,
        )
        for attempt in retrying:
            with attempt:
                return self._once(method, path, given)
        raise AssertionError("tenacity ends with a result or an error")

    def check_budget(self, calls: int = 1) -> None:
        """Raises BudgetError where so many calls would use up what is reserved for others."""
        if self.calls_left is not None and self.calls_left - calls < self.settings.api_calls_reserved:
            raise BudgetError("the budget of API calls", None, "api_budget")

    def query(self, soql: str, *, deleted: bool = False) -> Iterator[list[dict[str, Any]]]:
        """The pages of a query's records; `deleted` takes in those of the recycle bin."""
        answer = self.call("GET", "/queryAll" if deleted else "/query", repeatable=True, params={"q": soql}).json()
        yield answer["records"]
        while not answer["done"]:
            answer = self.call("GET", answer["nextRecordsUrl"], repeatable=True).json()
            yield answer["records"]

    def post_soap(self, envelope: Callable[[str], bytes]) -> bytes:
        """One call of the SOAP API; `envelope` is given the session's token. Returns the answer's envelope.

        Raises:
            UnknownOutcomeError: it may have been carried out.
            TransientError: it was not carried out; another try may go well.
            BudgetError, RefusedError: the org refused it.
        """
        path = f"/services/Soap/u/{self.settings.api_version}"
        headers = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
        for _ in range(_LOGINS):
            answer = self._sent("POST", path, {"data": envelope(self.token), "headers": headers})
            if answer.ok:
                return answer.content
            # Faults come with status 500 and their code in the envelope.
            fault = re.search(rb"<faultcode>(?:\w+:)?(\w+)</faultcode>", answer.content)
            code = code_of(fault[1].decode()) if fault else NO_CODE
            if code != "INVALID_SESSION_ID" and answer.status_code != 401:
                break
            self.login()
        if code == "REQUEST_LIMIT_EXCEEDED":
            raise BudgetError("POST /Soap", answer.status_code, code)
        if is_transient(code):
            raise TransientError("POST /Soap", answer.status_code, code)
        if fault:
            raise RefusedError("POST /Soap", answer.status_code, code)
        raise UnknownOutcomeError("POST /Soap", answer.status_code, code)

    def describe(self, object_name: str) -> ObjectDescription:
        """What the org says of an object; asked once a session. Raises RefusedError where there is none."""
        if object_name not in self._described:
            answer = self.call("GET", f"/sobjects/{object_name}/describe", repeatable=True)
            self._described[object_name] = ObjectDescription.model_validate(answer.json())
        return self._described[object_name]

    @cached_property
    def organization(self) -> Organization:
        """Which org this is; asked once a session."""
        ((record, *_), *_) = self.query("SELECT Id, IsSandbox FROM Organization")
        return Organization(record["Id"], record["IsSandbox"])

    def _once(self, method: str, path: str, given: Mapping[str, Any]) -> requests.Response:
        for _ in range(_LOGINS):
            answer = self._sent(method, path, given)
            if answer.status_code != 401:
                break
            # A session that has ended: the call was not carried out.
            self.login()
        if answer.ok:
            return answer
        raise _error(_name(method, path), answer)

    def _sent(self, method: str, path: str, given: Mapping[str, Any]) -> requests.Response:
        base = "" if path.startswith("/services") else f"/services/data/v{self.settings.api_version}"
        headers = {"Authorization": f"Bearer {self.token}", **(given.get("headers") or {})}
        self.calls += 1
        try:
            answer = self._session.request(method, f"https://{self.host}{base}{path}", **{**given, "headers": headers})
        except requests.ConnectTimeout as error:
            raise TransientError(_name(method, path), None, type(error).__name__) from None
        except requests.RequestException as error:
            raise UnknownOutcomeError(_name(method, path), None, type(error).__name__) from None
        if usage := _USAGE.search(answer.headers.get("Sforce-Limit-Info", "")):
            self.calls_left = int(usage[2]) - int(usage[1])
        return answer


def connect(project: Project) -> Org | None:
    """Log in to the org that the settings name; None where the target is `none`.

    Raises:
        MemsyncError: a setting or an environment variable is missing, or the org does not let us in.
    """
    settings = project.settings.salesforce
    if settings.target == "none":
        return None
    if settings.target == "local":
        url = os.environ.get(LOCAL_ORG_URL_VARIABLE)
        if not url:
            raise MemsyncError(
                f"salesforce.target is local and {LOCAL_ORG_URL_VARIABLE} is not set. "
                "`memsync demo` starts the local org; or set the target to none."
            )
        client_id, secret = (
            os.environ.get(ID_VARIABLE, _LOCAL_CLIENT[0]),
            os.environ.get(SECRET_VARIABLE, _LOCAL_CLIENT[1]),
        )
        return Org(Access("local-org.my", client_id, secret, url.rstrip("/")), settings)
    domain = settings.domain.removeprefix("https://").rstrip("/").removesuffix(".salesforce.com")
    if not domain or domain in ("login", "test"):
        raise MemsyncError(
            "salesforce.domain must be the org's My Domain, e.g. acme.my.salesforce.com: "
            "client credentials do not work at login or test."
        )
    for variable in (ID_VARIABLE, SECRET_VARIABLE):
        if not os.environ.get(variable):
            raise MemsyncError(f"{variable} is not set: it holds the connected app's key or secret.")
    return Org(Access(domain, os.environ[ID_VARIABLE], os.environ[SECRET_VARIABLE]), settings)


def _name(method: str, path: str) -> str:
    """A call without its values: /sobjects/Contact, never an id or a query."""
    parts = [part for part in path.split("?")[0].split("/") if part]
    return f"{method} /{'/'.join(parts[:2])}"


def _error(call: str, answer: requests.Response) -> SalesforceError:
    try:
        code = code_of(answer.json()[0]["errorCode"])
    except (ValueError, KeyError, IndexError, TypeError):
        code = NO_CODE
    status = answer.status_code
    if status == 429 or status == 401:
        return TransientError(call, status, code)
    if status == 403 and code == "REQUEST_LIMIT_EXCEEDED":
        return BudgetError(call, status, code)
    if status >= 500:
        return UnknownOutcomeError(call, status, code)
    return RefusedError(call, status, code)
