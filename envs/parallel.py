"""A market as a `ParallelEnv` of PettingZoo: campaigns are agents that act at once, by their names."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from ..simulator.core.errors import PolicyError

Row = NDArray[np.float32]
ByAgent = dict[str, Any]


class Rows(Protocol):
    """What is needed of an environment that shows a row for each of several agents; see `envs.market.MarketEnv`."""

    metadata: dict[str, Any]
    render_mode: str | None
    observation_space: Any
    action_space: Any
    options: ClassVar[tuple[str, ...]]

    @property
    def possible(self) -> tuple[str, ...]: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Row, dict[str, Any]]: ...

    def step(self, action: Any) -> tuple[Row, float, bool, bool, dict[str, Any]]: ...

    def render(self) -> Any: ...

    def close(self) -> None: ...


class CampaignsInParallel(ParallelEnv[str, Row, Row]):  # type: ignore[misc]
    """The rows of an environment as agents. All begin and all end together: who has no money left bids, and is sold nothing.

    Each is rewarded by its own reward, and told its own numbers: what the environment tells in arrays of a row each.
    """

    def __init__(self, env: Rows) -> None:
        self._env = env
        self.metadata = {**env.metadata, "name": "adarena_market_v0", "is_parallelizable": True}
        self.render_mode = env.render_mode
        self.possible_agents, self.agents = list(env.possible), list[str]()
        rows = env.action_space.shape[0]
        self.state_space = env.observation_space
        self._state = np.zeros(env.observation_space.shape, np.float32)
        seen, done = env.observation_space, env.action_space
        shape = (seen.shape[0] // rows,)
        self.observation_spaces = {name: spaces.Box(seen.low[0], seen.high[0], shape, np.float32) for name in env.possible}
        self.action_spaces = {name: spaces.Box(done.low[0], done.high[0], (1,), np.float32) for name in env.possible}

    def observation_space(self, agent: str) -> spaces.Box:
        """Of an agent by its name; all have the same."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Box:
        """Of an agent by its name; all have the same."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: ByAgent | None = None) -> tuple[ByAgent, dict[str, ByAgent]]:
        """Begins a day. Options that the environment has not are left aside: PettingZoo's own tests hand over such."""
        known = {name: value for name, value in (options or {}).items() if name in self._env.options}
        seen, info = self._env.reset(seed=seed, options=known)
        self.agents = list(self._env.names)
        return self._by_agent(seen), self._told(info)

    def step(
        self, actions: dict[str, Row]
    ) -> tuple[ByAgent, dict[str, float], dict[str, bool], dict[str, bool], dict[str, ByAgent]]:
        """All agents act. Raises `PolicyError` unless there is an action for each, and as the environment does."""
        agents = self.agents
        if agents and actions.keys() != set(agents):
            odd = sorted(set(agents) ^ actions.keys())[0]
            what = "has no action" if odd in agents else "is none of the agents"
            raise PolicyError(f"each agent acts, and no other: {odd!r} {what}")
        try:
            flat = np.array([np.reshape(actions[name], ()) for name in agents])
        except (TypeError, ValueError):
            raise PolicyError("the action of an agent is a number from -1 to 1, in an array of shape (1,)") from None
        seen, _, over, _, info = self._env.step(flat)
        observations, told = self._by_agent(seen), self._told(info)
        rewards = dict(zip(agents, info["unit_rewards"].tolist(), strict=True))
        if over:
            self.agents = []
        return observations, rewards, dict.fromkeys(agents, over), dict.fromkeys(agents, False), told

    def state(self) -> Row:
        """What all agents observe, one after another, (agents x features,), for a critic that sees them together."""
        return self._state

    def render(self) -> Any:
        """See `MarketEnv`."""
        return self._env.render()

    def close(self) -> None:
        """Closes the window, if there is one."""
        self._env.close()

    def _by_agent(self, seen: Row) -> ByAgent:
        self._state = seen
        return dict(zip(self.agents, seen.reshape(len(self.agents), -1), strict=True))

    def _told(self, info: dict[str, Any]) -> dict[str, ByAgent]:
        """Of each agent its own numbers, and those that are of all."""
        common = {name: value for name, value in info.items() if not isinstance(value, np.ndarray)}
        own = {name: value.tolist() for name, value in info.items() if isinstance(value, np.ndarray)}
        return {
            agent: {**common, **{name: values[row] for name, values in own.items()}} for row, agent in enumerate(self.agents)
        }
