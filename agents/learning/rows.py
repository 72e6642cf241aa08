"""Networks that are the same for every unit: each goes through one set of layers by its own row of the observation.

Who decides for several units at once sees a row of features for each. A network of all of them together must learn what it
knows of one unit anew for every other; a shared one learns it once, from all (parameter sharing, Gupta et al. 2017).
"""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.torch_layers import create_mlp
from torch import nn


class Rows(nn.Module):
    """Applies a network to each of `units` rows of a flat input (n, units x features); outputs lie side by side again."""

    def __init__(self, units: int, network: nn.Module) -> None:
        super().__init__()
        self.units, self.network = units, network

    def forward(self, flat: torch.Tensor) -> torch.Tensor:
        """(n, units x features) to (n, units x outputs)."""
        rows: torch.Tensor = self.network(flat.reshape(len(flat) * self.units, -1))
        return rows.reshape(len(flat), -1)


class Mean(nn.Module):
    """The mean over the rows of a flat input, (n, units x width) to (n, width)."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def forward(self, flat: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return flat.reshape(len(flat), self.units, -1).mean(dim=1)


class Layers(nn.Module):
    """Actor and critic between observation and their last layers, as Stable-Baselines3 asks for them.

    The critic foresees what all units bring together, so it takes the mean over what its layers make of each.
    """

    def __init__(self, units: int, features: int, widths: list[int], activation: type[nn.Module]) -> None:
        super().__init__()

        def layers() -> nn.Module:
            return Rows(units, nn.Sequential(*create_mlp(features, -1, widths, activation)))

        self.latent_dim_pi, self.latent_dim_vf = units * widths[-1], widths[-1]
        self.actor, self.critic = layers(), nn.Sequential(layers(), Mean(units))

    def forward(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the last layers of both are given."""
        return self.forward_actor(seen), self.forward_critic(seen)

    def forward_actor(self, seen: torch.Tensor) -> torch.Tensor:
        """(n, units x width)."""
        latent: torch.Tensor = self.actor(seen)
        return latent

    def forward_critic(self, seen: torch.Tensor) -> torch.Tensor:
        """(n, width)."""
        latent: torch.Tensor = self.critic(seen)
        return latent


class SharedActorCritic(ActorCriticPolicy):
    """Stable-Baselines3's policy of PPO with layers shared between units; how much each explores is its own."""

    def __init__(self, *arguments: Any, units: int, **more: Any) -> None:
        self._units = units
        super().__init__(*arguments, **more)

    def _build_mlp_extractor(self) -> None:
        widths: Any = self.net_arch
        layers: Any = Layers(self._units, self.features_dim // self._units, widths, self.activation_fn)
        self.mlp_extractor = layers.to(self.device)

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        widths: Any = self.net_arch
        assert isinstance(self.action_space, spaces.Box)
        last = nn.Linear(widths[-1], self.action_space.shape[0] // self._units)
        self.init_weights(last, gain=0.01)
        whole: Any = Rows(self._units, last).to(self.device)
        self.action_net = whole
        maker: Any = self.optimizer_class  # anew, with the new layer
        self.optimizer = maker(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)


class Deterministic(BasePolicy):
    """Acts without chance, each unit by its own row: layers of so many `widths`, then tanh; at first it does nothing but 0."""

    def __init__(self, seen: spaces.Box, done: spaces.Box, schedule: Any, units: int, widths: list[int]) -> None:
        super().__init__(seen, done, squash_output=True)
        layers = create_mlp(seen.shape[0] // units, done.shape[0] // units, widths, nn.Tanh, squash_output=True)
        last: Any = layers[-2]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.actor = Rows(units, nn.Sequential(*layers))
        self.optimizer = torch.optim.Adam(self.parameters(), lr=schedule(1))

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Actions from -1 to 1, (n, actions)."""
        acted: torch.Tensor = self.actor(seen)
        return acted

    def _predict(self, observation: Any, deterministic: bool = False) -> torch.Tensor:
        return self.forward(observation)
