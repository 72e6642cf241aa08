"""Evolution strategies: a population of policies lives through the same days, and the next is like those that earned more.

After Salimans et al. 2017 (arXiv 1703.03864), with pairs of opposite perturbations and Adam. All members meet the same days,
so that what tells a pair apart is what it did; that is what lets a score whose luck is fifty times the difference be climbed.
Nothing is known of single steps: the joint action of all units is judged by whole days (as ES-MACA does).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch.func import functional_call, vmap

from ...simulator.core.errors import PolicyError
from .rows import Deterministic


class Evolution(BaseAlgorithm):
    """Stable-Baselines3's interface around it; the members are the environments of `env`, of which each two are a pair."""

    policy: Deterministic

    def __init__(
        self, env: VecEnv, seed: int, learning_rate: Any, sigma: float, episodes: int, policy_kwargs: dict[str, Any]
    ) -> None:
        self.sigma, self.episodes = sigma, episodes
        super().__init__(
            Deterministic, env, learning_rate, policy_kwargs=policy_kwargs, device="cpu", seed=seed, support_multi_env=True
        )
        self._setup_model()

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        policy = Deterministic(self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs)  # type: ignore[arg-type]
        self.policy = policy
        self._names = [name for name, _ in policy.actor.named_parameters()]

    def learn(
        self, total_timesteps: int, callback: Any = None, log_interval: int = 1, tb_log_name: str = "es",
        reset_num_timesteps: bool = True, progress_bar: bool = False,
    ) -> Evolution:  # fmt: skip
        """Generations until so many steps have been made by all members together."""
        total, told = self._setup_learn(total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar)
        told.on_training_start(locals(), globals())
        while self.num_timesteps < total:
            told.on_rollout_start()
            noise = self.perturbations()
            returns = self._lived(noise, told)
            if returns is None:  # a callback has had enough
                break
            told.on_rollout_end()
            self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
            self.step(noise, returns)
            self._record(returns)
        told.on_training_end()
        return self

    def perturbations(self) -> torch.Tensor:
        """Standard normal, (members, parameters); each second is the opposite of the one before it."""
        assert self.env is not None
        own = sum(parameter.numel() for parameter in self.policy.actor.parameters())
        half = torch.randn(self.env.num_envs // 2, own)
        return torch.stack([half, -half], dim=1).reshape(-1, own)

    def step(self, noise: torch.Tensor, returns: torch.Tensor) -> None:
        """Climbs along what the perturbations (members, parameters) of those that earned more have in common.

        The gradient of the expected return under perturbation, up to scale: the mean of perturbation x (return - that of its
        opposite), in units of what pairs differ by.
        """
        gained = returns[::2] - returns[1::2]
        slope = (gained[:, None] * noise[::2]).mean(dim=0) / (gained.square().mean().sqrt() + 1e-12)
        self._update_learning_rate(self.policy.optimizer)
        place = 0
        for parameter in self.policy.actor.parameters():
            parameter.grad = -slope[place : place + parameter.numel()].reshape(parameter.shape)
            place += parameter.numel()
        self.policy.optimizer.step()
        self._n_updates += 1

    def _lived(self, noise: torch.Tensor, told: Any) -> torch.Tensor | None:
        """What the members earn in a generation, (members,); None if a callback ends the training."""
        assert self.env is not None
        members, returns = self._members(noise), torch.zeros(len(noise), dtype=torch.float64)
        for _ in range(self.episodes):
            over = np.zeros(len(noise), bool)
            while not over.any():
                with torch.no_grad():
                    actions = members(torch.as_tensor(self._last_obs))
                self._last_obs, rewards, over, infos = self.env.step(actions.numpy())  # type: ignore[assignment]
                self._last_episode_starts = over
                returns += torch.as_tensor(rewards)
                self.num_timesteps += len(noise)
                self._update_info_buffer(infos, over)
                told.update_locals(locals())
                if not told.on_step():
                    return None
            if not over.all():
                raise PolicyError("policies evolve side by side only if all episodes have one length")
        return returns.to(torch.float32)

    def _members(self, noise: torch.Tensor) -> Any:
        """The policies of all members in one: observations (members, features) to actions (members, actions)."""
        base, place, stacked = list(self.policy.actor.parameters()), 0, {}
        for name, parameter in zip(self._names, base, strict=True):
            own = noise[:, place : place + parameter.numel()].reshape(-1, *parameter.shape)
            stacked[name] = parameter.detach() + self.sigma * own
            place += parameter.numel()

        def acted(parameters: dict[str, torch.Tensor], seen: torch.Tensor) -> torch.Tensor:
            whole: torch.Tensor = functional_call(self.policy.actor, parameters, (seen[None],))[0]
            return whole

        side_by_side = vmap(acted)
        return lambda seen: side_by_side(stacked, seen)

    def _record(self, returns: torch.Tensor) -> None:
        episodes = [one["r"] for one in self.ep_info_buffer or ()]
        self.logger.record("rollout/ep_rew_mean", float(np.mean(episodes)) if episodes else float("nan"))
        self.logger.record("train/pairs_differ_by", float((returns[::2] - returns[1::2]).abs().mean()))
        self.logger.record("time/total_timesteps", self.num_timesteps, exclude="tensorboard")
        self.logger.dump(step=self.num_timesteps)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", "policy.optimizer"], []
