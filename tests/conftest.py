"""What every test shares: a deterministic Hypothesis profile sized for two cores, a Ctrl-C that works, workers of Ray."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
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


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A crew of two workers of Ray on this machine, begun once: it takes ten seconds. Without Ray the test skips."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'adarena[ray]'")
    from adarena.benchmarks.comparison.cluster import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray writes a token into the home folder
        with Cluster("local", 2) as crew:
            crew.join()
            yield crew
