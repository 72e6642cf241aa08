"""A model that corrects what the platform believes, and does not replace it.

A log holds what the platform's belief has chosen. Of equals in that belief the log is a fair sample, of all pairs it is not: so
whoever knows the belief may learn from the log, and whoever does not mistakes what was chosen in error for what there is
(selection on observables, Rosenbaum and Rubin 1983).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....simulator.core.arrays import Floats32
from ....simulator.core.errors import LogError, PolicyError
from ..calibration import calibrated
from .layers import Batch, Network


class Corrected(Network):
    """Log-odds of a click slope x (those the platform believes) + bias + a network's; other labels are the network's alone.

    Raises:
        PolicyError: of a network whose loss is not that of its log-odds alone.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        if type(network).loss is not Network.loss:
            raise PolicyError(
                f"{type(network).__name__} has a loss of its own, and cannot correct a belief: take prior=nothing"
            )
        self.network = network
        self.slope, self.bias = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))

    def forward(self, batch: Batch) -> Tensor:
        return self.added(self.network(batch), batch.believed)  # (B, T)

    def added(self, odds: Tensor, believed: Tensor) -> Tensor:
        """The network's log-odds (..., T) with the line of what is believed, (...)."""
        line = self.slope * believed + self.bias
        return torch.cat([odds[..., :1] + line[..., None], odds[..., 1:]], dim=-1)

    def begin(self, believed: Floats32, labels: NDArray[np.float32]) -> None:
        """Begins with the line that fits clicks (n,) best to believed rates (n,), Platt's; the network is left to correct it.

        Raises:
            LogError: if a belief is 0 or 1, which no correction moves.
        """
        if not 0 < believed.min() <= believed.max() < 1:
            raise LogError("the platform believed a click to be certain or impossible: that has no log-odds to correct")
        odds = np.log(believed / (1 - believed.astype(np.float64)))
        line = calibrated("platt", odds, labels).everyone
        with torch.no_grad():
            self.slope.fill_(line.slope)
            self.bias.fill_(line.bias)
