"""A session over HTTP: the page, a stream of what is told (server-sent events), and what is asked, as JSON."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from concurrent.futures import Future
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ...agents.catalogue import policies
from ...simulator.core.errors import AdArenaError, MarketError
from .access import Guarded
from .offers import check_offered
from .session import Message, Session

PAGE = Path(__file__).parent / "page"
LARGEST = 10_000  # bytes of what is asked
QUIET_S = 15.0  # after which a line is sent, so that nobody takes the stream for dead


class Live:
    """The routes of a session. `offers`: policies that may be handed a seat beside those of the catalogue, by seat."""

    def __init__(self, session: Session, offers: dict[str, list[str]], token: str | None) -> None:
        self._session, self._offers = session, offers
        self._ends = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening: set[asyncio.Event] = set()
        session.heard = self._news
        routes = [
            Route("/market", self._market),
            Route("/stream", self._stream),
            Route("/ask", self._ask, methods=["POST"]),
            Route("/session.yaml", self._yaml),
            Route("/session.py", self._python),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ]
        self.app = Guarded(Starlette(routes=routes), token)

    def end(self) -> None:
        """Ends all streams; may be called from any thread, and by a signal's handler."""
        self._ends = True
        self._news()

    def _news(self) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        for event in self._listening:
            event.set()

    async def _market(self, request: Request) -> Response:
        about = self._session.facts
        known = {seat: [*policies(seat), *self._offers.get(seat, [])] for seat in about["seats"]}
        return JSONResponse(about | {"policies": known})

    async def _stream(self, request: Request) -> Response:
        last = request.headers.get("last-event-id", "0")
        since = int(last) if last.isdecimal() else 0
        return StreamingResponse(self._told(since), media_type="text/event-stream")

    async def _told(self, since: int) -> AsyncIterator[bytes]:
        """What is told after that number, as it is told; whoever reads slowly gets several at once."""
        self._loop = asyncio.get_running_loop()
        self._session.watched()
        news = asyncio.Event()
        self._listening.add(news)
        try:
            yield b": adarena live\n\n"
            while not self._ends:
                news.clear()
                messages = self._session.since(since)
                if messages:
                    since = messages[-1].number
                    yield b"".join(map(_event, messages))
                    continue
                try:
                    await asyncio.wait_for(news.wait(), QUIET_S)
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self._listening.discard(news)

    async def _ask(self, request: Request) -> Response:
        """{"play": bool}, {"speed": number}, {"step": true}, {"again": true} or {"do": name, "what": {...}}."""
        try:
            if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                raise MarketError("what is asked is JSON, and says so in its content type")
            body = await request.body()
            if len(body) > LARGEST:
                raise MarketError(f"what is asked is at most {LARGEST:,} bytes")
            asked = await request.json()
            answer = await asyncio.wrap_future(self._future(asked))
        except ValueError as error:
            return JSONResponse({"error": f"what is asked is no JSON: {error}"}, status_code=400)
        except AdArenaError as error:
            return JSONResponse({"error": str(error)}, status_code=422)
        return JSONResponse({"done": answer})

    def _future(self, asked: Any) -> Future[Any]:
        match asked:
            case {"play": playing, **rest} if not rest:
                return self._session.play(playing)
            case {"speed": speed, **rest} if not rest:
                return self._session.at_speed(speed)
            case {"step": True, **rest} if not rest:
                return self._session.step()
            case {"again": True, **rest} if not rest:
                return self._session.again()
            case {"do": do, "what": what, **rest} if not rest:
                if do == "hand" and isinstance(what, dict):
                    check_offered(what.get("seat"), what.get("policy"), self._offers)
                return self._session.act(do, what)
        raise MarketError(f"one may ask to play, for a speed, a step, to begin again, or to do something, not for {asked!r}")

    async def _yaml(self, request: Request) -> Response:
        return _file(self._session.recording().to_yaml(), "session.yaml", "application/yaml")

    async def _python(self, request: Request) -> Response:
        return _file(self._session.recording().to_python(), "session.py", "text/x-python")


def _event(message: Message) -> bytes:
    return f"id: {message.number}\nevent: {message.event}\ndata: {message.text}\n\n".encode()


def _file(text: str, name: str, kind: str) -> Response:
    return PlainTextResponse(text, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})


class Serving(uvicorn.Server):
    """A server that ends its streams as soon as it is told to stop: uvicorn waits for them."""

    def __init__(self, live: Live) -> None:
        config = uvicorn.Config(live.app, log_level="warning", access_log=False, lifespan="off", server_header=False)
        super().__init__(config)
        self._live = live

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See `uvicorn.Server.handle_exit`."""
        super().handle_exit(sig, frame)
        self._live.end()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0: any that is free. Raises `MarketError` if it cannot."""
    heard = None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        heard = socket.socket(family)
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        heard.bind(address)
        heard.listen()  # from here on who comes too early waits
    except (OSError, OverflowError) as error:
        if heard is not None:
            heard.close()
        why = error.strerror if isinstance(error, OSError) else error
        raise MarketError(f"cannot listen on {host}, port {port}: {why}; --port 0 takes one that is free") from None
    return heard


def serve(live: Live, session: Session, heard: socket.socket) -> None:
    """Plays and serves until it is stopped, by Ctrl-C or SIGTERM, which are raised again when all is closed."""
    session.begin()
    try:
        Serving(live).run(sockets=[heard])
    finally:
        session.end()
        heard.close()
