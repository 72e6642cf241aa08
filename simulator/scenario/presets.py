"""Named markets: the ones that environments, benchmarks and tests start from. Each is a function that returns a `Scenario`."""

from __future__ import annotations

from .creatives import DrawnCreatives, FormatShares, Late
from .delivery import Auction, Funnel, Quotas, Serving, Stage, Surface
from .demand import Advertiser, Campaign, DrawnDemand, ListedDemand, Weather
from .pages import Pages
from .people import Fatigue, Patience, Sessions, Traffic, Users
from .response import DelayPart, DrawnLeads, Interests, Response, Uniform
from .search import Search
from .tree import PRESETS, Scenario

# Per cent of a day's ad requests in each half hour: the base curve of AuctionNet's traffic (Su et al., 2024).
DAY = (
    2.301, 1.076, 0.882, 0.482, 0.480, 0.333, 0.339, 0.303, 0.430, 0.486, 1.114, 1.236,
    1.851, 1.729, 2.612, 2.405, 3.641, 3.309, 3.811, 3.238, 3.719, 3.288, 3.353, 2.550,
    2.372, 2.221, 2.622, 2.008, 2.223, 2.050, 2.269, 2.081, 2.412, 2.058, 1.999, 1.649,
    1.746, 1.689, 2.043, 1.979, 2.495, 2.512, 3.110, 2.859, 3.006, 2.565, 2.538, 2.529,
)  # fmt: skip
# Clicks convert within minutes or within days. A third under an hour, half within a day, an eighth after two weeks, none
# after 30 days (Chapelle 2014); no single Weibull passes through these points.
MINUTES_AND_DAYS = (
    DelayPart(weight=0.35, shape=1.0, scale_s=900.0),
    DelayPart(weight=0.65, shape=0.69, scale_s=7.0 * 86_400),
)


def bidding() -> Scenario:
    """48 campaigns of 6 verticals, 3 slots, 500,000 requests a day in 48 ticks: the setting of AuctionNet, with users.

    Users persist and have interests, so that values are correlated over campaigns. Budgets bind for about two campaigns in
    three. Traffic, bids and conversion rates have weather, without which a constant multiplier would be good enough.
    """
    return Scenario(
        name="bidding",
        traffic=Traffic(
            requests_per_day=500_000, curve=DAY, day_sigma=0.4, tick_sigma=0.2, tick_correlation=0.7,
            surge_probability=0.3, surge_factor=(2.0, 4.0), surge_hours=(1.0, 3.5),
        ),
        users=Users(count=20_000, segments=6, dimensions=16, spread=1.0, hour_amplitude=0.6),
        rates=Interests(click_rate=0.01, belief_noise=0.1),
        demand=DrawnDemand(campaigns=48, verticals=6, vertical_spread=1.0, conversion_rate=0.1, follows_demand=0.67),
        weather=Weather(day_sigma=0.4, common_sigma=0.24, tick_sigma=0.15, tick_correlation=0.9, drift_sigma=0.5),
        auction=Auction(pricing="gsp", slots=3, exposure=(1.0, 0.8, 0.6), reserve=1e-4),
        response=Response(delay=MINUTES_AND_DAYS, window_days=30.0, hour_amplitude=0.35),
    )  # fmt: skip


def bidding_small() -> Scenario:
    """`bidding` with 50,000 requests a day: small enough to train on."""
    return bidding().override({"name": "bidding-small", "traffic.requests_per_day": 50_000})


def bidding_tcpa() -> Scenario:
    """`bidding-small` with target CPAs: a campaign wants to pay for a conversion no more than on an expected day."""
    return bidding_small().override({"name": "bidding-tcpa", "demand.objective": "target_cpa", "demand.target_cpa_share": 1.0})


ROUGH = {
    "weather.drift_sigma": 1.0, "weather.tick_sigma": 0.25, "traffic.tick_sigma": 0.35, "traffic.surge_probability": 0.6,
}  # fmt: skip


def pacing_small() -> Scenario:
    """24 campaigns and 20,000 requests in 24 ticks, under rougher weather than `bidding-small`: for who paces all at once."""
    few = {"ticks_per_day": 24, "traffic.requests_per_day": 20_000, "demand.campaigns": 24}
    return bidding_small().override({"name": "pacing-small", **few, **ROUGH})


def auction_small() -> Scenario:
    """A thin market, in which the rules of the auction matter: six verticals of one campaign, one slot, no budgets.

    Who wins has often no rival near, so that the reserve is the price; what conversions are worth moves widely from day to day
    and over the day, so that no reserve is right for long.
    """
    thin = {
        "demand.budget_share": None, "demand.campaigns": 6, "demand.verticals": 6, "demand.follows_demand": 1.0,
        "weather.day_sigma": 1.0, "auction.slots": 1, "rates.affinity": 2.0,
    }  # fmt: skip
    return bidding_small().override({"name": "auction-small", **ROUGH, **thin})


def allocation_small() -> Scenario:
    """Pages of five places, of which somebody chooses those that carry ads, for users who tire of ads, leave and stay away.

    A thousand users come about once a day for two weeks. How soon ads make one leave differs widely between them, and a hint is
    all that is known of it; the hazard is convex in boredom. What a page without ads brings is half of what its best ad would,
    once seen. There are no budgets, so that users are independent of each other.
    """
    return Scenario(
        name="allocation-small",
        days=14,
        traffic=Traffic(requests_per_day=12_000, curve=DAY),
        users=Users(count=1_000, segments=6, dimensions=16, spread=1.0, activity_tail=100.0),
        rates=Interests(click_rate=0.005, affinity=0.8, belief_noise=0.1),
        demand=DrawnDemand(campaigns=24, verticals=6, conversion_rate=0.05, budget_share=None, billing="cpc"),
        weather=Weather(request_sigma=0.6),
        auction=Auction(pricing="gsp", slots=5, exposure=(0.9, 0.81, 0.729, 0.6561, 0.59049), reserve=1e-4),
        response=Response(delay=MINUTES_AND_DAYS, window_days=30.0),
        sessions=Sessions(
            mean_requests=12.0, leave_rate=0.02, boredom_kept=0.7, patience=Patience(power=2.0, sigma=2.0, hint=0.3),
        ),
        pages=Pages(
            organic_value=0.054, relevance=0.85, most_ads=3, apart=1, gap_clicks=(0.5, 0.7), end_share=0.1, carries=(1,),
        ),
    )  # fmt: skip


def creative_small() -> Scenario:
    """40 ads of six creatives in five formats, half of which come late in the day, each shown some 2,000 times.

    What segments make of a format is the same for all ads, and is worth more than what a creative is to all; its content tells
    half of that. Users tire of a creative. There are no budgets, and bids do not know creatives, so that ads are independent.
    """
    return Scenario(
        name="creative-small",
        traffic=Traffic(requests_per_day=80_000),
        users=Users(count=40_000, segments=6, dimensions=32, spread=2.0),
        rates=Interests(click_rate=0.007, ad_sigma=0.0, affinity=0.6, belief_noise=0.1),
        demand=DrawnDemand(
            campaigns=40, verticals=6, vertical_spread=3.0, conversion_rate=0.1, conversion_sigma=0.0,
            value_per_conversion=(90.0, 90.0), follows_demand=0.0, budget_share=None, billing="cpc",
        ),
        auction=Auction(pricing="gsp", slots=1, exposure=(1.0,), reserve=1e-4),
        response=Response(delay=MINUTES_AND_DAYS, window_days=30.0),
        fatigue=Fatigue(half_life_s=30 * 86_400.0),
        creatives=DrawnCreatives(
            per_ad=(6, 6), formats=FormatShares(image=0.2, video=0.2, text=0.2, lead_form=0.2, carousel=0.2),
            appeal_sigma=0.25, interaction_sigma=0.25, format_sigma=0.35, embedding_correlation=0.57, late=Late(),
        ),
    )  # fmt: skip


def ranking_small() -> Scenario:
    """Eight days of 500 users who come in sessions, and stay away where ads have annoyed them; a third of 120 ads are new.

    Nobody knows how popular new ads are, and beliefs follow their clicks; each run draws it anew. An ad costs more than it
    takes in a session: satisfaction fades over days, and with it visits. Campaigns have no budgets.
    """
    return bidding().override(
        {
            "name": "ranking-small", "days": 8, "ticks_per_day": 24, "traffic.requests_per_day": 4_000,
            "traffic.day_sigma": 0.2, "traffic.tick_sigma": 0.1, "traffic.surge_probability": 0.0,
            "users.count": 500, "users.segments": 6, "users.dimensions": 8, "users.spread": 1.5, "users.activity_tail": 3.0,
            "rates.click_rate": 0.02, "rates.ad_sigma": 1.0, "rates.affinity": 1.5, "rates.belief_noise": 0.1,
            "rates.new_share": 1 / 3, "rates.new_by_run": True, "rates.learning": {"shape": 1.5},
            "demand.campaigns": 120, "demand.budget_share": None, "demand.value_per_conversion": [5.0, 12.0],
            "fatigue": None,
            "sessions": {
                "mean_requests": 12.0, "videos": 4, "video_s": 20.0, "leave_rate": 0.02, "ad_annoyance": 0.4,
                "satisfaction_rate": 0.05, "visit_slope": 16.0,
            },
        }
    )  # fmt: skip


def coldstart_small() -> Scenario:
    """`ranking-small` with 600 campaigns, four fifths of them new, and a quarter of its click rate: there is much to find out.

    What clicks tell is little, so that most of what could be earned is left to whoever knows an ad before it has been shown:
    who reads its content.
    """
    cold = {"demand.campaigns": 600, "rates.click_rate": 0.005, "rates.new_share": 0.8, "content": {}}
    return ranking_small().override({"name": "coldstart-small", **cold})


def tiny() -> Scenario:
    """Six campaigns, two slots, 2,000 requests in 24 ticks: a day in milliseconds, with everything switched on."""
    return bidding().override(
        {
            "name": "tiny",
            "ticks_per_day": 24,
            "traffic.requests_per_day": 2_000,
            "users.count": 300,
            "users.segments": 3,
            "users.dimensions": 8,
            "demand.campaigns": 6,
            "demand.verticals": 2,
            "demand.ads_per_campaign": 2,
            "demand.conversion_rate": 0.3,
            "demand.value_per_conversion": [6.0, 13.0],
            "rates.click_rate": 0.05,
            "auction.slots": 2,
        }
    )


def uniform(bidders: int = 2, requests: int = 100_000) -> Scenario:
    """The market of auction theory: bidders with values U[0, 1] for every request, one slot, second price, no budgets.

    There are two of them, or as many as is said: `uniform:bidders=5`.

    A bidder's value is its believed and true rate; a conversion is worth 1, so multiplier 1 bids the value. Requests come
    evenly, exactly `requests` of them in a day of one tick.
    """
    advertisers = tuple(
        Advertiser(name=f"a{k}", campaigns=(Campaign(name=f"c{k}", objective="utility"),)) for k in range(bidders)
    )
    return Scenario(
        name="uniform",
        ticks_per_day=1,
        traffic=Traffic(requests_per_day=requests, arrivals="even"),
        users=Users(count=1, segments=1, dimensions=1),
        rates=Uniform(),
        demand=ListedDemand(advertisers=advertisers),
        auction=Auction(pricing="second", slots=1, exposure=(1.0,)),
    )


def queue(servers: int = 1, requests: int = 100_000) -> Scenario:
    """A market that does nothing but queue: Poisson arrivals at servers that are busy 80% of the time, one bidder.

    There is one server, or as many as is said: `queue:servers=4`.
    """
    return uniform(bidders=1, requests=requests).override(
        {
            "name": "queue",
            "ticks_per_day": 24,
            "traffic.arrivals": "poisson",
            "serving": {"servers": servers, "service_s": 0.8 * servers * 86_400 / requests},
        }
    )


def feed() -> Scenario:
    """A short-video feed: 10,000 ads of 500 campaigns, a million users, a funnel on servers that are 80% busy at the peak.

    A user comes for 13 requests of up to three ads, with 30 videos of ten seconds between two of them, unless ads bore.

    A request costs a server 125 ms: 35 for itself, 50 for 2,000 candidates recalled and roughly sorted, 40 for 200 finely
    sorted. After a wait of 100 ms there are a quarter of the candidates, after 200 ms ads cached for the user's segment.
    """
    return Scenario(
        name="feed",
        traffic=Traffic(
            requests_per_day=1_136_900, curve=DAY, day_sigma=0.1, tick_sigma=0.05, tick_correlation=0.7,
        ),
        users=Users(count=1_000_000, segments=12, dimensions=32, spread=1.0, hour_amplitude=0.3),
        rates=Interests(click_rate=0.00033, ad_sigma=0.4, affinity=1.0, belief_noise=0.1),
        demand=DrawnDemand(
            campaigns=500, verticals=20, ads_per_campaign=20, vertical_spread=1.0, conversion_rate=0.15,
            value_per_conversion=(5.0, 12.0), follows_demand=0.67, frequency_cap=6,
        ),
        weather=Weather(day_sigma=0.2, common_sigma=0.1, tick_sigma=0.1, tick_correlation=0.9, drift_sigma=0.3),
        auction=Auction(pricing="gsp", slots=3, exposure=(1.0, 0.8, 0.6), reserve=1e-4),
        response=Response(delay=MINUTES_AND_DAYS, window_days=30.0, hour_amplitude=0.35),
        funnel=Funnel(
            recall=Stage(dimensions=8, noise=0.3), rough=Stage(dimensions=16, noise=0.15),
            recall_cost_s=5e-6, rough_cost_s=20e-6, fine_cost_s=200e-6,
            levels=(
                Quotas(recall=2_000, rough=200, fine=40),
                Quotas(recall=500, rough=50, fine=20, after_wait_s=0.1),
                Quotas(recall=0, rough=0, fine=10, after_wait_s=0.2),
                Quotas(recall=0, rough=0, fine=0, after_wait_s=0.3),
            ),
        ),
        serving=Serving(servers=3, service_s=0.035, service="fixed", network_s=0.02, deadline_s=0.5),
        sessions=Sessions(mean_requests=13.0, videos=30, video_s=10.0, leave_rate=0.001),
        fatigue=Fatigue(),
    )  # fmt: skip


def overload() -> Scenario:
    """`feed` on a bad evening: from 21:00 to 23:00 two and a half times the traffic, and one of three servers down."""
    curve = tuple(2.5 * share if 42 <= piece < 46 else share for piece, share in enumerate(DAY))
    traffic = {"traffic.curve": curve, "traffic.requests_per_day": round(1_136_900 * sum(curve) / sum(DAY))}
    outage = {"start_s": 21.5 * 3600, "duration_s": 3600, "servers": 1}
    return feed().override({"name": "overload", **traffic, "serving.outages": [outage]})


def compute_small() -> Scenario:
    """A day in an hour on four servers that could give a third of its requests the full quotas: depth is to be allocated.

    Requests of each of three traffic tiers are worth seven times as much at one time of the day as at another, each at its own,
    under weather; traffic surges every day, and on seven days in ten one to three servers fail. At full quotas a request costs
    3.7 server seconds.
    """
    return feed().override(
        {
            "name": "compute-small", "day_s": 3_600, "ticks_per_day": 96,
            "traffic.requests_per_day": 12_000, "traffic.day_sigma": 0.5, "traffic.tick_sigma": 0.3,
            "traffic.tick_correlation": 0.8, "traffic.surge_probability": 1.0, "traffic.surge_factor": [2.0, 4.0],
            "traffic.surge_hours": [0.04, 0.15],
            "users.count": 20_000, "users.dimensions": 16, "users.spread": 2.0, "users.hour_amplitude": 0.8,
            "users.tiers": [0] * 3 + [1] * 4 + [2] * 5,
            "rates.click_rate": 0.01, "rates.ad_sigma": 0.6, "rates.affinity": 2.0,
            "demand.campaigns": 125, "demand.ads_per_campaign": 4, "demand.verticals": 6, "demand.frequency_cap": None,
            "demand.budget_share": None,
            # As little converts where it converts most as a click can, and is worth the more.
            "demand.conversion_rate": 0.01, "demand.value_per_conversion": [75.0, 180.0],
            # What moves worth is the tiers'; the weather of bids is kept small.
            "weather.day_sigma": 0.2, "weather.common_sigma": 0.1, "weather.tick_sigma": 0.05, "weather.drift_sigma": 0.2,
            "weather.tiers": {
                "level": [0.3, 0.0, -0.3], "amplitude": 1.0, "peak": [0.85, 0.5, 0.2], "tick_sigma": 0.2,
                "tick_correlation": 0.95,
            },
            "sessions": None, "fatigue": None,
            "funnel.recall": {"dimensions": 3, "noise": 1.0}, "funnel.rough": {"dimensions": 6, "noise": 0.5},
            "funnel.popular_share": 0.1, "funnel.exploring_share": 0.0,
            "funnel.recall_cost_s": 0.001, "funnel.rough_cost_s": 0.003, "funnel.fine_cost_s": 0.024,
            "funnel.levels": [
                {"recall": 300, "rough": 100, "fine": 20},
                {"recall": 121, "rough": 45, "fine": 20, "after_wait_s": 1.5},
                {"recall": 0, "rough": 0, "fine": 8, "after_wait_s": 3.0},
            ],
            "serving.servers": 4, "serving.service_s": 0.1, "serving.service": "exponential", "serving.network_s": 0.3,
            "serving.deadline_s": 8.0,
            "serving.failures": {"probability": 0.7, "servers": [1, 3], "hours": [0.08, 0.25]},
        }
    )  # fmt: skip


def compute() -> Scenario:
    """`feed` with models six times as heavy on four servers, that could give two fifths of its requests the full quotas.

    Requests of each of three traffic tiers are worth four times as much at one time of the day as at another, each at its own,
    under weather; traffic surges on seven days in ten, and on every other day one or two servers fail. Depth is decided every
    five minutes. At full quotas a request costs 760 ms of a server's time: 100 for itself, 300 for 2,000 candidates recalled
    and roughly sorted, 360 for 200 finely sorted.
    """
    return feed().override(
        {
            "name": "compute",
            "traffic.day_sigma": 0.3, "traffic.tick_sigma": 0.2, "traffic.surge_probability": 0.7,
            "traffic.surge_factor": [1.5, 3.0], "traffic.surge_hours": [1.0, 3.0],
            "users.hour_amplitude": 0.8, "users.tiers": [0] * 3 + [1] * 4 + [2] * 5,
            # As in `compute-small`.
            "demand.conversion_rate": 0.02, "demand.value_per_conversion": [37.5, 90.0],
            "weather.tiers": {
                "level": [0.3, 0.0, -0.3], "amplitude": 0.7, "peak": [0.85, 0.5, 0.2], "tick_sigma": 0.15,
                "tick_correlation": 0.95,
            },
            "funnel.recall_cost_s": 30e-6, "funnel.rough_cost_s": 120e-6, "funnel.fine_cost_s": 1.8e-3,
            "funnel.levels": [
                {"recall": 2_000, "rough": 200, "fine": 40},
                {"recall": 500, "rough": 50, "fine": 20, "after_wait_s": 0.6},
                {"recall": 0, "rough": 0, "fine": 10, "after_wait_s": 1.2},
            ],
            "serving.servers": 4, "serving.service_s": 0.1, "serving.deadline_s": 3.0, "serving.control_s": 300.0,
            "serving.failures": {"probability": 0.5, "servers": [1, 2], "hours": [1.0, 4.0]},
        }
    )  # fmt: skip


def coldstart() -> Scenario:
    """`feed` in which a third of the ads are new: nobody knows yet how popular they are."""
    return feed().override({"name": "coldstart", "funnel.new_share": 1 / 3, "funnel.exploring_share": 0.1})


def search() -> Scenario:
    """Search: 20,000 queries of three intents, 500 campaigns of 8 ads that bid by click for keywords, four slots.

    Four requests in five ask; the others are made on a page of suggestions with one slot. Half of recall's quota is for ads
    whose keywords match. A request costs a server 124 ms, and two of them are 80% busy at the peak.
    """
    return Scenario(
        name="search",
        traffic=Traffic(
            requests_per_day=600_000, curve=DAY, day_sigma=0.1, tick_sigma=0.05, tick_correlation=0.7,
        ),
        users=Users(count=300_000, segments=12, dimensions=32, spread=1.0, hour_amplitude=0.3),
        rates=Interests(click_rate=0.0004, ad_sigma=0.4, affinity=0.6, belief_noise=0.1),
        demand=DrawnDemand(
            campaigns=500, verticals=20, ads_per_campaign=8, vertical_spread=1.0, conversion_rate=0.05,
            value_per_conversion=(20.0, 60.0), billing="cpc", follows_demand=0.67,
        ),
        weather=Weather(day_sigma=0.2, common_sigma=0.1, tick_sigma=0.1, tick_correlation=0.9, drift_sigma=0.3),
        auction=Auction(pricing="gsp", slots=4, exposure=(1.0, 0.7, 0.5, 0.35), reserve=1e-3),
        response=Response(delay=MINUTES_AND_DAYS, window_days=30.0, hour_amplitude=0.35),
        search=Search(queries=20_000, keywords=20, query_weight=2.0, belief_noise=0.2),
        surfaces=(
            Surface(name="results", share=4.0, asks=True, exposure=(1.0, 0.7, 0.5, 0.35)),
            Surface(name="suggestions", share=1.0, exposure=(0.6,), click=-0.5, conversion=0.6, deadline_s=0.3),
        ),
        funnel=Funnel(
            recall=Stage(dimensions=8, noise=0.3), rough=Stage(dimensions=16, noise=0.15),
            popular_share=0.05, exploring_share=0.05, keyword_share=0.5,
            recall_cost_s=20e-6, rough_cost_s=40e-6, fine_cost_s=600e-6,
            levels=(
                Quotas(recall=400, rough=100, fine=20),
                Quotas(recall=100, rough=30, fine=10, after_wait_s=0.1),
                Quotas(recall=0, rough=0, fine=0, after_wait_s=0.25),
            ),
        ),
        serving=Serving(servers=2, service_s=0.04, service="fixed", network_s=0.02, deadline_s=0.5),
        fatigue=Fatigue(),
    )  # fmt: skip


def leads() -> Scenario:
    """Two weeks of lead campaigns on a placement of their own with two slots, for users who come in sessions and tire of ads.

    There are 8 campaigns in each of 5 verticals: say education, cars, home, finance, medical beauty. Nobody sees the ads of one
    more than three times a day.

    Rates and prices are those of Facebook's lead ads of 2024, as benchmark blogs tell them: 2.53% of impressions are clicked,
    8.78% of clicks are submits, a click costs 1.88 and a lead 21.98; a PID bidder pays about that. Lead quality has no public
    source and is assumed: a form opens at 35% of clicks, 40% of submits are found qualified, with word of it in days, and 15%
    of those buy, in weeks. These rates differ between verticals, by their odds.
    """
    return Scenario(
        name="leads",
        days=14,
        ticks_per_day=24,
        traffic=Traffic(
            requests_per_day=100_000, curve=DAY, day_sigma=0.1, tick_sigma=0.05, tick_correlation=0.7,
        ),
        users=Users(count=20_000, segments=6, dimensions=16, spread=1.0, hour_amplitude=0.3),
        rates=Interests(click_rate=0.0101, ad_sigma=0.3, belief_noise=0.1),
        demand=DrawnDemand(
            campaigns=40, verticals=5, vertical_spread=1.0, objective="target_cpa", billing="cpc",
            value_per_conversion=(15.6, 36.0), conversion_rate=0.08, conversion_sigma=0.2, follows_demand=0.67,
            frequency_cap=3,
            lead=DrawnLeads(form_open_rate=0.35, qualified_rate=0.4, sale_rate=0.15, vertical_sigma=0.3),
        ),
        weather=Weather(day_sigma=0.2, common_sigma=0.1, tick_sigma=0.1, tick_correlation=0.9, drift_sigma=0.3),
        auction=Auction(pricing="gsp", slots=2, exposure=(1.0, 0.6), reserve=1e-3),
        response=Response(window_days=28.0, hour_amplitude=0.2),
        sessions=Sessions(mean_requests=6.0),
        fatigue=Fatigue(),
    )  # fmt: skip


PRESETS.update(
    {
        "bidding": bidding,
        "bidding-small": bidding_small,
        "bidding-tcpa": bidding_tcpa,
        "pacing-small": pacing_small,
        "auction-small": auction_small,
        "allocation-small": allocation_small,
        "creative-small": creative_small,
        "ranking-small": ranking_small,
        "coldstart-small": coldstart_small,
        "tiny": tiny,
        "uniform": uniform,
        "queue": queue,
        "feed": feed,
        "overload": overload,
        "coldstart": coldstart,
        "compute": compute,
        "compute-small": compute_small,
        "search": search,
        "leads": leads,
    }
)
