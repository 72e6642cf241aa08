"""What is in the files of a journal."""

from __future__ import annotations

import pyarrow as pa

from ..engine.state import JOURNAL_INTS
from ..population.content import AdContent
from ..response.counters import COUNTERS

STAGES = ("recall", "rough", "fine")  # that a candidate left last
ASKED = ("request", "time_us", "user", "segment", "surface", "query", "session", "page")
REQUESTS = pa.schema([(name, pa.int64()) for name in ASKED])
# What became of a click on a lead campaign's ad; its submit is the conversion.
LEAD = (("form_opened", pa.bool_()), ("qualified_us", pa.int64()), ("sold_us", pa.int64()))
IMPRESSIONS = pa.schema(
    [
        *((name, pa.int64()) for name in JOURNAL_INTS[:6]),
        ("bid", pa.float64()),
        ("price", pa.float64()),
        ("believed_rate", pa.float64()),
        ("clicked", pa.bool_()),
        ("converted", pa.bool_()),
        ("report_us", pa.int64()),
        ("creative", pa.int64()),
        *LEAD,
    ]
)
TRUTH = pa.schema([("request", pa.int64()), ("slot", pa.int64()), ("true_rate", pa.float64())])
EVENTS = pa.schema([("time_us", pa.int64()), ("what", pa.string()), ("campaign", pa.int64()), ("amount", pa.float64())])
# What was charged; whole millionths beside currency, since sums of floats are not exact.
CHARGES = pa.schema(
    [
        ("time_us", pa.int64()),
        ("what", pa.dictionary(pa.int8(), pa.string())),
        *((name, pa.int64()) for name in ("campaign", "ad", "creative", "request", "slot")),
        *((name, pa.float64()) for name in ("charged", "written_off")),
        *((name, pa.int64()) for name in ("charged_millionths", "written_off_millionths")),
    ]
)
# What numbers stand for.
CAMPAIGNS = pa.schema(
    [
        ("campaign", pa.int64()),
        *((name, pa.string()) for name in ("name", "advertiser")),
        ("vertical", pa.int64()),
        ("target", pa.float64()),
        *((name, pa.string()) for name in ("objective", "billing")),
        *((name, pa.float64()) for name in ("value_per_conversion", "target_cpa", "target_roas", "budget_per_day")),
        ("frequency_cap", pa.int64()),
        ("conversion_rate", pa.float64()),
    ]
)
ADS = pa.schema([("ad", pa.int64()), ("campaign", pa.int64()), ("name", pa.string())])
CREATIVES = pa.schema([("creative", pa.int64()), ("ad", pa.int64()), ("name", pa.string()), ("format", pa.string())])
CATEGORIES = (
    "user", "segment", "campaign", "vertical", "ad", "creative", "format", "surface", "query", "intent", "hour", "slot",
)  # fmt: skip
FEATURES = pa.schema(
    [
        *((name, pa.int64()) for name in ("request", "time_us")),
        *((name, pa.int32()) for name in CATEGORIES),
        *((f"{name}_hash", pa.uint32()) for name in CATEGORIES),
        *((name, pa.int64()) for name in COUNTERS),
        ("believed_rate", pa.float32()),
        ("platform_rate", pa.float32()),
        ("propensity", pa.float32()),
        ("clicked", pa.bool_()),
        ("converted", pa.bool_()),
        ("report_us", pa.int64()),
        *LEAD,
    ]
)
CANDIDATES = pa.schema(
    [
        ("request", pa.int64()),
        ("ad", pa.int32()),
        ("recall_score", pa.float32()),
        ("rough_score", pa.float32()),
        ("stage", pa.dictionary(pa.int8(), pa.string())),
    ]
)
# What ads look like, a row for each; null where one has nothing of the kind.
CONTENT = pa.schema([("ad", pa.int32()), *((name, pa.list_(pa.float32())) for name in AdContent._fields)])
SCHEMAS = {
    "requests": REQUESTS, "impressions": IMPRESSIONS, "truth": TRUTH, "events": EVENTS, "features": FEATURES,
    "candidates": CANDIDATES, "content": CONTENT, "charges": CHARGES, "campaigns": CAMPAIGNS, "ads": ADS,
    "creatives": CREATIVES,
}  # fmt: skip
