"""What a feedback loop is: whose market, which model, how many rounds, and which seeds are for logs and which for tests."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from ... import __version__
from ...agents.rankers.calibration import Method
from ...agents.rankers.seated import ALL
from ...agents.rankers.settings import Settings
from ...agents.splits import checked
from ...agents.splits import seeds as seeds_of
from ...simulator.core.errors import MarketError, PolicyError
from ...simulator.core.numeric import real, whole
from ...simulator.delivery.models import STAGES
from ...simulator.scenario.tree import Scenario

UNTOLD = ("user_shown", "user_share", "user_idle", "ad_shown", "ad_share")  # that nobody tells as candidates are scored


@dataclass(frozen=True)
class Plan:
    """A loop. Round 0 is the platform's own belief; ranker r, from 1 on, learns from the log that round r - 1 made.

    Args:
        scenario: the market in which rankers are judged.
        days: how long a log lasts.
        settings: of training.
        rounds: how many rankers are trained one after the other.
        shares: of the requests in which the makers of logs explore (`Dealt`); a loop for each, from 0 to 1.
        warm: whether a ranker goes on from the weights of the one before, so that it has learned from all logs so far.
        method: of a calibration on each log's validation part; None: as trained.
        by: feature whose values are calibrated each for itself; empty: all together.
        stage: of the funnel in which rankers stand, as `Seated` has it; without a funnel there is fine alone.
        seeds: how many test worlds, paired: all rankers have the same.
        skip: how many test seeds to leave out before them.
        first: seed of the first log, of the training seeds; log r has the r-th after it.
    """

    scenario: Scenario
    days: int
    settings: Settings
    rounds: int
    shares: tuple[float, ...] = (0.0,)
    warm: bool = False
    method: Method | None = None
    by: str = ""
    stage: str = "fine"
    seeds: int = 8
    skip: int = 0
    first: int = 700_000

    def __post_init__(self) -> None:
        for name, least in (("days", 1), ("rounds", 1), ("seeds", 1), ("skip", 0)):
            if (number := whole(getattr(self, name))) is None or number < least:
                raise MarketError(f"a loop has {name} from {least} up, not {getattr(self, name)!r}")
        for share in self.shares:
            if (part := real(share)) is None or not 0 <= part <= 1:
                raise MarketError(f"a share of requests that explore is from 0 to 1, not {share!r}")
        if len(set(self.shares)) < len(self.shares) or not self.shares:
            raise MarketError(f"a loop names each share of requests that explore once, unlike {list(self.shares)}")
        if self.by and self.method is None:
            raise PolicyError("--by says by what feature a calibration differs: name one, as in --calibrate isotonic")
        if self.stage not in (*STAGES, ALL):
            raise MarketError(f"there is no stage {self.stage!r}: known are {', '.join(STAGES)} and {ALL}")
        if self.stage != "fine" and self.scenario.funnel is None:
            raise MarketError(f"scenario {self.scenario.name!r} has no funnel: there is no stage {self.stage}, but fine alone")
        if self.settings.begin:
            raise PolicyError("a loop says itself what its rankers begin with: leave out begin, and take --warm")
        for round_ in range(self.rounds + 1):
            checked(self.log_seed(round_), "train")

    @property
    def log_scenario(self) -> Scenario:
        """The market that makes logs."""
        return self.scenario.override({"days": self.days})

    @property
    def test_seeds(self) -> range:
        """Of the worlds in which rankers are judged; no log has one of them."""
        return seeds_of("test", self.skip + self.seeds)[self.skip :]

    def log_seed(self, round_: int) -> int:
        """The seed of the log of a round, the same whatever explores."""
        return self.first + round_

    def told(self) -> str:
        """All that decides what a loop finds, as JSON; what a folder holds is of one such text."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        fields |= {"scenario": self.scenario.model_dump(mode="json"), "settings": dataclasses.asdict(self.settings)}
        return json.dumps({"version": __version__, **fields}, indent=2, sort_keys=True)
