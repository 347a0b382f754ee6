"""From a call to the handler that answers it, without HTTP: composite requests come this way too."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from memsync_assets.local_org.describe import VERSIONS
from memsync_assets.local_org.errors import OrgError, not_found
from memsync_assets.local_org.org import Org


@dataclass(frozen=True)
class Call:
    """One request. `path` is still percent-encoded; header names are in lower case."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def json(self) -> Any:
        """The body read as JSON. Raises OrgError JSON_PARSER_ERROR."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise OrgError("JSON_PARSER_ERROR", f"Unexpected character or end of input: {error}") from None

    @property
    def record(self) -> dict[str, Any]:
        """The body as one JSON object. Raises OrgError JSON_PARSER_ERROR."""
        if not isinstance(self.json, dict):
            raise OrgError("JSON_PARSER_ERROR", "The request body must be a JSON object")
        return self.json


@dataclass(frozen=True)
class Answer:
    """One response; a body that is text is sent as it is, any other as JSON."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What a handler is given. `base` is the path of the API version, `at` holds the parts of the path."""

    org: Org
    call: Call
    base: str
    at: Mapping[str, str]
    handle: Callable[[Call], Answer]

    @property
    def version(self) -> str:
        """The API version, such as 63.0."""
        return self.base.rpartition("/v")[2]


Handler = Callable[[Asked], Answer]


class Routes:
    """Handlers by method and by the path below /services/data/vXX.X, in any letter case."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, pattern: str) -> Callable[[Handler], Handler]:
        """Register the decorated handler; the pattern's groups are passed to it decoded."""

        def register(handler: Handler) -> Handler:
            self.entries.append((method, re.compile(pattern + "/?", re.IGNORECASE), handler))
            return handler

        return register


class Api:
    """Everything below /services/data of one org."""

    def __init__(self, org: Org, routes: Sequence[Routes]) -> None:
        self.org = org
        self._entries = [entry for one in routes for entry in one.entries]

    def handle(self, call: Call) -> Answer:
        """Answer a call; errors become answers in Salesforce's shape."""
        try:
            return self._dispatch(call)
        except OrgError as error:
            return Answer(error.status, [error.as_request_error()])
        except Exception:  # a defect of ours is to look to the client as one of Salesforce's does
            logging.getLogger(__name__).exception("%s failed", call.method)
            return Answer(500, [OrgError("UNKNOWN_EXCEPTION", "An unexpected error occurred.").as_request_error()])

    def _dispatch(self, call: Call) -> Answer:
        match = re.fullmatch(r"(/services/data/v(\d+)\.0)(/.*)?", call.path)
        if match is None or int(match[2]) not in VERSIONS:
            raise not_found()
        known = False
        for method, pattern, handler in self._entries:
            found = pattern.fullmatch(match[3] or "/")
            if found:
                known = True
                if method == call.method:
                    parts = {name: unquote(value) for name, value in found.groupdict(default="").items()}
                    return handler(Asked(self.org, call, match[1], parts, self.handle))
        if known:
            raise OrgError("METHOD_NOT_ALLOWED", f"HTTP Method '{call.method}' not allowed.", status=405)
        raise not_found()
