"""A session: one or two worlds of one seed, played tick by tick by a thread, and what is asked of them meanwhile."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

from ...simulator.core.errors import MarketError
from ...simulator.core.numeric import real
from ...simulator.scenario.tree import Scenario
from .recording import Action, Driven, Recording
from .telling import Teller, facts

KEPT = 2_000  # messages for whoever comes later: of a long run the beginning is forgotten
FASTEST = 1_000.0  # ticks a second


class Message(NamedTuple):
    """Something told to whoever listens; `number` counts from 1 without a gap."""

    number: int
    event: str  # "tick", "done", "state" or "again"
    text: str  # JSON


class Session:
    """Plays worlds tick by tick at a speed, in a thread; does what it is asked to between two ticks, and tells of both.

    The first world is the one that is acted on; with `twin` a second one of the same seed goes beside it, untouched. Public
    methods may be called from any thread. `heard` is called, from the playing thread, after each message. If it `waits`,
    nothing is played before somebody watches.

    Raises:
        MarketError, PolicyError: as `World` does.
    """

    def __init__(
        self, scenario: Scenario, policies: Mapping[str, str], seed: int, twin: bool, speed: float, playing: bool = True,
        waits: bool = False,
    ) -> None:  # fmt: skip
        self.scenario, self.seed, self.policies, self._twin = scenario, seed, dict(policies), twin
        self._speed, self._playing, self._waits = _checked_speed(speed), playing, waits
        self._asked: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._kept: deque[Message] = deque(maxlen=KEPT)
        self._told = 0
        self._wake = threading.Condition()
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="adarena-live", daemon=True)
        self.heard: Callable[[], None] = lambda: None
        self._from_the_start()

    def _from_the_start(self) -> None:
        self._worlds = [Driven(self.scenario, self.policies, self.seed) for _ in range(1 + self._twin)]
        self._tellers = [Teller(driven.world) for driven in self._worlds]
        self._holders = {seat: self.policies.get(seat) for seat in self._worlds[0].relays}
        self._traffic, self._steps, self._failed = 1.0, 0, ""
        with self._wake:
            self._actions: list[Action] = []
            self._kept.clear()
        self._tell("state", self._state())

    # What is read

    @property
    def facts(self) -> dict[str, Any]:
        """What never changes, as JSON takes it."""
        about = facts(self._worlds[0].world)
        return about | {"worlds": ["changed", "unchanged"][: len(self._worlds)], "seats": list(self._holders)}

    def since(self, number: int) -> list[Message]:
        """Messages after that number, as far as they are kept."""
        with self._wake:
            return [message for message in self._kept if message.number > number]

    def recording(self) -> Recording:
        """The world that was acted on, and all that was done to it so far."""
        with self._wake:
            return Recording(self.scenario, self.seed, self.policies, tuple(self._actions))

    # What is asked

    def begin(self) -> None:
        """Starts to play."""
        self._thread.start()

    def watched(self) -> None:
        """Somebody watches: from now on it is played."""
        with self._wake:
            self._waits = False
            self._wake.notify_all()

    def end(self) -> None:
        """Ends the thread after the tick under way, if there is one; the worlds stay as they are."""
        with self._wake:
            self._ends = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def act(self, do: Any, what: Any) -> Future[dict[str, Any]]:
        """Does something to the first world before the next tick; see `recording.ACTIONS`."""
        return self._ask(lambda: self._act(do, what))

    def play(self, playing: Any) -> Future[None]:
        """Goes on, or stops after the tick under way."""
        if not isinstance(playing, bool):
            raise MarketError(f"a session plays or not: true or false, not {playing!r}")
        return self._ask(lambda: self._set(playing=playing))

    def at_speed(self, speed: Any) -> Future[None]:
        """Plays so many ticks a second, if they can be played so fast. Raises `MarketError` if that is no speed."""
        checked = _checked_speed(speed)
        return self._ask(lambda: self._set(speed=checked))

    def step(self) -> Future[None]:
        """Plays one tick more while it stands still."""
        return self._ask(self._step)

    def again(self) -> Future[None]:
        """Begins the same days anew, without what was done to them; who listens is told "again", and forgets all else."""
        return self._ask(self._again)

    # In the playing thread

    @property
    def _over(self) -> bool:
        return self._worlds[0].world.now >= self.scenario.horizon_us

    def _ask(self, what: Callable[[], Any]) -> Future[Any]:
        answer: Future[Any] = Future()
        with self._wake:
            if self._ends:
                raise MarketError("this session has ended")
            self._asked.append((what, answer))
            self._wake.notify_all()
        return answer

    def _run(self) -> None:
        due = time.monotonic()
        while self._wait_until(due):
            due = max(due + 1 / self._speed, time.monotonic() - 1 / self._speed)
            self._steps = max(self._steps - 1, 0)
            try:
                self._tick()
            except Exception as error:  # a policy's, as a rule: it ends the worlds, and is told
                self._failed, self._playing = f"{type(error).__name__}: {error}", False
                self._tell("state", self._state())

    def _wait_until(self, due: float) -> bool:
        """Answers whatever is asked until a tick is due, and is to be played; False when the session ends."""
        while True:
            with self._wake:
                if self._ends:
                    while self._asked:
                        self._asked.popleft()[1].set_exception(MarketError("this session has ended"))
                    return False
                left = due - time.monotonic()
                if not self._asked:
                    wanted = (self._playing and not self._waits) or self._steps > 0
                    runs = wanted and not self._failed and not self._over
                    if runs and (left <= 0 or self._steps > 0):
                        return True
                    self._wake.wait(max(left, 0) if runs else None)
                    continue
                what, answer = self._asked.popleft()
            try:
                answer.set_result(what())
            except Exception as error:  # whoever asked is told
                answer.set_exception(error)

    def _tick(self) -> None:
        for driven in self._worlds:
            driven.world.run(driven.world.now + self.scenario.tick_us)
        waits = [seat for seat, relay in self._worlds[0].relays.items() if self._holders[seat] and not relay.has_decided]
        self._tell(
            "tick",
            {
                "tick": self._worlds[0].world.ledger.closed,
                "worlds": [teller.tell() for teller in self._tellers],
                "waits": waits,
                "closed": time.time(),
            },
        )
        if self._over:
            self._playing = False
            self._tell("state", self._state())

    def _act(self, do: Any, what: Any) -> dict[str, Any]:
        if self._failed or self._over:
            raise MarketError("the last day is over" if self._over else f"these worlds cannot go on, by {self._failed}")
        driven = self._worlds[0]
        action = Action.read(driven.world.now, do, what)
        driven.do(action)
        with self._wake:
            self._actions.append(action)
        if do == "surge":
            self._traffic *= real(action.what["factor"]) or 0.0
        if do == "hand":
            self._holders[action.what["seat"]] = action.what["policy"]
        done = {"number": len(self._actions), "tick": driven.world.ledger.closed, "words": action.words, "do": do}
        self._tell("done", done)
        self._tell("state", self._state())
        return done

    def _set(self, playing: bool | None = None, speed: float | None = None) -> None:
        if playing is not None:
            self._playing, self._steps = playing and not self._failed and not self._over, 0
        if speed is not None:
            self._speed = speed
        self._tell("state", self._state())

    def _again(self) -> None:
        self._playing = True
        self._from_the_start()
        self._tell("again", {})

    def _step(self) -> None:
        self._steps += not self._playing

    def _state(self) -> dict[str, Any]:
        return {
            "playing": self._playing,
            "speed": self._speed,
            "over": self._over,
            "failed": self._failed,
            "traffic": self._traffic,
            "holders": self._holders,
        }

    def _tell(self, event: str, what: Mapping[str, Any]) -> None:
        with self._wake:
            self._told += 1
            self._kept.append(Message(self._told, event, json.dumps(what, separators=(",", ":"), allow_nan=False)))
        self.heard()


def _checked_speed(speed: Any) -> float:
    """Ticks a second. Raises `MarketError` if that is no speed."""
    number = real(speed)
    if number is None or not 0 < number <= FASTEST:
        raise MarketError(f"a speed is a number of ticks a second, above 0 and up to {FASTEST:g}, not {speed!r}")
    return number
