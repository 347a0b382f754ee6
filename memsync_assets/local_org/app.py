"""The HTTP face of an org: requests in, answers out. What an answer holds is decided in `rest`."""

from __future__ import annotations

import json
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from memsync_assets.local_org import describe
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.oauth import OAuthError
from memsync_assets.local_org.org import Org
from memsync_assets.local_org.rest import Answer, Call, Rest

_JSON = "application/json;charset=UTF-8"
_METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD"]


def make_app(org: Org) -> Starlette:
    """The ASGI application of one org."""
    face = _Face(org)
    return Starlette(
        routes=[
            Route("/services/oauth2/token", face.token, methods=["POST"]),
            Route("/services/data", face.versions),
            Route("/services/data/", face.versions),
            Route("/services/data/{rest:path}", face.data, methods=_METHODS),
        ]
    )


class _Face:
    def __init__(self, org: Org) -> None:
        self.org = org
        self.rest = Rest(org)

    async def token(self, request: Request) -> Response:
        form = {key: str(value) for key, value in (await request.form()).items()}
        try:
            return _response(Answer(200, self.org.sessions.token(form, str(request.base_url).rstrip("/"))))
        except OAuthError as error:
            return _response(Answer(400, {"error": error.error, "error_description": error.description}))

    async def versions(self, request: Request) -> Response:
        return _response(Answer(200, describe.versions()))

    async def data(self, request: Request) -> Response:
        body = await request.body()
        call = Call(
            request.method,
            request.scope["raw_path"].decode("ascii"),
            dict(request.query_params),
            {name.lower(): value for name, value in request.headers.items()},
            body,
        )
        try:
            self.org.sessions.check(call.headers.get("authorization", "").partition(" ")[2])
            self.org.usage.count()
        except OrgError as error:
            return _response(Answer(error.status, [error.as_request_error()]))
        answer = await run_in_threadpool(self.rest.handle, call)
        return _response(answer, {"Sforce-Limit-Info": self.org.usage.header})


def _response(answer: Answer, headers: dict[str, str] | None = None) -> Response:
    body: Any = answer.body
    shown = {**(headers or {}), **answer.headers}
    if body is None:
        return Response(status_code=answer.status, headers=shown)
    if not isinstance(body, str | bytes):
        body = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        shown = {"Content-Type": _JSON, **shown}
    return Response(body, status_code=answer.status, headers=shown)
