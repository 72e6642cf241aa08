"""What `adarena live` does: a session is made, served, and ended when it is stopped."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from rich.console import Console

from ...agents.catalogue import holders
from ...simulator.core.errors import MarketError
from ...simulator.scenario.tree import Scenario
from .offers import offers as read_offers
from .session import Session

NEEDED = ("starlette", "uvicorn")


def command(
    console: Console, market: Scenario, bidder: str, seated: Sequence[str], offered: Sequence[str], seed: int, speed: float,
    twin: bool, place: tuple[str, int], token: str | None,
) -> None:  # fmt: skip
    """Plays and serves a market until it is stopped.

    Raises:
        MarketError, PolicyError: if the extra is not installed, a policy cannot be made, or nobody can listen there.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MarketError(f"a live market needs the package {' and '.join(missing)}: pip install 'adarena[live]'")
    from . import access, server

    key = access.token_for(place[0], token)
    known = read_offers(offered)
    with server.listen(*place) as heard:
        session = Session(market, holders(bidder, seated), seed, twin, speed, waits=True)
        console.print(f"{market.name}, seed {seed}: {address(heard.getsockname(), key)}", soft_wrap=True)
        console.print("It begins when that page is opened. Ctrl-C ends it.")
        server.serve(server.Live(session, known, key), session, heard)


def address(bound: tuple[str, int] | tuple[str, int, int, int], token: str | None) -> str:
    """Where a browser finds a session that listens there."""
    host = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    return f"http://{host}:{bound[1]}/{'' if token is None else f'{token}/'}"
