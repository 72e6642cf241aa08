"""Queues whose waits are known: a market that does nothing but let requests wait for servers.

Arrivals are Poisson and nobody's bid matters. Waits follow each other closely, so the standard errors come from ticks that are
long against the time in which a queue forgets; the first tick, which starts empty, is left out.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from ...simulator import Scenario, World
from ...simulator.core.arrays import Floats
from ...simulator.core.histogram import OCTAVE
from ...simulator.delivery.queue import Served, ServingBooks
from .check import Check, ratio

TICKS = 40
SERVICE_S = 1.0
MARKOV = ((1, 0.8), (2, 0.8), (5, 0.8), (10, 0.8), (10, 0.9), (20, 0.9), (50, 0.95), (100, 0.95))  # servers, load
SPARE = (0.5, 1.0, 1.5, 2.0)  # Halfin and Whitt's beta: servers beyond the load, in square roots of their number
MANY = 400  # servers


def erlang_c(servers: int, load: float) -> float:
    """Probability of waiting in M/M/c at `load` a server, by the recursion of Erlang's B (Erlang 1917; Cooper 1981)."""
    offered, blocked = servers * load, 1.0
    for c in range(1, servers + 1):
        blocked = offered * blocked / (c + offered * blocked)
    return blocked / (1 - load * (1 - blocked))


def halfin_whitt(beta: float) -> float:
    """Probability of waiting with many servers at load 1 - beta / sqrt(servers): 1 / (1 + beta Phi(beta) / phi(beta))."""
    return float(1 / (1 + beta * stats.norm.cdf(beta) / stats.norm.pdf(beta)))


def queue(servers: int, load: float, requests: int, service: str = "exponential", seed: int = 0) -> tuple[ServingBooks, float]:
    """What the servers did in a day of `requests` Poisson arrivals, and their mean service in microseconds."""
    day_s = round(requests * SERVICE_S / (servers * load) / TICKS + 1) * TICKS
    service_s = load * servers * day_s / requests
    scenario = Scenario.preset("queue", servers=servers, requests=requests).override(
        {
            "day_s": day_s,
            "ticks_per_day": TICKS,
            "serving.service_s": service_s,
            "serving.service": service,
        }
    )
    world = World(scenario, seed=seed)
    world.run()
    assert world.serving is not None
    return world.serving, service_s * 1e6


def waits(books: ServingBooks) -> tuple[Floats, Floats, Floats]:
    """Sum of waits in microseconds, requests that had to wait, and those begun, a tick each."""
    counts = books.counts[1:].astype(np.float64)
    return counts[:, Served.WAIT_US], counts[:, Served.WAITED], counts[:, Served.BEGUN]


def markov(effort: float) -> list[Check]:
    """Check 6: M/M/c, the share that waits and the mean wait; in M/M/1 also the tail of the time in the system.

    The time in the system of M/M/1 is exponential with rate mu - lambda (Kleinrock 1975); it is read from the histogram of
    latencies, at the edge of a bin.
    """
    found = []
    for servers, load in MARKOV:
        books, service = queue(servers, load, round(2_000_000 * effort), seed=servers)
        wait, waited, begun = waits(books)
        probability = erlang_c(servers, load)
        name = f"6 M/M/{servers} at load {load}"
        mean = probability / (servers * (1 - load))
        found.append(ratio(f"{name}: share that waits", "Erlang C", probability, waited, begun))
        found.append(ratio(f"{name}: mean wait in services", "C / (c - a)", mean, wait / service, begun))
        if servers == 1:
            found += [_tail(name, books, (1 - load) / service, share) for share in (0.5, 0.05)]
    return found


def _tail(name: str, books: ServingBooks, rate: float, share: float) -> Check:
    """The share of requests that took longer than about `share` of them should, at the edge of a bin."""
    place = math.ceil(math.log2(-math.log(share) / rate) * OCTAVE)
    latency = books.latency[1:].astype(np.float64)
    expected = math.exp(-rate * 2 ** (place / OCTAVE))
    what = f"{name}: share in the system for over {-math.log(expected):.2f} means"
    return ratio(what, "exp(-(mu - lambda) t)", expected, latency[:, place:].sum(axis=1), latency.sum(axis=1))


def fixed_service(effort: float, service: str = "fixed") -> list[Check]:
    """Check 6: M/D/1 waits half as long as M/M/1 (Pollaczek 1930, Khinchin 1932); `service` is for tests of the check."""
    found = []
    for load in (0.5, 0.8):
        books, service_us = queue(1, load, round(2_000_000 * effort), service)
        wait, _, begun = waits(books)
        name = f"6 M/D/1 at load {load}: mean wait in services"
        source = "rho / (2 (1 - rho)), half of M/M/1"
        found.append(ratio(name, source, load / (2 - 2 * load), wait / service_us, begun))
    return found


def many_servers(effort: float) -> list[Check]:
    """Check 6: many servers, whose spare ones grow with the root of their number (Halfin & Whitt 1981).

    What is expected is exact for as many as there are; the source names the limit of more and more.
    """
    found = []
    for beta in SPARE:
        load = 1 - beta / math.sqrt(MANY)
        books, _ = queue(MANY, load, round(3_000_000 * effort), seed=round(10 * beta))
        _, waited, begun = waits(books)
        source = f"Erlang C; limit {halfin_whitt(beta):.4f}"
        name = f"6 Halfin-Whitt, beta {beta}, {MANY} servers: share that waits"
        found.append(ratio(name, source, erlang_c(MANY, load), waited, begun))
    return found
