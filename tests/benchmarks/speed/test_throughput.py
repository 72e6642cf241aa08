"""What `adarena speed` measures beside the market itself: that it is work which is really done."""

from __future__ import annotations

import pytest

from adarena.benchmarks.speed import throughput
from adarena.simulator import InvariantError


def test_replay_is_measured_on_the_same_auctions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A multiplier and a rule that bid alike win alike, which the measure itself looks at."""
    names = [measure.name for measure in throughput.replay_measures(20_000)]
    assert names == ["replay, one bidder by multiplier", "replay, one bidder by compiled rule"]
    monkeypatch.setattr(throughput, "walk_bids", lambda *_: None)
    with pytest.raises(InvariantError, match="did not win the same auctions"):
        throughput.replay_measures(20_000)
