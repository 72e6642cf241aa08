"""A market that goes by itself, without a `World`: its clock where nobody decides, and its requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..core.compiled import entry
from .exchange import Exchange
from .walk import ALL, REACHED, walk


def ticks(exchange: Exchange) -> Iterator[int]:
    """Opens each tick of a run in turn, as the clock of a world would; yields when it ends, microseconds."""
    scenario = exchange.scenario
    for number in range(scenario.days * scenario.ticks_per_day):
        day, tick = divmod(number, scenario.ticks_per_day)
        if tick == 0:
            exchange.open_day(day)
        exchange.open_tick(tick, number * scenario.tick_us)
        exchange.refresh()
        yield (number + 1) * scenario.tick_us


def player(exchange: Exchange) -> Callable[[int], None]:
    """What plays the requests before a time, in a market without servers in which nobody is asked."""
    play = entry(walk, 0, 0, exchange.addressed)

    def play_until(end: int) -> None:
        exchange.blocks.let_draw()
        while play(end, ALL, exchange.addressed) != REACHED:
            exchange.score()

    return play_until
