"""Random small markets for the tests of the simulator, with whatever a scenario may have, as Hypothesis draws them."""

from __future__ import annotations

from hypothesis import strategies as st

from adarena.simulator import Scenario
from adarena.simulator.scenario.creatives import Creative, DrawnCreatives, FormatShares
from adarena.simulator.scenario.delivery import (
    Auction,
    Autoscaling,
    Funnel,
    Outage,
    Quotas,
    Serving,
    Stage,
    Surface,
    TierQuotas,
)
from adarena.simulator.scenario.demand import Ad, Advertiser, Campaign, Flight, ListedDemand, Weather
from adarena.simulator.scenario.people import Fatigue, Sessions, Traffic, Users
from adarena.simulator.scenario.response import DelayPart, Interests, Lead, Normal, Organic, Response, Uniform
from adarena.simulator.scenario.search import Search

# Without weather, so that days are alike.
CALM = {
    "traffic.day_sigma": 0.0, "traffic.tick_sigma": 0.0, "traffic.surge_probability": 0.0, "weather.day_sigma": 0.0,
    "weather.common_sigma": 0.0, "weather.tick_sigma": 0.0, "weather.drift_sigma": 0.0,
}  # fmt: skip

EXPOSURES = {1: [(1.0,), (0.5,)], 2: [(1.0, 0.7), (0.9, 0.9)], 3: [(1.0, 0.8, 0.6), (0.9, 0.5, 0.5)]}

LISTED = [None, None, (Creative(name="one"),), (Creative(name="film", format="video", appeal=1.0), Creative(name="still"))]

PORTFOLIOS = [
    None,
    DrawnCreatives(),
    DrawnCreatives(per_ad=(1, 5), appeal_sigma=1.0, interaction_sigma=1.0, formats=FormatShares(image=0.0, text=2.0)),
]


@st.composite
def campaigns(draw: st.DrawFn, name: str, days: int, ads: int, remembered: bool = False, creatives: bool = False) -> Campaign:
    """A campaign with any objective, billing and budget: none, huge, tight, or less than one price; perhaps with a cap."""
    objective = draw(st.sampled_from(["max_value", "target_cpa", "target_roas", "utility"]))
    flights: tuple[Flight, ...] = ()
    if days > 1 and draw(st.booleans()):
        first = draw(st.integers(0, days - 1))
        flights = (Flight(first_day=first, end_day=draw(st.integers(first + 1, days))),)
    conversion_rate = draw(st.sampled_from([0.3, 0.1] if remembered else [1.0, 0.6, 0.1]))
    return Campaign(
        name=name,
        objective=objective,
        value_per_conversion=draw(st.sampled_from([0.5, 1.0, 3.0, 20.0])),
        target_cpa=1.5 if objective == "target_cpa" else None,
        target_roas=1.25 if objective == "target_roas" else None,
        budget_per_day=draw(st.sampled_from([None, 1e9, 20.0, 5.0, 1.0, 0.3, 0.01, 2e-6])),
        billing=draw(st.sampled_from(["cpm", "cpc", "cpa"])),
        frequency_cap=draw(st.sampled_from([None, 1, 3])) if remembered else None,
        conversion_rate=conversion_rate,
        lead=draw(st.none() | leads(conversion_rate)) if remembered else None,
        follows_demand=draw(st.booleans()),
        flights=flights,
        ads=tuple(
            Ad(
                name=f"ad{j}",
                appeal=draw(st.sampled_from([0.0, -0.5, 0.7])),
                creatives=draw(st.sampled_from(LISTED)) if creatives else None,
            )
            for j in range(ads)
        ),
    )


@st.composite
def leads(draw: st.DrawFn, conversion_rate: float) -> Lead:
    """A chain whose forms open about as often as its best hour needs, or at every click; delays of one part or of two."""
    two = (
        DelayPart(weight=0.3, shape=0.6, scale_s=20.0),
        DelayPart(weight=0.7, scale_s=draw(st.sampled_from([300.0, 40_000.0]))),
    )
    return Lead(
        form_open_rate=draw(st.sampled_from([conversion_rate * 3.3, 1.0])),  # the best hour, surface and intent, and a little
        qualified_rate=draw(st.sampled_from([0.3, 1.0])),
        sale_rate=draw(st.sampled_from([0.5, 1.0])),
        submit_delay=draw(st.sampled_from([two, (DelayPart(scale_s=5.0),)])),
        qualified_delay=draw(st.sampled_from([two, (DelayPart(scale_s=1000.0),)])),
    )


@st.composite
def servers(draw: st.DrawFn, day_s: int, requests: int) -> Serving:
    """Servers at 40 to 200% load, with deadlines from far below a service to none, outages, scaling."""
    count = draw(st.sampled_from([1, 2, 7, 40]))
    service = draw(st.sampled_from([0.4, 0.8, 1.0, 2.0])) * count * day_s / requests
    outages = tuple(
        Outage(
            start_s=draw(st.sampled_from([0.0, 0.1, 0.4, 0.5])) * day_s,
            duration_s=draw(st.sampled_from([0.05, 0.25])) * day_s,
            servers=draw(st.sampled_from([1, 2, 50])),
        )
        for _ in range(draw(st.integers(0, 2)))
    )
    delay = draw(st.sampled_from([0.0, day_s / 9]))
    scaling = Autoscaling(least=1, most=12, utilisation=0.7, every_s=day_s / 20, delay_s=delay)
    return Serving(
        servers=count,
        service_s=service,
        service=draw(st.sampled_from(["fixed", "exponential"])),
        network_s=draw(st.sampled_from([0.0, 0.3])) * service,
        deadline_s=draw(st.sampled_from([None, 0.2 * service, 1.5 * service, 10 * service])),
        outages=outages,
        autoscaling=draw(st.sampled_from([None, scaling])),
    )


@st.composite
def funnels(draw: st.DrawFn, service_s: float, tiers: tuple[int, ...], asks: bool = False) -> Funnel:
    """Funnels that pass all or next to none of at most 36 ads, with the steps down of those who wait: fewer, cached, none.

    Tiers may have quotas of their own: more, fewer, cached ads only, or none at all.
    """
    few, cached, none = Quotas(recall=3, rough=2, fine=1), Quotas(recall=0, rough=0, fine=4), Quotas(recall=0, rough=0, fine=0)

    def steps(full: Quotas, lower: list[Quotas]) -> tuple[Quotas, ...]:
        down = lower[: draw(st.integers(0, len(lower)))]
        late = [q.model_copy(update={"after_wait_s": service_s * (n + 0.5)}) for n, q in enumerate(down)]
        return (full, *late)

    own = []
    for tier in sorted(set(tiers)):
        full = draw(st.sampled_from([None, Quotas(recall=40, rough=9, fine=6), few, cached, none]))
        if full is not None:
            lower = [q for q in (few, cached, none) if q.recall <= full.recall]
            own.append(TierQuotas(tier=tier, levels=steps(full, lower)))
    return Funnel(
        recall=Stage(dimensions=2, noise=draw(st.sampled_from([0.0, 0.5]))),
        rough=Stage(dimensions=3, noise=0.1),
        popular_share=draw(st.sampled_from([0.0, 0.4])),
        exploring_share=draw(st.sampled_from([0.0, 0.2])),
        keyword_share=draw(st.sampled_from([0.0, 0.4])) if asks else 0.0,
        fine_cost_s=service_s / 3,
        new_share=draw(st.sampled_from([0.0, 0.5])),
        levels=steps(
            Quotas(recall=draw(st.sampled_from([3, 12, 40])), rough=3, fine=draw(st.sampled_from([1, 3]))), [few, cached, none]
        ),
        tiers=tuple(own),
    )


@st.composite
def sessions(draw: st.DrawFn, day_s: int) -> Sessions:
    """Sessions of one request or of many, in a moment or over half a day, of users whom ads bore a little or very much."""
    return Sessions(
        mean_requests=draw(st.sampled_from([1.0, 3.0, 40.0])),
        videos=draw(st.sampled_from([1, 3])),
        video_s=draw(st.sampled_from([1e-5, 0.002, 0.05])) * day_s,
        leave_rate=draw(st.sampled_from([0.0, 0.05, 1.0])),
        boredom_kept=draw(st.sampled_from([0.0, 0.7, 1.0])),
        ad_annoyance=draw(st.sampled_from([0.0, 0.5])),
        satisfaction_rate=draw(st.sampled_from([0.02, 0.5])),
        visit_share=draw(st.sampled_from([0.6, 0.95])),
    )


SEARCH = Search(
    concepts=36, queries=120, head_queries=20, words=(0.5, 0.5), keywords=4, belief_noise=0.3, query_weight=1.5,
    keyword_choice=2,
)  # fmt: skip


@st.composite
def surfaces(draw: st.DrawFn, slots: int, deadline_s: float | None, asks: bool) -> tuple[Surface, ...] | None:
    """One to three surfaces of fewer slots than the auction's, some with shorter deadlines; or none, where all requests ask."""
    if asks and draw(st.booleans()):
        return None
    return tuple(
        Surface(
            name=f"surface-{number}",
            share=draw(st.sampled_from([1.0, 3.0])),
            asks=asks and number == 0,
            exposure=draw(st.sampled_from(EXPOSURES[draw(st.integers(1, slots))])),
            deadline_s=None if deadline_s is None else draw(st.sampled_from([None, deadline_s, deadline_s / 3])),
            click=draw(st.sampled_from([0.0, -0.7, 0.4])),
            conversion=draw(st.sampled_from([1.0, 0.3])),
        )
        for number in range(draw(st.integers(1, 3)))
    )


@st.composite
def scenarios(
    draw: st.DrawFn, most_requests: int = 1500, served: bool = False, funnel: bool = False, people: bool = False
) -> Scenario:
    """A market of 1 to 12 campaigns with every setting of the auction, the rates and the response in play.

    With `served` its requests wait for servers, with `funnel` only some of the ads come to an auction, with `people` they come
    in sessions, users remember and tire, ads have several creatives, requests may come on several surfaces and ask for
    something, campaigns may be after leads, and conversions may come late or without an ad.
    """
    days = draw(st.sampled_from([1, 1, 2, 3]))
    several = draw(st.booleans())
    rates = draw(
        st.sampled_from(
            [
                Interests(click_rate=0.2, belief_noise=0.0),
                Interests(click_rate=0.05, belief_noise=0.5, belief_bias=0.3, belief_slope=1.3, belief_sigma=0.2, affinity=1.5),
                Uniform(),
                Uniform(low=0.1, high=0.6, belief_noise=0.05),
                Normal(mean=0.4, sigma=0.03, belief_noise=0.02),
            ]
        )
    )
    if funnel and rates.kind != "interests":
        rates = Interests(click_rate=0.3, belief_noise=0.2)
    asks = people and rates.kind == "interests" and draw(st.booleans())
    no_squashing = rates.kind == "uniform" and rates.belief_noise > 0
    slots = draw(st.sampled_from([1, 2, 3]))
    creatives = draw(st.sampled_from(PORTFOLIOS)) if people and rates.kind == "interests" else None
    window = draw(st.sampled_from([0.01, 1.0, 30.0]))
    organic = None
    if people and draw(st.booleans()):
        slope = draw(st.sampled_from([0.0, 1.0, -2.0])) if rates.kind == "interests" else 0.0
        organic = Organic(rate=draw(st.sampled_from([0.05, 0.6])), slope=slope)
    held = draw(st.integers(1, 12))
    advertisers = tuple(
        Advertiser(
            name=f"a{k}",
            vertical=k % 3,
            campaigns=(draw(campaigns(f"c{k}", days, ads, people, creatives is not None)),),
        )
        for k, ads in enumerate(draw(st.sampled_from([1, 2, 3])) if several else 1 for _ in range(held))
    )
    day_s = draw(st.sampled_from([60, 3600, 86_400]))
    requests = draw(st.sampled_from([60, 300, most_requests // days]))
    serving = draw(servers(day_s, requests)) if served else None
    tiers = draw(st.sampled_from([(), (0, 1, 0), (2, 0, 2)])) if served or funnel else ()
    wait_s = day_s / requests if serving is None else serving.service_s
    patience = serving.deadline_s if serving is not None else None
    places = draw(surfaces(slots, patience, asks)) if people and rates.kind == "interests" else None
    return Scenario(
        name="random",
        days=days,
        day_s=day_s,
        serving=serving,
        search=SEARCH if asks else None,
        surfaces=places,
        sessions=draw(sessions(day_s)) if people and draw(st.integers(0, 3)) else None,
        fatigue=draw(st.sampled_from([None, Fatigue(), Fatigue(exponent=1.0, half_life_s=day_s / 4)])) if people else None,
        creatives=creatives,
        funnel=draw(funnels(wait_s, tiers, asks)) if funnel else None,
        ticks_per_day=draw(st.sampled_from([1, 3, 6, 24])),
        market_seed=draw(st.integers(0, 5)),
        traffic=Traffic(
            requests_per_day=requests,
            curve=draw(st.sampled_from([(1.0,), (1.0, 3.0, 0.5), (0.0, 1.0, 0.0, 2.0)])),
            arrivals=draw(st.sampled_from(["poisson", "even"])),
            day_sigma=draw(st.sampled_from([0.0, 0.4])),
            tick_sigma=draw(st.sampled_from([0.0, 0.2])),
            surge_probability=draw(st.sampled_from([0.0, 1.0])),
        ),
        users=Users(count=40, segments=3, dimensions=4, hour_amplitude=draw(st.sampled_from([0.0, 0.8])), tiers=tiers),
        rates=rates,
        demand=ListedDemand(advertisers=advertisers),
        weather=Weather(day_sigma=0.3, tick_sigma=0.1, drift_sigma=0.2),
        auction=Auction(
            pricing=draw(st.sampled_from(["first", "second", "gsp", "vcg"])),
            slots=slots,
            exposure=draw(st.sampled_from(EXPOSURES[slots])),
            exposure_draws=draw(st.sampled_from(["cascade", "repeated"])) if places is None else "cascade",
            reserve=draw(st.sampled_from([1e-6, 1e-2, 0.2])),
            squashing=1.0 if no_squashing else draw(st.sampled_from([1.0, 1.0, 0.5, 0.0, 1.7])),
        ),
        response=Response(
            delay=(DelayPart(weight=0.4, scale_s=30.0), DelayPart(weight=0.6, shape=0.7, scale_s=20_000.0)),
            window_days=window,
            hour_amplitude=draw(st.sampled_from([0.0, 0.3])),
            attribution_days=draw(st.sampled_from([None, window / 100, window / 3])) if people else None,
            organic=organic,
        ),
    )
