"""Pacing by one who knows the law of the weather, though not the day. For judges only.

A policy is not told how values and traffic move from day to day. Here both are forecast from what the day has shown, by
Gaussian regression under the scenario's own law, and at each tick the pacing equilibrium of the rest of the day is played, as
`JointMPC` does with the present for a forecast. It bounds nothing; it shows what a better forecast could bring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...simulator.core.arrays import LANES, Floats
from ...simulator.core.chance import autoregression
from ...simulator.market.market import build
from ...simulator.market.rehearsal import Rehearsal
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.bidding.view import BidView
from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.view import PacingView
from ..pacing.equilibrium import equilibrium
from ..pacing.factors import lowered
from ..pacing.joint_mpc import AT_FIRST

NUGGET = 1e-9  # variance without which a level and a drift that are seen exactly could not be regressed on
STEPS = 64  # of the lengths and sizes of surges, over which their moments are taken


class Law(NamedTuple):
    """A day's logarithms as a Gaussian vector."""

    mean: Floats  # (ticks,)
    covariance: Floats  # (ticks, ticks)


class Rest(NamedTuple):
    """What is expected of the ticks to come."""

    mean: Floats  # (series, ticks to come)
    variance: Floats  # (ticks to come,)


def rest(law: Law, seen: Floats, noise: Floats) -> Rest:
    """The law of the ticks to come given those `seen` (series, ticks so far), each with a `noise` of such variance on it."""
    now = seen.shape[1]
    between = law.covariance[:now, now:]
    gain = np.linalg.solve(law.covariance[:now, :now] + np.diag(noise), between)
    mean = law.mean[now:] + (seen - law.mean[:now]) @ gain
    return Rest(mean, np.diag(law.covariance)[now:] - (between * gain).sum(axis=0))


def walk(correlation: float, sigma: float, ticks: int) -> Floats:
    """Covariance (ticks, ticks) of an autoregression that starts at 0 before the first tick, its innovations of `sigma`."""
    moved = autoregression(correlation, sigma * np.eye(ticks))
    return moved @ moved.T


def value_laws(scenario: Scenario, verticals: int) -> tuple[Law, Law]:
    """Of the logarithm of a day's values: of its mean over so many verticals, and of what is a vertical's own.

    What a vertical is beside that mean is independent of it, and has (1 - 1 / verticals) of the covariance of what is its own:
    what is seen of the one tells of its future as much as of the other's.
    """
    weather, ticks = scenario.weather, scenario.ticks_per_day
    ramp = np.linspace(-0.5, 0.5, ticks)
    own = weather.day_sigma**2 + weather.drift_sigma**2 * np.outer(ramp, ramp)
    own = own + walk(weather.tick_correlation, weather.tick_sigma, ticks)
    whole = own + weather.common_sigma**2
    return Law(-np.diag(whole) / 2, own / verticals + weather.common_sigma**2), Law(np.zeros(ticks), own)


def traffic_law(scenario: Scenario) -> Law:
    """Of the logarithm of a day's traffic over the forecast. A surge has its mean and covariance in it, and is no Gaussian."""
    traffic, ticks = scenario.traffic, scenario.ticks_per_day
    covariance = traffic.day_sigma**2 + walk(traffic.tick_correlation, traffic.tick_sigma, ticks)
    share = (np.arange(STEPS) + 0.5) / STEPS
    hours, factor = (low + share * (high - low) for low, high in (traffic.surge_hours, traffic.surge_factor))
    length = np.maximum(1, np.round(hours / (scenario.day_s / ticks / 3600)))  # in ticks
    tick = np.arange(ticks)
    apart = np.abs(np.subtract.outer(tick, tick))
    first = np.minimum.outer(tick, tick)
    # It begins at each tick as likely: so often does it cover two of them.
    begins = np.clip(np.minimum(first[..., None] + 1, length - apart[..., None]), 0, None).mean(axis=2)
    both = traffic.surge_probability * begins / ticks
    logs = np.log(factor)
    surge = logs.mean() * np.diag(both)
    return Law(surge - np.diag(covariance) / 2, covariance + (logs**2).mean() * both - np.outer(surge, surge))


@dataclass
class KnowsTheLaw(PacingPolicy):
    """At each tick the pacing equilibrium of the rest of the day as the law of the weather lets it be expected.

    What it expects of a tick is the mean of a log-normal. Values that an event has changed, and no weather, it takes for
    weather.
    """

    scenario: Scenario
    size: int = 1024  # requests of the sample, at most
    rounds: int = 8  # of tatonnement at a tick, more in the morning

    def start(self, view: PacingView, dice: np.random.Generator) -> None:
        table = build(self.scenario).campaigns
        self._follows = table.follows_demand[view.places]
        following = table.vertical[view.places][self._follows]
        _, self._speaker, self._vertical = np.unique(following, return_index=True, return_inverse=True)
        self._laws = value_laws(self.scenario, max(self._speaker.size, 1))
        self._traffic = traffic_law(self.scenario)

    def decide(self, view: PacingView) -> Pace:
        told, rounds = view.told, self.rounds
        if told.tick == 0:
            self._factor: Floats = lowered(view, told.prior).factor
            self._values, self._came = np.zeros((self._speaker.size, 0)), np.zeros((1, 0))
            self._noise = np.zeros(0)
            rounds *= AT_FIRST
        else:
            self._count(told)
        requests = told.forecast_requests * told.forecast[told.tick :] * self._traffic_to_come()
        grows = self._growth(view)
        wanted = told.budget_left / max(float(requests.sum()), 1.0)
        sample = self._sample(view, requests, grows)
        self._factor = equilibrium(view, sample, wanted, self._factor, rounds)
        return Pace(self._factor)

    def _count(self, told: BidView) -> None:
        """Takes the requests of the last tick into what has been seen, with the variance that their number has by luck."""
        came = max(float(told.last.requests[0]), 0.5)
        expected = max(told.forecast_requests * float(told.forecast[told.tick - 1]), 1e-9)
        self._came = np.column_stack([self._came, [np.log(came / expected)]])
        self._noise = np.append(self._noise, 1 / max(came, 1.0))

    def _traffic_to_come(self) -> Floats:
        """Factors on the forecast, (ticks to come,)."""
        ahead = rest(self._traffic, self._came, self._noise)
        factor: Floats = np.exp(ahead.mean[0] + ahead.variance / 2)
        return factor

    def _growth(self, view: PacingView) -> Floats:
        """By what factors values are expected to have grown by each of the ticks to come, (held, ticks to come)."""
        told = view.told
        grown = np.ones((told.target.size, told.ticks - told.tick))
        count = self._speaker.size
        if count == 0:
            return grown
        now = np.log(told.target / view.usual[view.places])[self._follows]
        self._values = np.column_stack([self._values, now[self._speaker]])
        exact = np.full(self._values.shape[1], NUGGET)
        middle = self._values.mean(axis=0)
        of_mean = rest(self._laws[0], middle[None], exact)
        of_own = rest(self._laws[1], self._values - middle, exact)
        variance = np.maximum(of_mean.variance + (1 - 1 / count) * of_own.variance, 0.0)
        ahead = np.exp(of_mean.mean + of_own.mean + variance / 2)
        grown[self._follows, 1:] = ahead[self._vertical] / np.exp(now)[:, None]
        return grown

    def _sample(self, view: PacingView, requests: Floats, grows: Floats) -> Rehearsal:
        """Requests of the ticks to come, as many of each as are expected, with what they are worth by then."""
        tick, log = view.told.tick, view.rehearsal
        to_come = np.flatnonzero(log.tick >= tick)
        if to_come.size < LANES:
            to_come = np.arange(log.tick.size - LANES, log.tick.size)
        ahead = np.maximum(log.tick[to_come] - tick, 0)
        weight = requests / np.maximum(view.told.forecast[tick:], 1e-12)
        until = np.cumsum(weight[ahead])
        count = max(min(self.size, to_come.size) // LANES, 1) * LANES
        of = np.searchsorted(until, (np.arange(count) + 0.5) / count * until[-1])
        columns = to_come[of]
        factor = np.ones((log.campaigns, requests.size))
        factor[view.places] = grows
        who = log.who[:, columns] if log.who.size else np.arange(log.campaigns)[:, None]
        return log.of(columns, factor[who, ahead[of]])
