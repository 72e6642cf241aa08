"""What every test shares: a deterministic Hypothesis profile that is sized for two cores."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Derandomised: a failure on one machine is a failure on all. No deadline: the first example compiles kernels. The size of
# an example is set by the strategies, whose markets are small; large choices are no sign of trouble.
settings.register_profile(
    "adarena",
    derandomize=True,
    deadline=None,
    max_examples=50,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
settings.load_profile("adarena")
