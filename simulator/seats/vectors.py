"""How a seat looks to a learner: views as numbers, actions as decisions; one object for environments and learned policies."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats


class Vectors(Protocol):
    """Turns the views of a day into observations, and actions into decisions; made anew for each day and holder."""

    features: ClassVar[tuple[str, ...]]  # names of the numbers in a row of an observation
    bound: ClassVar[float]  # observations lie from -bound to bound
    actions: ClassVar[int]  # numbers from -1 to 1 in a row of an action

    def observe(self, view: Any) -> NDArray[np.float32]:
        """The observation, (held, features); to be shown every view of a day, from the first on."""

    def decide(self, view: Any, actions: Floats) -> Any:
        """The decision that actions, (held, actions) from -1 to 1, stand for under a view."""
