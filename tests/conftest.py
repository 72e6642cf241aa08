"""What every test shares: a deterministic Hypothesis profile that is sized for two cores, and a Ctrl-C that works."""

from __future__ import annotations

import signal

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

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it to what it starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
