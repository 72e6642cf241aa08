"""A live session that is served, and a client of it that sends what it is told to, right or wrong."""

import http.client
import json
import signal
import threading

from adarena.benchmarks.live.command import address
from adarena.benchmarks.live.server import Live, Serving, listen
from adarena.benchmarks.live.session import Session
from adarena.simulator import Scenario


class Served:
    """A session that is served on a port of its own."""

    def __init__(self, token=None, scenario=None, twin=True, speed=1000.0, playing=False):
        market = Scenario.preset("tiny") if scenario is None else scenario
        self.session = Session(market, {"bidding": "pid"}, 0, twin, speed, playing)
        self._socket = listen("127.0.0.1", 0)
        self.port = self._socket.getsockname()[1]
        self.address = address(self._socket.getsockname(), token)
        self._server = Serving(Live(self.session, {"bidding": ["pid:kp=9"]}, token))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self.session.begin()
        self._thread.start()

    def ask(self, path, method="GET", body=None, **headers):
        """Status and text of an answer; headers by names with _ for -."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        line.request(method, path, body if body is None or isinstance(body, str) else json.dumps(body), named)
        answer = line.getresponse()
        text = answer.read().decode()
        line.close()
        return answer.status, text

    def post(self, body, prefix="", **headers):
        status, text = self.ask(f"{prefix}/ask", "POST", body, **({"Content_Type": "application/json"} | headers))
        return status, json.loads(text) if text.startswith("{") else text

    def stream(self, prefix="", last=None):
        """An open stream: events as they come, as (number, kind, what)."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        line.request("GET", f"{prefix}/stream", headers={} if last is None else {"Last-Event-ID": str(last)})
        answer = line.getresponse()
        assert answer.status == 200
        assert answer.getheader("content-type").startswith("text/event-stream")
        fields = {}
        try:
            while line_read := answer.readline():
                name, _, value = line_read.decode().rstrip("\n").partition(": ")
                if name in ("id", "event", "data"):
                    fields[name] = value
                elif fields:
                    yield int(fields["id"]), fields["event"], json.loads(fields["data"])
                    fields = {}
        finally:
            answer.close()
            line.close()

    def close(self):
        self._server.handle_exit(signal.SIGTERM, None)
        self._server._captured_signals.clear()  # which it would raise again, here in the test's own process
        self._thread.join(10)
        assert not self._thread.is_alive()
        self.session.end()
        self._socket.close()
