"""Policy iteration on the value after a page: what a page brings at once is known, and what it costs later is learned.

An action of the environment is a price of ads that bore and a worth of content. They are read off a value: what comes after a
page is taken to be v(s) - price(s) x (ads that will bore - their mean) + worth(s) x (content - its mean), the means being
those of the policy, so that what is wrong with v becomes no price. In turns, patterns are drawn by a softmax of what they bring
now and later, and the three are fitted to what came later (lambda-returns). What is known is not learned: the charges of ads.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy

from ...simulator.core.arrays import Floats, Integers
from .lanes import SideBySide

SCALE = 10.0  # of values, in usual pages: networks like small numbers


class Pages(Protocol):
    """What must be known of the pages that lie before users side by side, n lanes and P patterns; worths in usual pages."""

    usual: float  # rewards of a usual page

    def patterns_at_hand(self) -> tuple[Floats, Floats]:
        """What each pattern is expected to bring at once, (n, P); ads that will bore and content seen, (n, P, 2)."""

    def prices(self, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The price of an ad that bores and the worth of content that actions (n, 2) stand for, (n,) each."""

    def move_by(
        self, patterns: Integers
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
        """A page in each lane; see `lanes.Many.move`."""


class PageValues(BaseAlgorithm):
    """Stable-Baselines3's interface around it."""

    policy: ActorCriticPolicy

    def __init__(
        self, env: SideBySide, seed: int, learning_rate: Any, steps: int, batch: int, epochs: int, kept: float,
        heat: tuple[float, float], policy_kwargs: dict[str, Any],
    ) -> None:  # fmt: skip
        """`steps` of each lane in a turn, fitted in batches of `batch`; `heat` of the softmax at first and at last."""
        self.steps, self.batch, self.epochs, self.kept, self.heat = steps, batch, epochs, kept, heat
        super().__init__(
            ActorCriticPolicy, env, learning_rate, policy_kwargs=policy_kwargs, device="cpu", seed=seed, support_multi_env=True
        )
        self._setup_model()

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        self.policy = ActorCriticPolicy(self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs)

    @property
    def _pages(self) -> Pages:
        return cast(Pages, cast(SideBySide, self.env).many)

    def learn(
        self, total_timesteps: int, callback: Any = None, log_interval: int = 1, tb_log_name: str = "pi",
        reset_num_timesteps: bool = True, progress_bar: bool = False,
    ) -> PageValues:  # fmt: skip
        """Turns of playing and fitting until so many pages have been allocated."""
        total, told = self._setup_learn(total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar)
        told.on_training_start(locals(), globals())
        while self.num_timesteps < total:
            told.on_rollout_start()
            lived = self._live(told)
            if lived is None:  # a callback has had enough
                break
            told.on_rollout_end()
            self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
            self._record(self._fit(*lived))
        told.on_training_end()
        return self

    def _seen(self, observed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Value, price of an ad that bores and worth of content, (n,) each, in usual pages."""
        latent, critic = self.policy.mlp_extractor(observed)
        value = SCALE * self.policy.value_net(critic)[:, 0]
        return value, *self._pages.prices(torch.clamp(self.policy.action_net(latent), -1.0, 1.0))

    def _live(self, told: Any) -> tuple[torch.Tensor, ...] | None:
        """Plays a turn; returns what was observed, by how much what pages did was off its mean, and what came later."""
        env, pages, lanes = self.env, self._pages, cast(SideBySide, self.env).num_envs
        assert env is not None
        done = min(self.num_timesteps / self._total_timesteps, 1.0)
        heat = self.heat[0] + (self.heat[1] - self.heat[0]) * done
        shape = self.steps, lanes
        observed = np.zeros((*shape, *cast(Any, self.observation_space).shape), np.float32)
        left, mean = np.zeros((*shape, 2), np.float32), np.zeros((*shape, 2), np.float32)
        rewards, ended, values = np.zeros(shape, np.float32), np.zeros(shape, np.bool_), np.zeros((self.steps + 1, lanes))
        for step in range(self.steps + 1):
            gain, after = pages.patterns_at_hand()
            with torch.no_grad():
                value, price, content = (part.numpy() for part in self._seen(torch.as_tensor(self._last_obs)))
            worth = gain - price[:, None] * after[:, :, 0] + content[:, None] * after[:, :, 1]
            likely = np.exp((worth - worth.max(axis=1, keepdims=True)) / heat)
            likely /= likely.sum(axis=1, keepdims=True)
            values[step] = (likely * gain).sum(axis=1) + value
            if step == self.steps:
                break
            drawn = torch.rand(lanes, 1).numpy()
            chosen = np.minimum((np.cumsum(likely, axis=1) < drawn).sum(axis=1), gain.shape[1] - 1)
            observed[step], left[step] = self._last_obs, after[np.arange(lanes), chosen]
            mean[step] = (likely[:, :, None] * after).sum(axis=1)
            self._last_obs, gained, over, infos = cast(SideBySide, env).after(*pages.move_by(chosen))  # type: ignore[assignment]
            self._last_episode_starts = over
            rewards[step], ended[step] = gained / pages.usual, over
            self.num_timesteps += lanes
            self._update_info_buffer(infos, over)
            told.update_locals(locals())
            if not told.on_step():
                return None
        later, after_next = np.zeros(shape, np.float32), values[-1]
        for step in reversed(range(self.steps)):
            later[step] = np.where(ended[step], 0.0, after_next)
            after_next = self.kept * (rewards[step] + later[step]) + (1 - self.kept) * values[step]
        flat = (array.reshape(self.steps * lanes, *array.shape[2:]) for array in (observed, left - mean, later))
        return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in flat)

    def _fit(self, observed: torch.Tensor, off: torch.Tensor, later: torch.Tensor) -> float:
        """Fits values and prices to what came later; returns the mean squared error of the last batch."""
        self._update_learning_rate(self.policy.optimizer)
        loss = torch.zeros(())
        for _ in range(self.epochs):
            for part in torch.split(torch.randperm(len(later)), self.batch):
                value, price, content = self._seen(observed[part])
                said = value - price * off[part, 0] + content * off[part, 1]
                loss = ((said - later[part]) / SCALE).square().mean()
                self.policy.optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self.policy.optimizer.step()
        self._n_updates += 1
        return float(loss.detach())

    def _record(self, loss: float) -> None:
        episodes = [one["r"] for one in self.ep_info_buffer or ()]
        self.logger.record("rollout/ep_rew_mean", float(np.mean(episodes)) if episodes else float("nan"))
        self.logger.record("train/loss", loss)
        self.logger.record("time/total_timesteps", self.num_timesteps, exclude="tensorboard")
        self.logger.dump(step=self.num_timesteps)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", "policy.optimizer"], []
