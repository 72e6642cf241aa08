"""Models by name, and how one is made."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

from ....simulator.core.errors import PolicyError, suggest
from ....simulator.core.numeric import real, whole
from .bias import Bias
from .cold import Cold
from .dcn import DCN
from .deepfm import DeepFM
from .din import DIN
from .esmm import ESMM
from .experts import PLE, MMoE, SharedBottom
from .ffm import FFM
from .fm import FM
from .layers import Followed, Network, Separate, Shape
from .lr import LR
from .multimodal import MultiModal
from .position import Position
from .transformer import Transformer
from .two_tower import TwoTower

# Those that see several labels at once; of the others there is a network for each label.
TOGETHER: dict[str, type[Network]] = {
    "bias": Bias, "lr": LR, "fm": FM, "esmm": ESMM, "shared-bottom": SharedBottom, "mmoe": MMoE, "ple": PLE,
}  # fmt: skip
SINGLE: dict[str, type[Network]] = {
    "ffm": FFM, "deepfm": DeepFM, "dcn": DCN, "din": DIN, "transformer": Transformer, "position": Position,
    "cold": Cold,
}  # fmt: skip
RECALL: dict[str, type[Network]] = {"two-tower": TwoTower, "multimodal": MultiModal}  # scores, no rates
MODELS: dict[str, type[Network]] = {**TOGETHER, **SINGLE, **RECALL}
SEQUENTIAL = ("din", "transformer")  # which read the user's past
LOOKING = ("fm", "dcn", "cold", "multimodal")  # which read what ads look like, where that is told


def kind_of(name: str) -> type[Network]:
    """A model's class. Raises `PolicyError` if there is none of that name."""
    if name not in MODELS:
        raise PolicyError(f"there is no model {name!r}{suggest(name, MODELS)}")
    return MODELS[name]


def settings_of(name: str) -> dict[str, Any]:
    """What may be set of a model, and to what it is set if nobody does."""
    parameters = inspect.signature(kind_of(name)).parameters
    return {field: each.default for field, each in parameters.items() if field != "shape"}


def follows(name: str) -> bool:
    """Whether conversions can be learned beside a model's clicks, by a network of its own."""
    return name in ("lr", "fm") or name in SINGLE


def make_followed(name: str, shape: Shape, settings: Mapping[str, Any], outputs: int) -> Followed:
    """A model of clicks, and another of the same kind, with so many outputs, of conversions. Raises as `make` does."""
    return Followed(*(make(name, shape._replace(tasks=tasks), settings) for tasks in (1, outputs)))


def _fitting(name: str, field: str, value: Any, default: Any) -> Any:
    """A value of a model's setting, of the kind of its default. Raises `PolicyError` if it is of another."""
    wanted = "a number"
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        wanted = "true or false"
    elif isinstance(default, tuple):
        numbers = [whole(one) for one in value] if isinstance(value, list | tuple) else [None]
        if None not in numbers:
            return tuple(numbers)
        wanted = f"a list of whole numbers, such as {list(default)}"
    elif isinstance(default, int):
        if (number := whole(value)) is not None:
            return number
        wanted = "a whole number"
    elif (exact := real(value)) is not None:
        return exact
    raise PolicyError(f"{field} of model {name} is {wanted}, not {value!r}")


def make(name: str, shape: Shape, settings: Mapping[str, Any]) -> Network:
    """A model with fresh weights, drawn by torch's generator.

    Raises:
        PolicyError: if there is no such model or setting, or the model cannot be made for such a shape.
    """
    kind, known = kind_of(name), settings_of(name)
    for field in settings:
        if field not in known:
            raise PolicyError(f"model {name} has no setting {field!r}{suggest(field, known)}")
    if name in SEQUENTIAL and not shape.length:
        raise PolicyError(f"model {name} reads the user's past, and a length of 0 leaves none")
    if name == "multimodal" and not shape.vectors:
        raise PolicyError(f"model {name} reads what ads look like, and nothing of that is told")
    if name in RECALL and not 0 < shape.of_request < len(shape.sizes):
        raise PolicyError(f"model {name} needs features of the request and of the ad")
    built: Any = partial(kind, **{field: _fitting(name, field, value, known[field]) for field, value in settings.items()})
    return Separate(built, shape) if name in SINGLE and shape.tasks > 1 else built(shape)
