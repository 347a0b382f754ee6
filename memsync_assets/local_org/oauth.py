"""Access: the token endpoint's two flows, sessions and their expiry.

Client credentials and JWT bearer (RS256, signature checked against the key of the connected app). Sessions
live in memory: after a restart every client must log in again, as after an expiry.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from memsync_assets.local_org.errors import OrgError

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True)
class ConnectedApp:
    """The one client this org knows. `public_key` (PEM) admits the JWT bearer flow."""

    client_id: str = "memsync-demo"
    client_secret: str = "memsync-demo-secret"
    public_key: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a key that is none."""
        if self.public_key is not None:
            try:
                jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).prepare_key(self.public_key)
            except (ValueError, jwt.InvalidKeyError):
                raise ValueError("is no RSA public key in PEM form") from None


@dataclass(eq=False)
class OAuthError(Exception):
    """An answer of the token endpoint: `{"error": ..., "error_description": ...}`."""

    error: str
    description: str


@dataclass
class Sessions:
    """Access tokens given out. `lifetime` in seconds."""

    app: ConnectedApp
    org_id: str
    user_id: str
    usernames: frozenset[str]
    lifetime: float = 7200.0
    _expiries: dict[str, float] = field(default_factory=dict)

    def token(self, form: Mapping[str, str], instance_url: str, authorization: str = "") -> dict[str, Any]:
        """Answer a token request; the client may name itself in the form or by basic `authorization`.

        Raises OAuthError.
        """
        grant = form.get("grant_type")
        if grant == "client_credentials":
            basic = _basic(authorization)
            client_id, client_secret = basic or (form.get("client_id", ""), form.get("client_secret", ""))
            self._check_client(client_id, client_secret)
        elif grant == _JWT_BEARER:
            self._check_assertion(form.get("assertion", ""))
        else:
            raise OAuthError("unsupported_grant_type", "grant type not supported")
        token = f"{self.org_id[:15]}!{secrets.token_urlsafe(48)}"
        self._expiries[token] = time.monotonic() + self.lifetime
        return {
            "access_token": token,
            "scope": "api",
            "instance_url": instance_url,
            "id": f"{instance_url}/id/{self.org_id}/{self.user_id}",
            "token_type": "Bearer",
            "issued_at": str(int(time.time() * 1000)),
        }

    def check(self, token: str) -> None:
        """Raises OrgError INVALID_SESSION_ID (401) for a token that is unknown, expired or revoked."""
        if self._expiries.get(token, 0.0) <= time.monotonic():
            self._expiries.pop(token, None)
            raise OrgError("INVALID_SESSION_ID", "Session expired or invalid", status=401)

    def revoke_all(self) -> None:
        """End every session: what a client meets when its token expires in mid-run."""
        self._expiries.clear()

    def _check_client(self, client_id: str, client_secret: str) -> None:
        if client_id != self.app.client_id:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        if not hmac.compare_digest(client_secret.encode(), self.app.client_secret.encode()):
            raise OAuthError("invalid_client", "invalid client credentials")

    def _check_assertion(self, assertion: str) -> None:
        if self.app.public_key is None:
            raise OAuthError("invalid_grant", "no certificate is registered for this connected app")
        try:
            claims = jwt.decode(
                assertion,
                self.app.public_key,
                algorithms=["RS256"],
                issuer=self.app.client_id,
                options={"verify_aud": False, "require": ["iss", "sub", "aud", "exp"]},
            )
        except jwt.ExpiredSignatureError:
            raise OAuthError("invalid_grant", "expired authorization code") from None
        except jwt.PyJWTError:
            raise OAuthError("invalid_grant", "invalid assertion") from None
        if str(claims["sub"]).lower() not in self.usernames:
            raise OAuthError("invalid_grant", "user hasn't approved this consumer")


def _basic(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, client_secret = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except ValueError:
        raise OAuthError("invalid_client", "invalid client credentials") from None
    return client_id, client_secret
