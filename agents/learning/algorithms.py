"""The algorithms: from settings to a model that learns, and to the networks of an agent at rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
from gymnasium import spaces

from ...simulator.core.errors import PolicyError
from .settings import PISettings, PPOSettings, SACSettings, Settings

GROUPED = ("envs", "group", "relative")  # settings of PPO that are about groups
Makers = Sequence[Callable[[], gym.Env[Any, Any]]]


def new_model(settings: Settings, make: Callable[[], gym.Env[Any, Any]], units: int, seed: int) -> Any:
    """A model in Stable-Baselines3's sense, over as many environments as its settings say, on one processor.

    `units` is of how many units an environment shows a row each.
    """
    from .groups import GroupedEnvs

    first = make()
    has_lanes = hasattr(first.unwrapped, "side_by_side")
    if has_lanes and isinstance(settings, PPOSettings | PISettings):
        from .lanes import SideBySide

        if isinstance(settings, PPOSettings):
            return _ppo(settings, SideBySide(first, settings.envs, settings.group), units, seed)
        return _policy_iteration(settings, SideBySide(first, settings.envs, 1), seed)
    first.close()
    if isinstance(settings, PISettings):
        raise PolicyError("pi learns what pages cost later, which only an environment of pages tells")
    makers = [make] * settings.envs
    if isinstance(settings, PPOSettings):
        envs: Any = GroupedEnvs(makers, settings.group)
        if settings.each:
            from .units import UnitEnvs

            settings.check_batches(units)
            envs = UnitEnvs(envs, units, settings.group)
        return _ppo(settings, envs, units, seed)
    if isinstance(settings, SACSettings):
        from stable_baselines3 import SAC

        own = _own(settings, "envs", "width")
        return SAC("MlpPolicy", GroupedEnvs(makers, 1), seed=seed, device="cpu", policy_kwargs=_shape(settings), **own)
    if has_lanes:
        raise PolicyError("policies evolve side by side only if all episodes have one length, and here each ends when it ends")
    from .evolution import Evolution

    return Evolution(
        GroupedEnvs(makers, settings.envs), seed, _falling(settings.learning_rate), settings.sigma, settings.episodes,
        policy_kwargs={"units": units, "widths": _widths(settings)},
    )  # fmt: skip


def networks(settings: Settings, seen: spaces.Box, done: spaces.Box, units: int) -> Any:
    """The policy of such a model, with weights that are still to be filled in."""

    def schedule(left: float) -> float:
        return settings.learning_rate

    if isinstance(settings, PPOSettings | PISettings):
        from stable_baselines3.common.policies import ActorCriticPolicy

        from .rows import SharedActorCritic

        if isinstance(settings, PPOSettings) and settings.shared:
            return SharedActorCritic(seen, done, schedule, units=units, net_arch=_widths(settings))
        return ActorCriticPolicy(seen, done, schedule, net_arch=_widths(settings))
    if isinstance(settings, SACSettings):
        from stable_baselines3.sac.policies import SACPolicy

        return SACPolicy(seen, done, schedule, net_arch=_widths(settings))
    from .rows import Deterministic

    return Deterministic(seen, done, schedule, units, _widths(settings))


def _ppo(settings: PPOSettings, envs: Any, units: int, seed: int) -> Any:
    from stable_baselines3 import PPO

    from .groups import GroupedRollouts
    from .rows import SharedActorCritic

    shape: dict[str, Any] = {**_shape(settings), "log_std_init": settings.log_std_init}
    if settings.shared:
        shape["units"] = units
    return PPO(
        SharedActorCritic if settings.shared else "MlpPolicy",
        envs,
        seed=seed,
        device="cpu",
        policy_kwargs=shape,
        learning_rate=_falling(settings.learning_rate),
        rollout_buffer_class=GroupedRollouts,
        rollout_buffer_kwargs={"group": settings.group, "relative": settings.relative},
        # How exploration shrinks is told by a callback; see `training`.
        **_own(settings, *GROUPED, "shared", "each", "learning_rate", "log_std_init", "log_std_end", "width"),
    )


def _policy_iteration(settings: PISettings, envs: Any, seed: int) -> Any:
    from .page_values import PageValues

    return PageValues(
        envs, seed, _falling(settings.learning_rate), settings.n_steps, settings.batch_size, settings.n_epochs,
        settings.gae_lambda, (settings.heat_init, settings.heat_end), _shape(settings),
    )  # fmt: skip


def _own(settings: Settings, *others: str) -> dict[str, Any]:
    """The settings that the library takes under the same names."""
    return {name: value for name, value in dataclasses.asdict(settings).items() if name not in others}


def _shape(settings: Settings) -> dict[str, Any]:
    return {"net_arch": _widths(settings)}


def _widths(settings: Settings) -> list[int]:
    return [settings.width] * (2 if settings.width else 0)


def _falling(fastest: float) -> Callable[[float], float]:
    """A learning rate that falls in a straight line to 0; the last rollout may go beyond the last step."""
    return lambda left: fastest * max(left, 0.0)
