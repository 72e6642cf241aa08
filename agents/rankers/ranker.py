"""A trained ranker: a file that carries its features and their hash, its settings and its weights, and runs nothing when read.

It refuses a log of other features, and says in what they differ.
"""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from ... import __version__
from ...simulator.core.arrays import Floats, Floats32, Integers32
from ...simulator.core.disk import write
from ...simulator.core.errors import LogError, PolicyError
from .calibration import Calibration, Curve
from .delayed import outputs
from .features import Columns, Schema, difference
from .history import Past
from .logs import Examples, recalibrated
from .models.corrected import Corrected
from .models.layers import Batch, Network, OfCandidates, Separate, Shape, batch_of, one_thread
from .models.registry import RECALL, make, make_followed

FORMAT = 1
CARD, WEIGHTS, NAME = "ranker.json", "weights.pt", "ranker.zip"
BATCH = 8192


@dataclass(frozen=True)
class Card:
    """What a ranker is."""

    model: str
    settings: Mapping[str, Any]  # of the model
    schema: Schema
    chain: tuple[str, ...]  # labels
    kept: float  # share of the negatives it was trained on
    trained: Mapping[str, Any]  # how: settings of training, impressions, the log
    calibration: Calibration | None = None  # of clicks
    feedback: str = "naive"  # how conversions that are reported late were learned
    prior: str = "nothing"  # what the log-odds of a click start from
    version: str = __version__
    format: int = FORMAT


class Ranker:
    """A trained model at rest."""

    def __init__(self, card: Card, network: Network) -> None:
        self.card, self.network = card, network.eval()
        self.shape = Shape.of(card.schema, len(card.chain))

    def check(self, schema: Schema) -> None:
        """Raises `PolicyError` unless a log has the features that this was trained on."""
        own = self.card.schema
        if schema.hash != own.hash:
            mine = f"this ranker ({self.card.model}, features {own.hash})"
            raise PolicyError(f"{mine} cannot read features {schema.hash}: {difference(own, schema)}")

    def hand_on(self, network: Network, schema: Schema) -> None:
        """Has a network go on from these weights. Raises `PolicyError` if it is another, or for other features."""
        self.check(schema)
        try:
            network.load_state_dict(self.network.state_dict())
        except RuntimeError:
            raise PolicyError(f"another model than this ranker ({self.card.model}) cannot go on from its weights") from None

    def odds(self, examples: Examples) -> Floats:
        """Log-odds of each label of the chain given the one before, (n, T), as the network says them; scores of `two-tower`."""
        parts = [examples.part(slice(i, i + BATCH)) for i in range(0, len(examples.ids), BATCH)]
        with one_thread(), torch.inference_mode():
            found = [self.network(self._unplaced(batch_of(part, self.shape))).double().numpy() for part in parts]
        return np.concatenate(found) if found else np.zeros((0, self.shape.tasks))

    def predicted(self, examples: Examples) -> Floats:
        """Rates of each label of the chain given the one before, (n, T), recalibrated and calibrated.

        Raises:
            PolicyError: of a model that ranks and says no rates.
        """
        return self._rates(self.odds(examples), self._segment(examples.ids))

    def calibrated(self, calibration: Calibration) -> Ranker:
        """The same with a calibration of its click rates, fitted on `uncalibrated` log-odds."""
        return Ranker(dataclasses.replace(self.card, calibration=calibration), self.network)

    def uncalibrated(self, examples: Examples) -> Floats:
        """Log-odds of clicks on all impressions, (n,): recalibrated for the negatives left out, and not calibrated."""
        return np.asarray(self.odds(examples)[:, 0] + np.log(self.card.kept))

    @property
    def corrects(self) -> bool:
        """Whether it must be told what the platform believes."""
        return isinstance(self.network, Corrected)

    def rates(
        self, users: Columns, ads: Columns, context: Columns, past: Past | None = None, believed: Floats32 | None = None
    ) -> tuple[Floats, Floats | None]:
        """Rates of all candidates of n requests: of a click, and of what the chain ends with given a click, (n, A) each.

        Args:
            users: columns (n,) of the log that belong to users.
            ads: columns (A,) if all requests have the same candidates, or (n, A); embeddings (A, size) or (n, A, size).
            context: columns (n,) of requests; taken together with those of users.
            past: what users had seen before, (n, L, R) and (n, L), for models that read it.
            believed: click rates that the platform believes, (n, A), for models that correct them.

        Returns:
            Clicks, and None as the second where the chain has no label after the click.

        Raises:
            PolicyError: of a model that ranks and says no rates, or one that reads the past, or corrects what is believed, and
                is given none.
            LogError: if a column is missing.
        """
        asked, told, vectors = self._encoded(users, ads, context)
        odds = self._odds(asked, told, vectors, past, believed)
        block = odds.shape[:2]
        ids = [np.broadcast_to(each, (*block, each.shape[-1])) for each in (asked[:, None], told)]
        segment = self._segment(np.concatenate(ids, axis=2).reshape(block[0] * block[1], -1))
        rates = self._rates(odds.reshape(-1, self.shape.tasks), segment).reshape(odds.shape)
        return rates[..., 0], rates[..., 1:].prod(axis=2) if self.shape.tasks > 1 else None

    def scores(self, users: Columns, ads: Columns, context: Columns, past: Past | None = None) -> Floats:
        """The network's log-odds (or scores, of `two-tower`) of all candidates, (n, A, T); arguments as `rates` has them."""
        return self._odds(*self._encoded(users, ads, context), past, None)

    def _encoded(self, users: Columns, ads: Columns, context: Columns) -> tuple[Integers32, Integers32, Floats32]:
        """Numbers of the features of requests, (n, F'), and of their candidates, (n, A, F'') or (A, F''); how these look."""
        schema = self.card.schema
        return _stacked(schema, {**users, **context}, "request"), _stacked(schema, ads, "ad"), schema.told(ads)

    def _odds(
        self, asked: Integers32, told: Integers32, vectors: Floats32, past: Past | None, believed: Floats32 | None
    ) -> Floats:
        if self.shape.length and past is None:
            raise PolicyError(f"a ranker {self.card.model} reads what users have seen, and is given no past")
        if self.corrects and believed is None:
            raise PolicyError(f"this ranker {self.card.model} corrects what the platform believes, and is not told")
        offsets, split = self.shape.offsets, self.shape.of_request
        rows = torch.from_numpy(asked + offsets[:split]), torch.from_numpy(told + offsets[split:])
        with one_thread(), torch.inference_mode():
            odds = self._scored(*rows, torch.from_numpy(vectors), past)
            if isinstance(self.network, Corrected):
                odds = self.network.added(odds, torch.logit(torch.from_numpy(np.asarray(believed, np.float32))))
            found: Floats = odds.double().numpy()
        return found

    def _segment(self, ids: Integers32) -> Integers32 | None:
        """By what a calibration tells impressions (n, F) apart, (n,); None: it does not."""
        bent = self.card.calibration
        if bent is None or not bent.by:
            return None
        return ids[:, [feature.name for feature in self.card.schema.numbered].index(bent.by)]

    def _scored(self, asked: Tensor, told: Tensor, vectors: Tensor, past: Past | None) -> Tensor:
        """Log-odds (n, A, T) of rows of the table, (n, F') and (n, A, F'') or (A, F''), without a belief; shared parts once."""
        own = self.network.network if isinstance(self.network, Corrected) else self.network
        networks = list(own.networks) if isinstance(own, Separate) else [own]
        quick = [network for network in networks if isinstance(network, OfCandidates)]
        if len(quick) == len(networks) == self.shape.tasks:  # each of one label
            return torch.stack([network.of_candidates(asked, told, vectors) for network in quick], dim=2)
        n, count = len(asked), told.shape[-2]
        both = asked[:, None].expand(n, count, -1), told.expand(n, count, -1)
        ids = torch.cat(both, dim=2).flatten(0, 1)
        seen, clicked = torch.empty(n * count, 0, 0), torch.empty(n * count, 0)
        if past is not None and self.shape.length:
            items = past.items + self.shape.offsets[list(self.shape.remembered)]
            seen, clicked = (torch.from_numpy(np.repeat(each, count, axis=0)) for each in (items, past.clicked))
        looks = vectors.expand(n, count, -1).flatten(0, 1) if vectors.shape[-1] else vectors
        batch = Batch(ids, seen, clicked, torch.full((n * count,), -1), vectors=looks)
        odds: Tensor = own(batch)
        return odds.view(n, count, -1)

    def _rates(self, odds: Floats, segment: NDArray[Any] | None) -> Floats:
        if self.card.model in RECALL:
            raise PolicyError(f"a ranker {self.card.model} ranks ads for recall and says no rates: take its scores")
        rates = np.asarray(expit(odds))
        if self.card.kept < 1:
            rates[:, 0] = recalibrated(rates[:, 0], self.card.kept)
        if self.card.calibration is not None:
            rates[:, 0] = self.card.calibration.rates(odds[:, 0] + np.log(self.card.kept), segment)
        return rates

    def _unplaced(self, batch: Batch) -> Batch:
        """As it is served: the slot is not known yet."""
        return batch._replace(slot=torch.full_like(batch.slot, -1))

    def save(self, path: str | Path) -> Path:
        """Writes the file, at once or not at all. Raises `PolicyError` if it cannot."""
        weights = io.BytesIO()
        torch.save(self.network.state_dict(), weights)
        fields = {each.name: getattr(self.card, each.name) for each in dataclasses.fields(Card)}
        fields |= {"schema": self.card.schema.to_dict(), "hash": self.card.schema.hash, "chain": list(self.card.chain)}
        if self.card.calibration is not None:
            fields["calibration"] = dataclasses.asdict(self.card.calibration)
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr(CARD, json.dumps(fields, indent=2, allow_nan=False))
            archive.writestr(WEIGHTS, weights.getvalue())
        return write(path, whole.getvalue(), PolicyError)


def load_ranker(path: str | Path) -> Ranker:
    """Reads a ranker from its file, or the folder of its training. Raises `PolicyError` if there is none or it is damaged."""
    import pickle

    path = Path(path).expanduser()
    file = path / NAME if path.is_dir() else path
    try:
        with zipfile.ZipFile(file) as archive:
            fields, weights = json.loads(archive.read(CARD)), archive.read(WEIGHTS)
        if fields["format"] != FORMAT:
            raise PolicyError(f"the ranker in {str(file)!r} is of format {fields['format']}, and this version reads {FORMAT}")
        told = fields.pop("hash")
        schema = Schema.from_dict(fields["schema"])
        bent = fields["calibration"]
        fields |= {"schema": schema, "chain": tuple(fields["chain"]), "calibration": None if bent is None else _bent(bent)}
        card = Card(**fields)
    except OSError as error:
        raise PolicyError(f"there is no ranker in {str(file)!r}: {error.strerror}") from None
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, LogError):
        raise PolicyError(f"{str(file)!r} is not a saved ranker, or is damaged") from None
    if schema.hash != told:
        raise PolicyError(
            f"the ranker in {str(file)!r} was trained on features {told}, and its list has the hash {schema.hash}"
        )
    network = fresh(card)
    try:
        network.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
    except (RuntimeError, pickle.UnpicklingError, EOFError):
        raise PolicyError(f"the weights in {str(file)!r} do not fit its own description") from None
    return Ranker(card, network)


def made(model: str, shape: Shape, settings: Mapping[str, Any], prior: str) -> Network:
    """A model with fresh weights, that corrects a belief if that is its prior. Raises `PolicyError` as `make` does."""
    network = make(model, shape, settings)
    return Corrected(network) if prior == "belief" else network


def fresh(card: Card) -> Network:
    """The network that a card tells of, its weights drawn anew."""
    shape = Shape.of(card.schema, len(card.chain))
    if card.feedback == "naive":
        return made(card.model, shape, card.settings, card.prior)
    return make_followed(card.model, shape, card.settings, outputs(card.feedback))


def _bent(fields: Mapping[str, Any]) -> Calibration:
    """A calibration as JSON has it."""

    def curve(each: Mapping[str, Any]) -> Curve:
        return Curve(each["slope"], each["bias"], tuple((float(a), float(b)) for a, b in each["knots"]))

    return Calibration(curve(fields["everyone"]), {int(k): curve(c) for k, c in fields["segments"].items()}, fields["by"])


def _stacked(schema: Schema, columns: Columns, side: str) -> NDArray[np.int32]:
    """The features of a side, last axis."""
    wanted = [feature for feature in schema.numbered if feature.side == side]
    for feature in wanted:
        for name in feature.columns:
            if name not in columns:
                raise LogError(f"feature {feature.name!r} is made of column {name!r}, which is not given")
    return np.stack([feature.encoded(columns) for feature in wanted], axis=-1)
