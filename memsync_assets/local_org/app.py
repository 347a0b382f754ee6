"""The HTTP face of an org: requests in, answers out, and faults in between.

What an answer holds is decided behind `routing`; SOAP in `soap`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from memsync_assets.local_org import composite, control, describe, rest, soap
from memsync_assets.local_org.bulk_rest import BulkApi
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.faults import CallFault, CharsetFault, CutFault, DelayFault, ExpireFault, StatusFault
from memsync_assets.local_org.oauth import OAuthError
from memsync_assets.local_org.org import Org
from memsync_assets.local_org.routing import Answer, Api, Call

_JSON = "application/json;charset=UTF-8"
_METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD"]
_TRANSPORT = "memsync.transport"


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, giving the application a hold on its connection so that a fault can cut it."""

    def on_message_begin(self) -> None:
        """Put the connection into the request's scope."""
        super().on_message_begin()
        self.scope["extensions"] = {_TRANSPORT: {"transport": self.transport}}


class OneSlash:
    """Takes `//services/...` for `/services/...`, as Salesforce does; its own command line sends it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["path"].startswith("//"):
            scope["path"] = "/" + scope["path"].lstrip("/")
            scope["raw_path"] = b"/" + scope["raw_path"].lstrip(b"/")
        await self.app(scope, receive, send)


def make_app(org: Org) -> Starlette:
    """The ASGI application of one org, with its bulk jobs under way."""
    bulk = BulkApi(org)
    bulk.start()
    face = _Face(org, Api(org, [composite.ROUTES, rest.ROUTES, bulk.routes]))
    return Starlette(
        routes=[
            Route("/services/oauth2/token", face.token, methods=["POST"]),
            Route("/services/oauth2/userinfo", face.userinfo, methods=["GET", "POST"]),
            Route("/id/{org}/{user}", face.userinfo),
            Route("/services/data", face.versions),
            Route("/services/data/", face.versions),
            Route("/services/data/{rest:path}", face.data, methods=_METHODS),
            Route("/services/Soap/u/{version}", face.soap, methods=["POST"]),
            Route("/services/Soap/u/{version}/{org}", face.soap, methods=["POST"]),
            Route("/control/faults", face.control, methods=_METHODS),
        ],
        middleware=[Middleware(OneSlash)],
    )


class _Face:
    def __init__(self, org: Org, api: Api) -> None:
        self.org = org
        self.api = api

    async def token(self, request: Request) -> Response:
        form = {key: str(value) for key, value in (await request.form()).items()}
        url, authorization = str(request.base_url).rstrip("/"), request.headers.get("authorization", "")

        async def answer() -> Answer:
            try:
                return Answer(200, self.org.sessions.token(form, url, authorization))
            except OAuthError as error:
                return Answer(400, {"error": error.error, "error_description": error.description})

        return await self._spoilt(request.method, request.url.path, answer)

    async def userinfo(self, request: Request) -> Response:
        try:
            self.org.sessions.check(_token(request.headers.get("authorization", "")))
        except OrgError as error:
            return _response(Answer(error.status, [error.as_request_error()]))
        return _response(Answer(200, describe.user(self.org)))

    async def versions(self, request: Request) -> Response:
        return _response(Answer(200, describe.versions()))

    async def control(self, request: Request) -> Response:
        return _response(control.handle(self.org, request.method, await request.body()))

    async def soap(self, request: Request) -> Response:
        body = await request.body()

        async def answer() -> Answer:
            status, envelope = await run_in_threadpool(soap.handle, self.org, body)
            return Answer(status, envelope, {"Content-Type": "text/xml; charset=UTF-8"})

        return await self._spoilt(request.method, request.url.path, answer)

    async def data(self, request: Request) -> Response:
        call = Call(
            request.method,
            request.scope["raw_path"].decode("ascii"),
            dict(request.query_params),
            {name.lower(): value for name, value in request.headers.items()},
            await request.body(),
        )
        return await self._spoilt(call.method, call.path, lambda: self._answer(call))

    async def _spoilt(self, method: str, path: str, answer: Callable[[], Awaitable[Answer]]) -> Response:
        """The answer to a call, or what the fault that strikes it makes of that."""
        fault = self.org.faults.strike(method, path)
        if isinstance(fault, CutFault) and fault.when == "before":
            return _Cut()
        if isinstance(fault, StatusFault):
            headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
            return _response(Answer(fault.status, [fault.error.as_request_error()], headers))
        if isinstance(fault, ExpireFault):
            self.org.sessions.revoke_all()
        if isinstance(fault, DelayFault):
            await asyncio.sleep(fault.seconds)
        given = await answer()
        return _Cut() if isinstance(fault, CutFault) else _response(given, fault)

    async def _answer(self, call: Call) -> Answer:
        try:
            self.org.sessions.check(_token(call.headers.get("authorization", "")))
            self.org.requests.count()
        except OrgError as error:
            return Answer(error.status, [error.as_request_error()])
        answer = await run_in_threadpool(self.api.handle, call)
        limits = {"Sforce-Limit-Info": f"api-usage={self.org.requests.used}/{self.org.requests.allowed}"}
        return Answer(answer.status, answer.body, {**limits, **answer.headers})


def _token(authorization: str) -> str:
    return authorization.partition(" ")[2]


class _Cut(Response):
    """No answer at all: the connection is dropped."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][_TRANSPORT]["transport"].abort()
        while (await receive())["type"] != "http.disconnect":
            pass


def _response(answer: Answer, fault: CallFault | None = None) -> Response:
    if answer.body is None:
        return Response(status_code=answer.status, headers=answer.headers)
    headers, body = dict(answer.headers), answer.body
    if not isinstance(body, str):
        body = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        headers = {"Content-Type": _JSON, **headers}
    if isinstance(fault, CharsetFault):
        plain = headers["Content-Type"].partition(";")[0]
        headers["Content-Type"] = f"{plain}; charset={fault.declared}" if fault.declared else plain
        return Response(body.encode(fault.charset, errors="replace"), status_code=answer.status, headers=headers)
    return Response(body, status_code=answer.status, headers=headers)
