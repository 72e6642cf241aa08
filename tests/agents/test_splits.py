"""Seeds for training, for choosing and for testing never meet."""

from itertools import combinations

import pytest

from adarena.agents.splits import SPLITS, checked, seeds, split_of
from adarena.simulator import MarketError, Scenario, World


def test_no_seed_belongs_to_two_splits():
    for one, other in combinations(SPLITS.values(), 2):
        assert one.stop <= other.start or other.stop <= one.start


@pytest.mark.parametrize("split", SPLITS)
def test_the_seeds_of_a_split_are_its_own_and_those_of_no_other(split):
    for seed in (SPLITS[split][0], SPLITS[split][-1], *seeds(split, 3)):
        assert split_of(seed) == split
        assert checked(seed, split) == seed
        for other in SPLITS.keys() - {split}:
            with pytest.raises(MarketError, match=f"is a {split} seed; {other} seeds run from"):
                checked(seed, other)


@pytest.mark.parametrize("count", [0, -1, 200_001])
def test_more_seeds_than_there_are_cannot_be_had(count):
    with pytest.raises(MarketError, match=f"from 1 to 200,000 validation seeds can be had, not {count}"):
        seeds("validation", count)


@pytest.mark.parametrize("seed", [-1, 2_000_000, 1.5, True])
def test_what_is_no_seed_belongs_nowhere(seed):
    with pytest.raises(MarketError, match="a whole number from 0 to 1,999,999"):
        split_of(seed)


def test_worlds_take_the_seeds_of_every_split():
    for whole in SPLITS.values():
        assert World(Scenario.preset("tiny"), seed=whole[-1]).seed == whole[-1]
