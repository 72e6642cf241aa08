"""Markets behind a small funnel, whose three segments may have tiers."""

from __future__ import annotations

from typing import Any

from adarena.simulator import Scenario

FUNNEL: dict[str, Any] = {
    "recall": {"dimensions": 4, "noise": 0.3},
    "rough": {"dimensions": 6, "noise": 0.1},
    "levels": [{"recall": 60, "rough": 20, "fine": 8}],
}


def market(*segment_tiers: int, **changes: Any) -> Scenario:
    """`tiny` with 300 ads of 100 campaigns behind a small funnel; its three segments may have tiers."""
    return Scenario.preset("tiny").override(
        {
            "demand.campaigns": 100, "demand.ads_per_campaign": 3, "demand.verticals": 5, "rates.belief_noise": 0.2,
            "funnel": {**FUNNEL, **changes}, "users.tiers": segment_tiers,
        }
    )  # fmt: skip


FULL = {"recall": 60, "rough": 20, "fine": 8}


def crowd(**rich: Any) -> Scenario:
    """Ten campaigns that bid four times as much as ten others, of whom five come to an auction of one slot."""
    worth, own = [20.0] * 10 + [5.0] * 10, [rich] * 10 + [{}] * 10
    campaigns = [{"name": f"c{k}", "value_per_conversion": worth[k], **own[k]} for k in range(20)]
    funnel = {"popular_share": 0.0, "exploring_share": 0.0, "levels": [{"recall": 20, "rough": 20, "fine": 5}]}
    return Scenario.preset("tiny").override(
        {
            "demand": {"kind": "listed", "advertisers": [{"name": c["name"], "campaigns": [c]} for c in campaigns]},
            "traffic.requests_per_day": 12_000, "traffic.arrivals": "even", "users.count": 100, "funnel": funnel,
            "auction.slots": 1, "auction.exposure": [1.0], "rates.affinity": 0.3,
        }
    )  # fmt: skip


LEAN = {"recall": 12, "rough": 6, "fine": 3}

CACHED = {"recall": 0, "rough": 0, "fine": 5}

NOTHING = {"recall": 0, "rough": 0, "fine": 0}


def tiered(*own: dict[str, Any] | None, **changes: Any) -> Scenario:
    """The market with a tier for each of its three segments: 0, 1, 2, of which some have full quotas of their own."""
    tiers = [{"tier": tier, "levels": [quotas]} for tier, quotas in enumerate(own) if quotas is not None]
    return market(0, 1, 2, tiers=tiers, popular_share=0.2, exploring_share=0.2).override(changes)
