"""Who may speak to a session: this machine's own programs, or whoever has the token, which is the first part of every path."""

from __future__ import annotations

import ipaddress
import secrets
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ...simulator.core.errors import MarketError

LEAST = 16  # characters of a token
LOCAL = "localhost"
HEADERS = (
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; form-action 'self'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches what listens on a host."""
    if host == LOCAL:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_for(host: str, given: str | None) -> str | None:
    """The token of a session that listens on a host: what is given, a new one where one is needed, None where none is.

    Raises:
        MarketError: if the one that is given could be guessed, or cannot stand in a path.
    """
    if given is None:
        return None if is_loopback(host) else secrets.token_urlsafe(24)
    if len(given) < LEAST or not all(c.isascii() and (c.isalnum() or c in "-_") for c in given):
        raise MarketError(f"a token has at least {LEAST} letters, digits, - or _; leave it out to have one made")
    return given


class Guarded:
    """Lets requests through to an application that may come in, and refuses all others with status 403.

    With a token, the first part of the path must be it; it is taken off. Without one, the request must be to this machine by
    a loopback name, so that no page of elsewhere gets here by a name of its own. In both cases a page of elsewhere may not
    ask: what a browser says of the origin must be the host asked.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path = self._allowed(scope["path"], headers)
        if path is None:
            refusal = PlainTextResponse("adarena: this session is not open to this request\n", status_code=403)
            await refusal(scope, receive, send)
            return

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        await self._app({**scope, "path": path, "raw_path": path.encode()}, receive, sent)

    def _allowed(self, path: str, headers: dict[bytes, str]) -> str | None:
        """The path that the application sees; None: refused."""
        host = headers.get(b"host", "")
        origin = headers.get(b"origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return None
        if self._token is None:
            return path if is_loopback(urlsplit(f"//{host}").hostname or "") else None
        first, slash, rest = path.removeprefix("/").partition("/")
        right = secrets.compare_digest(first.encode(), self._token.encode())
        return f"/{rest}" if right and slash else None
