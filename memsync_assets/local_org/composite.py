"""Composite and composite graph: several calls in one, with references from one to the answers of others."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote

from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.org import Org
from memsync_assets.local_org.routing import Answer, Asked, Call, Routes

ROUTES = Routes()
_MAX_CALLS = 25
_MAX_NODES = 500
_REFERENCE = re.compile(r"@\{(\w+)((?:\.\w+|\[\d+\])*)\}")
_HALTED = OrgError(
    "PROCESSING_HALTED",
    "The transaction was rolled back since another operation in the same transaction failed.",
)


class _HaltedError(Exception):
    """Leaves a transaction in which a call failed, with every call's answer."""

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        super().__init__()
        self.answers = answers


@ROUTES.add("POST", "/composite")
def _composite(asked: Asked) -> Answer:
    body = asked.call.record
    calls = _calls(body, "compositeRequest")
    if len(calls) > _MAX_CALLS:
        raise OrgError("LIMIT_EXCEEDED", f"Limit of {_MAX_CALLS} reached for subrequests")
    answers, _ = _run(asked, calls, all_or_none=bool(body.get("allOrNone")))
    return Answer(200, {"compositeResponse": answers})


@ROUTES.add("POST", "/composite/graph")
def _graph(asked: Asked) -> Answer:
    graphs = _calls(asked.call.record, "graphs")
    if sum(len(_calls(graph, "compositeRequest")) for graph in graphs) > _MAX_NODES:
        raise OrgError("LIMIT_EXCEEDED", f"Limit of {_MAX_NODES} nodes reached")
    shown = []
    for graph in graphs:
        answers, successful = _run(asked, graph["compositeRequest"], all_or_none=True)
        response = {"compositeResponse": answers}
        shown.append({"graphId": graph.get("graphId"), "graphResponse": response, "isSuccessful": successful})
    return Answer(200, {"graphs": shown})


def _calls(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    calls = body.get(name)
    if not isinstance(calls, list) or not all(isinstance(one, dict) for one in calls):
        raise OrgError("JSON_PARSER_ERROR", f"The request body must hold a list {name}")
    return calls


def _run(asked: Asked, calls: list[dict[str, Any]], *, all_or_none: bool) -> tuple[list[dict[str, Any]], bool]:
    if not all_or_none:
        answers = _answers(asked, calls)
        return answers, all(_worked(one) for one in answers)
    try:
        with asked.org.store.transaction():
            answers = _answers(asked, calls)
            if not all(_worked(one) for one in answers):
                raise _HaltedError(answers)
            return answers, True
    except _HaltedError as halted:
        failed = {"body": [_HALTED.as_request_error()], "httpHeaders": {}, "httpStatusCode": 400}
        return [{**one, **failed} if _worked(one) else one for one in halted.answers], False


def _answers(asked: Asked, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known: dict[str, Any] = {}
    answers = []
    for call in calls:
        name = str(call.get("referenceId", ""))
        try:
            answer = asked.handle(_call(asked.org, call, known))
        except OrgError as error:
            answer = Answer(error.status, [error.as_request_error()])
        if answer.status < 300:
            known[name] = answer.body
        answers.append(
            {
                "body": answer.body,
                "httpHeaders": dict(answer.headers),
                "httpStatusCode": answer.status,
                "referenceId": name,
            }
        )
    return answers


def _call(org: Org, given: dict[str, Any], known: Mapping[str, Any]) -> Call:
    path, _, query = _filled(str(given.get("url", "")), known).partition("?")
    body = _filled_in(given.get("body"), known)
    asked = given.get("httpHeaders") or {}
    if not isinstance(asked, dict):
        raise OrgError("JSON_PARSER_ERROR", "httpHeaders must be a JSON object")
    headers = {name.lower(): str(value) for name, value in asked.items()}
    content = json.dumps(body).encode() if body is not None else b""
    return Call(str(given.get("method", "")), quote(path, safe="/%"), dict(parse_qsl(query)), headers, content)


def _filled_in(value: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _filled(value, known)
    if isinstance(value, list):
        return [_filled_in(one, known) for one in value]
    if isinstance(value, dict):
        return {name: _filled_in(one, known) for name, one in value.items()}
    return value


def _filled(text: str, known: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        try:
            found = known[match[1]]
            for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", match[2]):
                found = found[key] if key else found[int(index)]
        except (KeyError, IndexError, TypeError):
            raise OrgError("PROCESSING_HALTED", f"Invalid reference specified: {match[0]}") from None
        return str(found)

    return _REFERENCE.sub(value, text)


def _worked(answer: Mapping[str, Any]) -> bool:
    return int(answer["httpStatusCode"]) < 300
