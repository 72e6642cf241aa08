"""Conversions that are reported late: six ways to learn a rate from clicks whose stories are not all told.

- `naive`: what is not reported is none.
- `waiting`: only clicks older than a window, and what was reported within it; late conversions and new clicks stay unknown.
- `fnw`, fake negative weighted (Ktena et al. 2019): a click comes as a negative at once and again as a positive when it is
  reported; weights undo the doubling. Where it is fitted to its end it knows what has been reported, as `naive` does.
- `fsiw`, feedback shift importance weighting (Yasui et al. 2020): labels as of now, weighed by how likely they are to stay.
- `dfm`, delayed feedback model (Chapelle 2014): the rate and an exponential delay are fitted together.
- `es-dfm`, elapsed-time sampling (Yang et al. 2021): a click waits a while, counts as a negative if nothing came, and again as
  a positive if something came later; weights from classifiers of delayed positives and of real negatives.

Losses are those of the authors' code of ES-DFM. The two that weigh learn their weights from an earlier day, as of which labels
are read again. Times are in days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

from ...simulator.core.arrays import Floats, Floats32, Integers
from ...simulator.core.errors import LogError, PolicyError, suggest
from .features import Feature
from .logs import Examples
from .models.layers import Batch, Network, Shape, batch_of, one_thread

DAY_S = 86_400.0
AGE = Feature("age", "idle", ("age",), "request", 48)  # of a click, as a field of the classifiers of weights
Make = Callable[[Shape], Network]


class Clicks(NamedTuple):
    """n clicks, and what is known of them now."""

    batch: Batch  # (n, ...)
    age: Floats  # (n,) days since the click
    delay: Floats  # (n,) days from click to report; NaN: none so far

    def reported(self, ago: float = 0.0) -> NDArray[np.bool_]:
        """Which were reported so many days before now, (n,)."""
        return self.delay <= self.age - ago

    def part(self, rows: NDArray[Any]) -> Clicks:
        """Some of them."""
        return Clicks(self.batch.part(torch.from_numpy(rows)), self.age[rows], self.delay[rows])


@dataclass(frozen=True)
class Fitting:
    """How networks are fitted, and the times of the methods.

    Args:
        epochs, batch, learning_rate, seed: of Adam.
        window: days, of `waiting`.
        elapsed: days that a click waits, of `es-dfm`.
        ago: days before now as of which the weights of `fsiw` are learned.
    """

    epochs: int = 5
    batch: int = 1024
    learning_rate: float = 5e-3
    seed: int = 0
    window: float = 2.0
    elapsed: float = 0.25
    ago: float = 2.0


class Sample(NamedTuple):
    """What a network is fitted to: m rows of the clicks, some perhaps twice."""

    rows: Integers  # (m,)
    labels: Floats32  # (m,)
    extras: Floats32  # (m, E) what the loss needs beside


Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # odds (B, outputs), labels (B,), extras (B, E), to a scalar


def outputs(method: str) -> int:
    """How many a method's network has. Raises `PolicyError` if there is no such method."""
    if method not in METHODS:
        raise PolicyError(f"there is no method {method!r} of delayed feedback{suggest(method, METHODS)}")
    return 2 if method == "dfm" else 1


def clicks_of(examples: Examples, shape: Shape) -> Clicks:
    """The clicks among examples of a chain that ends with the conversion. Raises `LogError` if there are none with an age."""
    rows = np.flatnonzero(examples.labels[:, 0] > 0)
    if rows.size == 0 or not np.isfinite(examples.age_s[rows]).all():
        raise LogError("delays are learned from clicks, as they are known at some time")
    part = examples.part(rows)
    return Clicks(batch_of(part, shape), part.age_s / DAY_S, part.delay_s / DAY_S)


def learned(method: str, clicks: Clicks, make: Make, shape: Shape, fitting: Fitting) -> Network:
    """A network whose first output is the log-odds of a conversion of a click.

    Args:
        method: one of `METHODS`.
        make: a fresh network for a shape; `shape.tasks` outputs.

    Raises:
        PolicyError: if there is no such method.
        LogError: if the method finds no clicks to learn from, such as none old enough.
    """
    outputs(method)
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(fitting.seed)
        return METHODS[method](clicks, make, shape._replace(tasks=1), fitting)


def plain_loss(odds: Tensor, labels: Tensor, extras: Tensor) -> Tensor:
    """Mean log loss."""
    return binary_cross_entropy_with_logits(odds[:, 0], labels)


def dfm_loss(odds: Tensor, labels: Tensor, extras: Tensor) -> Tensor:
    """Reported after d: -log p - log h + h d; not yet, at age e: -log(1 - p + p exp(-h e)).

    `odds` (B, 2): of p, and log h, h the hazard of a report a day; `extras` (B, 1): d or e.
    """
    log_p, log_not, log_h, days = logsigmoid(odds[:, 0]), -softplus(odds[:, 0]), odds[:, 1], extras[:, 0]
    waited = log_h.exp() * days
    unknown = torch.logaddexp(log_not, log_p - waited)
    return -(labels * (log_p + log_h - waited) + (1 - labels) * unknown).mean()


def fnw_loss(odds: Tensor, labels: Tensor, extras: Tensor) -> Tensor:
    """Positives weigh 1 + p, negatives (1 - p)(1 + p), p as it is believed now."""
    p = torch.sigmoid(odds[:, 0]).detach()
    weight = torch.where(labels > 0, 1 + p, (1 - p) * (1 + p))
    return binary_cross_entropy_with_logits(odds[:, 0], labels, weight)


def weighted_loss(odds: Tensor, labels: Tensor, extras: Tensor) -> Tensor:
    """Log loss, weighed by `extras` (B, 1)."""
    return binary_cross_entropy_with_logits(odds[:, 0], labels, extras[:, 0])


def naive(clicks: Clicks, make: Make, shape: Shape, fitting: Fitting) -> Network:
    """See the top of the file, as for all others."""
    return _fitted(make(shape), clicks, _sample(clicks.reported()), plain_loss, fitting)


def waiting(clicks: Clicks, make: Make, shape: Shape, fitting: Fitting) -> Network:
    old = np.flatnonzero(clicks.age >= fitting.window)
    sample = _sample(clicks.delay[old] <= fitting.window)._replace(rows=old)
    return _fitted(make(shape), clicks, sample, plain_loss, fitting)


def fnw(clicks: Clicks, make: Make, shape: Shape, fitting: Fitting) -> Network:
    return _fitted(make(shape), clicks, _twice(np.zeros(clicks.age.size, bool), clicks.reported()), fnw_loss, fitting)


def dfm(clicks: Clicks, make: Make, shape: Shape, fitting: Fitting) -> Network:
    told = clicks.reported()
    days = np.where(told, clicks.delay, clicks.age)
    sample = _sample(told)._replace(extras=days[:, None].astype(np.float32))
    return _fitted(make(shape._replace(tasks=outputs("dfm"))), clicks, sample, dfm_loss, fitting)


def fsiw(clicks: Clicks, make: Make, shape: Shape, fitting: Fitting) -> Network:
    past = clicks.part(np.flatnonzero(clicks.age > fitting.ago))
    then, now = past.reported(fitting.ago), past.reported()
    aged = shape._replace(sizes=(AGE.size, *shape.sizes), of_request=shape.of_request + 1)
    aged = aged._replace(remembered=tuple(place + 1 for place in shape.remembered))
    old, new = _with_age(past, past.age - fitting.ago), _with_age(clicks, clicks.age)
    # Of those that have converted by now, who had been reported; of those not reported then, who has not converted.
    early = _fitted(make(aged), old, _sample(then[now])._replace(rows=np.flatnonzero(now)), plain_loss, fitting)
    stays = _fitted(make(aged), old, _sample(~now[~then])._replace(rows=np.flatnonzero(~then)), plain_loss, fitting)
    told = clicks.reported()
    weight = np.where(told, 1 / np.maximum(_rates(early, new.batch), 1e-3), _rates(stays, new.batch))
    sample = _sample(told)._replace(extras=weight[:, None].astype(np.float32))
    return _fitted(make(shape), clicks, sample, weighted_loss, fitting)


def es_dfm(clicks: Clicks, make: Make, shape: Shape, fitting: Fitting) -> Network:
    waited = clicks.part(np.flatnonzero(clicks.age >= fitting.elapsed))
    soon = waited.delay <= fitting.elapsed
    late = waited.reported() & ~soon
    delayed = _fitted(make(shape), waited, _sample(late), plain_loss, fitting)
    real = _sample(~late[~soon])._replace(rows=np.flatnonzero(~soon))
    negative = _fitted(make(shape), waited, real, plain_loss, fitting)
    dp, rn = _rates(delayed, waited.batch), _rates(negative, waited.batch)
    sample = _twice(soon, late)
    weight = np.where(sample.labels > 0, (1 + dp)[sample.rows], ((1 + dp) * rn)[sample.rows])
    sample = sample._replace(extras=weight[:, None].astype(np.float32))
    return _fitted(make(shape), waited, sample, weighted_loss, fitting)


METHODS: dict[str, Callable[[Clicks, Make, Shape, Fitting], Network]] = {
    "naive": naive, "waiting": waiting, "fnw": fnw, "fsiw": fsiw, "dfm": dfm, "es-dfm": es_dfm,
}  # fmt: skip


def _sample(labels: NDArray[np.bool_]) -> Sample:
    """Every click once."""
    return Sample(np.arange(labels.size), labels.astype(np.float32), np.zeros((labels.size, 1), np.float32))


def _twice(first: NDArray[np.bool_], again: NDArray[np.bool_]) -> Sample:
    """Every click with its first label, and those that come again once more, as positives."""
    rows = np.concatenate([np.arange(first.size), np.flatnonzero(again)])
    labels = np.concatenate([first, np.ones(int(again.sum()), bool)]).astype(np.float32)
    return Sample(rows, labels, np.zeros((rows.size, 1), np.float32))


def _with_age(clicks: Clicks, age: Floats) -> Clicks:
    """With their age as a first feature."""
    bucket = torch.from_numpy(AGE.encoded({"age": age * DAY_S * 1e6}))
    moved = clicks.batch._replace(ids=clicks.batch.ids + AGE.size, past=clicks.batch.past + AGE.size)
    return clicks._replace(batch=moved._replace(ids=torch.cat([bucket[:, None], moved.ids], dim=1)))


def _rows(batch: Batch, rows: NDArray[Any]) -> Batch:
    return batch.part(torch.from_numpy(rows))


def _rates(network: Network, batch: Batch) -> Floats:
    with torch.inference_mode():
        return np.asarray(torch.sigmoid(network.eval()(batch))[:, 0].double().numpy())


def _fitted(network: Network, clicks: Clicks, sample: Sample, loss: Loss, fitting: Fitting) -> Network:
    """Fits a network by Adam, in batches of a fresh order each epoch."""
    if sample.rows.size == 0:
        raise LogError("no click is old enough to learn from")
    optimiser = torch.optim.Adam(network.parameters(), fitting.learning_rate, fused=True)
    labels, extras = torch.from_numpy(sample.labels), torch.from_numpy(sample.extras)
    dice = np.random.default_rng(fitting.seed)
    for _ in range(fitting.epochs):
        order = dice.permutation(sample.rows.size)
        for first in range(0, order.size, fitting.batch):
            part = order[first : first + fitting.batch]
            at = torch.from_numpy(part)
            optimiser.zero_grad(set_to_none=True)
            found = loss(network(clicks.batch.part(torch.from_numpy(sample.rows[part]))), labels[at], extras[at])
            found.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return network.eval()
