"""A trained ranker in the ranking seat: its click rates take the place of the platform's, in a stage of the funnel.

One that corrects the platform's belief is told that belief.
`adarena bench ranking --policies ecpm fm=adarena.agents.rankers.seated:Seated:path=out/fm` compares it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...simulator.core.arrays import Floats, Floats32, Integers
from ...simulator.core.clock import HOUR_US
from ...simulator.core.errors import PolicyError
from ...simulator.delivery.models import STAGES, Batch
from ...simulator.seats.ranking.decisions import Believe, Weights
from ...simulator.seats.ranking.view import RankingView
from ..parameters import check_number
from ..ranking.dealt import Dealt
from ..ranking.weighted import Weighted
from .features import Columns
from .models.registry import RECALL
from .ranker import Ranker, load_ranker

REQUEST = ("user", "segment", "hour", "surface", "query")
AD = ("ad", "campaign", "vertical")  # requests are scored a thousand ahead, when nobody knows what will have been counted
ALL = "all"  # stages
MOST_USERS = 500  # scored at once
LEAST = 1e-6  # and as much less than 1: a market takes neither 0 nor 1 for a click rate


class Modelled:
    """A ranker as a market asks it for click rates; see `RateModel`.

    Raises:
        PolicyError: of a ranker that says no rates, or reads what nobody knows as candidates are scored.
    """

    def __init__(self, ranker: Ranker, view: RankingView) -> None:
        card = ranker.card
        if card.model in RECALL or ranker.shape.length:
            why = "says no rates" if card.model in RECALL else "reads what users have seen before"
            raise PolicyError(f"a ranker {card.model} does not sit in the ranking seat: it {why}")
        looks = {} if view.facts.content is None else view.facts.content._asdict()
        if unknown := [f.name for f in card.schema.features if not set(f.columns) <= {*REQUEST, *AD, *looks}]:
            raise PolicyError(
                f"a ranker sits in the ranking seat without {', '.join(unknown)}, which nobody tells as candidates are scored: "
                f"train it with --set without={','.join(unknown)}"
            )
        self._ranker, self._segment = ranker, view.facts.segment
        ads = np.arange(view.campaign.size)
        self._ads: Columns = {"ad": ads, "campaign": view.campaign, "vertical": view.facts.vertical[view.campaign], **looks}
        card.schema.told(self._ads)

    def rates(self, requests: Batch, ads: Integers) -> Floats:
        """See `RateModel`."""
        return self._said(requests, ads, None)

    def _said(self, requests: Batch, ads: Integers, believed: Floats32 | None) -> Floats:
        hour = requests.time_us // HOUR_US % 24
        context: Columns = {"hour": hour, "surface": requests.surface, "query": requests.query}
        there = np.maximum(ads, 0)
        columns = {name: column[there] for name, column in self._ads.items()}
        clicks, _ = self._ranker.rates(self._people(requests.user), columns, context, believed=believed)
        return np.clip(clicks, LEAST, 1 - LEAST)

    def typical_odds(self) -> Floats:
        """Mean log-odds of a click on each ad over all users, at noon where nobody asks for anything, (A,)."""
        users = np.arange(self._segment.size)
        context = {"hour": users * 0 + 12, "surface": users * 0, "query": users * 0 - 1}
        parts = np.array_split(users, max(1, users.size // MOST_USERS))
        total = np.zeros(self._ads["ad"].size)
        for part in parts:
            asked = {name: column[part] for name, column in context.items()}
            total += self._ranker.scores(self._people(part), self._ads, asked)[..., 0].sum(axis=0)
        return total / users.size

    def _people(self, user: Integers) -> Columns:
        return {"user": user, "segment": self._segment[user]}


class Correcting(Modelled):
    """A ranker that corrects what the platform believes; see `Correction`."""

    def corrected(self, requests: Batch, ads: Integers, believed: Floats32) -> Floats:
        """See `Correction`."""
        return self._said(requests, ads, believed)


@dataclass
class Seated(Weighted):
    """Ranks by the click rates of a trained ranker, under constant weights; explores in a share of the requests."""

    path: str = field(kw_only=True)  # of its file, or the folder of its training
    stage: str = "fine"  # recall, rough, fine, which is the auction, or all three; without a funnel there is fine alone
    explored: float = 0.0  # share of the requests whose rates are dealt out anew, from 0 to 1; see `Dealt`

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stage not in (*STAGES, ALL):
            raise PolicyError(f"there is no stage {self.stage!r}: known are {', '.join(STAGES)} and {ALL}")
        check_number(self, "explored", least=0, most=1)
        self._ranker = load_ranker(self.path)

    def start(self, view: RankingView, dice: np.random.Generator) -> None:
        self._key = int(dice.integers(1 << 62))

    def decide(self, view: RankingView) -> Weights | None:
        if (view.told.day, view.told.tick) != (0, 0):
            return None
        model = (Correcting if self._ranker.corrects else Modelled)(self._ranker, view)
        believed = Dealt(model, self.explored, self._key) if self.explored else model
        stages = STAGES if self.stage == ALL else (self.stage,)
        return Weights(self.squashing, self.cost, believe=[Believe(believed, stage) for stage in stages])
