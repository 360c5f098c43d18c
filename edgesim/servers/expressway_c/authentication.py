"""Authentication of requests that came through the edge.

A valid ``X-Auth`` cookie represents an earlier sign-in. ``Authorization: Basic`` counts only if *Authorize by user
credential* is on; C asks Unified CM unless it has recently accepted the same credentials. Everything else gets the
edge's challenge, whatever the reason. C neither asks about nor stores a user id that is longer than Unified CM allows.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.http import Credentials as Basic
from edgesim.http import Request, Response, basic_credentials
from edgesim.journal import events
from edgesim.journal.keys import Key, cookie_key, tracking_key, user_key
from edgesim.node import Node
from edgesim.servers.expressway_c.answers import too_many, unauthorized, unverified
from edgesim.servers.expressway_c.credentials import Credentials
from edgesim.servers.expressway_c.user_data import Account, Refused, Unavailable, Unverified, UserData

SHOWN = 128
"""The maximum length of a user id in the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationResult:
    """The authenticated user, or the response that refuses the request."""

    user: str = ""
    refusal: Response | None = None


class Authenticator:
    """Authenticates requests and journals each decision."""

    def __init__(self, node: Node, credentials: Credentials, users: UserData) -> None:
        self.node = node
        self.credentials = credentials
        self._users = users
        self._cookie = node.defaults.edge.cookie_name

    def keys(self, request: Request) -> tuple[Key, ...]:
        """Return the correlation key of the user whose cookie a request carries."""
        value = request.cookie(self._cookie)
        user, _ = self.credentials.owner(value) if value else (None, "")
        return (user_key(user),) if user else ()

    async def check(self, request: Request) -> AuthenticationResult:
        """Authenticate a proxied request: by its cookie if it has one, else by ``Authorization``."""
        value = request.cookie(self._cookie)
        if value is None:
            return await self.sign_in(request)
        user, reason = self.credentials.owner(value)
        if user is None:
            return self._refuse(request, "", "cookie", reason)
        self._report(request, user, "cookie", True, "")
        return AuthenticationResult(user=user)

    async def sign_in(self, request: Request) -> AuthenticationResult:
        """Authenticate by ``Authorization`` or, without one, by the cookie."""
        shown = self._shown(request)
        if (basic := basic_credentials(shown)) is not None:
            return await self._basic(request, basic)
        if (shown or "").lower().startswith("bearer "):
            return self._refuse(request, "", "bearer", "no token is accepted here")
        value = request.cookie(self._cookie)
        if value is None:
            return self._refuse(request, "", "none", "no credentials")
        user, reason = self.credentials.owner(value)
        if user is None or self.credentials.account(user) is None:
            return self._refuse(request, user or "", "cookie", reason or "credentials forgotten")
        self._report(request, user, "cookie", True, "")
        return AuthenticationResult(user=user)

    def _shown(self, request: Request) -> str | None:
        """Return the request's credentials: the value of a configured header, else ``Authorization``."""
        own = self.node.defaults.edge.edge_auth_header
        return (request.headers.get(own) if own else None) or request.headers.get("Authorization")

    async def _basic(self, request: Request, basic: Basic) -> AuthenticationResult:
        access = self.node.deployment.mra.access
        if not access.user_credential or "UCM/LDAP" not in access.authentication_path:
            return self._refuse(request, basic.user, "basic", "Authorize by user credential is off")
        if len(basic.user) > self.node.defaults.uds.user_id_limit:
            return self._refuse(request, basic.user, "basic", "no user id is so long")
        if not self.credentials.within_rate(basic.user):
            self._report(request, basic.user, "basic", False, "more authorizations than allowed in the period")
            return AuthenticationResult(refusal=too_many(self.node))
        if self.credentials.cached(basic.user, basic.password) is not None:
            self._report(request, basic.user, "basic", True, "cached")
            return AuthenticationResult(user=basic.user)
        tracking = request.headers.get("TrackingID")
        try:
            account: Account = await self._users.sign_in(basic.user, basic.password, tracking=tracking)
        except Unverified as error:
            self._report(request, basic.user, "basic", False, str(error))
            return AuthenticationResult(refusal=unverified(self.node, request))
        except (Refused, Unavailable) as error:
            return self._refuse(request, basic.user, "basic", str(error))
        self.credentials.accept(account, basic.password)
        self._report(request, basic.user, "basic", True, f"home {account.home.host}")
        return AuthenticationResult(user=basic.user)

    def _refuse(self, request: Request, user: str, how: str, reason: str) -> AuthenticationResult:
        self._report(request, user, how, False, reason)
        return AuthenticationResult(refusal=unauthorized(self.node))

    def _report(self, request: Request, user: str, how: str, granted: bool, detail: str) -> None:
        user = user[:SHOWN]
        keys = [user_key(user)] if user else []
        if value := request.cookie(self._cookie):
            keys.append(cookie_key(value))
        if tracking := request.headers.get("TrackingID"):
            keys.append(tracking_key(tracking))
        event = events.Authentication(user=user, how=how, granted=granted, detail=detail)
        self.node.journal.emit(event, peer=request.peer, keys=keys)
