"""What a market is: the tree of settings, its parts, and named markets. All settings are here, and nothing else."""

from .creatives import Creative, DrawnCreatives
from .delivery import Auction, Autoscaling, Funnel, Index, Outage, Quotas, Serving, Stage, Surface, TierQuotas
from .demand import Ad, Advertiser, Billing, Campaign, DrawnDemand, Flight, ListedDemand, Objective, Weather
from .pages import Pages
from .part import Part
from .people import Fatigue, Patience, Sessions, Traffic, Users
from .presets import DAY
from .response import DelayPart, DrawnLeads, Interests, Lead, Normal, Organic, Response, Uniform
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
    "DelayPart",
    "DrawnCreatives",
    "DrawnDemand",
    "DrawnLeads",
    "Fatigue",
    "Flight",
    "Funnel",
    "Index",
    "Intent",
    "Interests",
    "Lead",
    "ListedDemand",
    "MatchTypes",
    "Normal",
    "Objective",
    "Organic",
    "Outage",
    "Pages",
    "Part",
    "Patience",
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
