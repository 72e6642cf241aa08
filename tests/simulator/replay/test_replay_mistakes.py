"""Replays asked for wrongly: terms and decisions that are not allowed cost one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adarena.agents.catalogue import make_policy
from adarena.simulator import BidPolicy, BidView, ChunkBids, LogError, Multiplier, PolicyError, RequestRule, rule
from adarena.simulator.replay.history import PriceHistory
from adarena.simulator.replay.log import Log
from adarena.simulator.replay.replay import replay

LOG = Log(np.arange(20), np.full(20, 0.5))
HISTORY = PriceHistory(10, 5, 50, 0.1)

BAD_TERMS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "episode of 0": ({"episode": 0}, ["episode=0", "from 1 up"]),
    "half an episode": ({"episode": 2.5}, ["episode=2.5", "whole number"]),
    "truth for an episode": ({"episode": True}, ["episode=True"]),
    "no ticks": ({"ticks": 0}, ["ticks=0", "from 1 up"]),
    "more ticks than auctions": ({"episode": 5, "ticks": 6}, ["ticks=6", "5 auctions"]),
    "fraction of 0": ({"budget_fraction": 0}, ["budget_fraction=0", "above 0"]),
    "negative fraction": ({"budget_fraction": -0.1}, ["budget_fraction=-0.1"]),
    "NaN fraction": ({"budget_fraction": float("nan")}, ["budget_fraction=nan"]),
    "endless fraction": ({"budget_fraction": float("inf")}, ["budget_fraction=inf"]),
    "budget below 1": ({"budget_fraction": 1e-9}, ["budget_fraction=1e-09", "budget of 0"]),
    "negative cap": ({"max_bid": -1}, ["max_bid=-1", "from 0 up"]),
    "negative seed": ({"seed": -1}, ["seed=-1"]),
}


@pytest.mark.parametrize("case", BAD_TERMS)
def test_wrong_terms_are_refused_in_one_sentence(case: str) -> None:
    terms, fragments = BAD_TERMS[case]
    with pytest.raises(LogError) as error:
        replay(LOG, make_policy("bidding", "mcpc"), HISTORY, **terms)
    message = str(error.value)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message


@rule
def broken(rate: float, left: int, requests_left: int, state: Any) -> float:
    return -1.0 if requests_left == 995 else state[0]


frozen = np.zeros((1, 2))
frozen.flags.writeable = False

BAD_DECISIONS: dict[str, tuple[Any, str]] = {
    "negative multiplier": (Multiplier(-0.5), "multiplier -0.5"),
    "NaN multiplier": (Multiplier(np.nan), "multiplier nan"),
    "infinite multiplier": (Multiplier([np.inf]), "multiplier inf"),
    "multiplier for two": (Multiplier([1.0, 2.0]), "a number for each of its 1 campaigns, not [1.0, 2.0]"),
    "word for a multiplier": (Multiplier("high"), "'high'"),
    "no decision": (3.0, "not float"),
    "state in a list": (RequestRule(broken, [[0.0]]), "writeable float64 of shape (1, width), not list"),  # type: ignore[arg-type]
    "state without rows": (RequestRule(broken, np.zeros(3)), "(1, width)"),
    "state of two rows": (RequestRule(broken, np.zeros((2, 3))), "(1, width)"),
    "state of whole numbers": (RequestRule(broken, np.zeros((1, 3), np.int64)), "float64"),  # type: ignore[arg-type]
    "state that cannot be written": (RequestRule(broken, frozen), "writeable"),
    "negative bid of a rule": (RequestRule(broken, np.zeros((1, 1))), "in auction 6"),
    "NaN bid of a rule": (RequestRule(broken, np.full((1, 1), np.nan)), "in auction 1"),
    "bids of a wrong shape": (ChunkBids(lambda requests: np.zeros(3)), "(1, 20)"),
    "negative bids": (ChunkBids(lambda requests: -requests.rate), "numbers from 0 to 1e+09 are allowed"),
}


@pytest.mark.parametrize("case", BAD_DECISIONS)
def test_wrong_decisions_are_refused_in_one_sentence(case: str) -> None:
    decision, fragment = BAD_DECISIONS[case]

    class Wrong(BidPolicy):
        def decide(self, view: BidView) -> Any:
            return decision

    with pytest.raises(PolicyError) as error:
        replay(LOG, Wrong(), HISTORY, ticks=1)
    assert "Wrong" in str(error.value)
    assert fragment in str(error.value)
    assert "\n" not in str(error.value)


def test_a_seat_is_for_policies() -> None:
    with pytest.raises(PolicyError, match="needs a BidPolicy, not str"):
        replay(LOG, "mcpc", HISTORY)  # type: ignore[arg-type]
