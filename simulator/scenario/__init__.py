"""What a market is: the tree of settings, its parts, and named markets. All settings are here, and nothing else."""

from .creatives import Creative, Creatives
from .delivery import Auction, Autoscaling, Funnel, Index, Outage, Quotas, Serving, Stage, Surface, TierQuotas
from .demand import Ad, Advertiser, Billing, Campaign, DrawnDemand, Flight, ListedDemand, Objective, Weather
from .part import Part
from .people import Fatigue, Sessions, Traffic, Users
from .presets import DAY
from .response import DelayPart, Interests, Lead, Leads, Normal, Organic, Response, Uniform
from .search import Intent, MatchTypes, Search
from .tree import PRESETS, Scenario

__all__ = [
    "DAY",
    "PRESETS",
    "Ad",
    "Advertiser",
    "Auction",
    "Autoscaling",
    "Billing",
    "Campaign",
    "Creative",
    "Creatives",
    "DelayPart",
    "DrawnDemand",
    "Fatigue",
    "Flight",
    "Funnel",
    "Index",
    "Intent",
    "Interests",
    "Lead",
    "Leads",
    "ListedDemand",
    "MatchTypes",
    "Normal",
    "Objective",
    "Organic",
    "Outage",
    "Part",
    "Quotas",
    "Response",
    "Scenario",
    "Search",
    "Serving",
    "Sessions",
    "Stage",
    "Surface",
    "TierQuotas",
    "Traffic",
    "Uniform",
    "Users",
    "Weather",
]
