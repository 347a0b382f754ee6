from __future__ import annotations

import time
from collections.abc import Iterator

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.oauth import ConnectedApp, Sessions
from memsync_assets.local_org.server import LocalOrg

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def url(private_key: rsa.RSAPrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("oauth")
    pem = private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "key.pem").write_bytes(pem)
    with LocalOrg(folder / "org.db", public_key=folder / "key.pem") as org:
        yield org.url


def ask(url: str, **form: str) -> requests.Response:
    return requests.post(f"{url}/services/oauth2/token", data=form, timeout=30)


def assertion(key: rsa.RSAPrivateKey, **changes: object) -> str:
    claims = {
        "iss": "memsync-demo",
        "sub": "admin@local-org.example",
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 180,
    }
    return jwt.encode(claims | changes, key, algorithm="RS256")


def test_a_signed_assertion_gets_a_token_that_works(url: str, private_key: rsa.RSAPrivateKey) -> None:
    answer = ask(url, grant_type=GRANT, assertion=assertion(private_key))
    assert answer.status_code == 200
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    limits = requests.get(f"{url}/services/data/v63.0/limits", headers=headers, timeout=30)
    assert limits.status_code == 200


@pytest.mark.parametrize(
    "changes",
    [{"exp": int(time.time()) - 600}, {"iss": "someone-else"}, {"sub": "nobody@local-org.example"}],
)
def test_an_assertion_that_claims_wrongly_is_refused(
    url: str, private_key: rsa.RSAPrivateKey, changes: dict[str, object]
) -> None:
    answer = ask(url, grant_type=GRANT, assertion=assertion(private_key, **changes))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_an_assertion_signed_with_another_key_is_refused(url: str) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    answer = ask(url, grant_type=GRANT, assertion=assertion(other))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_id": "memsync-demo", "client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "other", "client_secret": "memsync-demo-secret"}, "invalid_client_id"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_wrong_credentials_are_refused(url: str, form: dict[str, str], error: str) -> None:
    answer = ask(url, **{"grant_type": "client_credentials", **form})
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_token_lives_as_long_as_it_is_given() -> None:
    app = ConnectedApp()
    form = {
        "grant_type": "client_credentials",
        "client_id": app.client_id,
        "client_secret": app.client_secret,
    }
    for lifetime, lives in ((60.0, True), (0.0, False)):
        sessions = Sessions(app, "00D000000000001EAA", "005000000000001AAA", frozenset(), lifetime)
        token = sessions.token(form, "http://127.0.0.1")["access_token"]
        if lives:
            sessions.check(token)
        else:
            with pytest.raises(OrgError, match="INVALID_SESSION_ID"):
                sessions.check(token)
