"""What an ad may show: its creatives, their formats, and how much users' taste differs between them; parts of a scenario.

What creatives there are is drawn in `portfolio`, which of them a request shows in `rotation`.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from .part import LogOdds, NonNegative, Part, Share

Number = Annotated[int, Field(ge=1, le=64)]
Weight = Annotated[float, Field(ge=0, le=1e9)]
Format = Literal["image", "video", "text", "lead_form", "carousel"]
FORMATS: tuple[str, ...] = get_args(Format)  # the order of their codes


class Creative(Part):
    """One creative of an ad that is written out. Ads show their creatives in even shares until somebody changes them."""

    name: str = Field(description="differs from those of the ad's other creatives")
    format: Format = Field("image", description="what it is; each format has users who like it more")
    appeal: LogOdds = Field(0.0, description="log-odds of a click over the ad's own; kept as given, not centred")


class FormatShares(Part):
    """How frequent each format is among the creatives drawn, relative to the others."""

    image: Weight = Field(0.4, description="relative to the other formats")
    video: Weight = Field(0.3, description="relative to the other formats")
    text: Weight = Field(0.1, description="relative to the other formats")
    lead_form: Weight = Field(0.1, description="relative to the other formats")
    carousel: Weight = Field(0.1, description="relative to the other formats")

    @model_validator(mode="after")
    def _check(self) -> FormatShares:
        if sum(self.weights) <= 0:
            raise ValueError("one of the formats must have a share above 0")
        return self

    @property
    def weights(self) -> tuple[float, ...]:
        """In the order of FORMATS."""
        return tuple(getattr(self, name) for name in FORMATS)


class Late(Part):
    """Creatives without a history that are there only from a time of their own on, the same on all days of a market."""

    share: Share = Field(0.5, description="of an ad's creatives, its last ones; one at least is there from the start")
    within: Share = Field(0.8, description="share of the run, from its start, over which they come evenly")


class DrawnCreatives(Part):
    """Each ad has several creatives, of which one is shown.

    Click log-odds = the ad's + the creative's appeal + its interaction with the user's segment. Appeals that are drawn have
    mean 0 over the creatives of an ad, and interactions mean 0 over them in every segment and, weighted by the traffic of an
    expected day, over the segments for each creative. So an ad of one creative is as without this part.
    """

    per_ad: tuple[Number, Number] = Field((2, 4), description="creatives of an ad, evenly from low to high")
    formats: FormatShares = Field(FormatShares(), description="how frequent each format is")
    appeal_sigma: NonNegative = Field(0.3, description="log-odds standard deviation between creatives of an ad")
    interaction_sigma: NonNegative = Field(
        0.2, description="log-odds standard deviation of what a segment makes of a creative, before centring"
    )
    format_sigma: NonNegative = Field(
        0.2, description="log-odds standard deviation of what a segment makes of a format, before centring"
    )
    embedding_dimensions: Annotated[int, Field(ge=2, le=1024)] = Field(
        16, description="of what is told of a creative's content, for each modality"
    )
    embedding_correlation: Share = Field(
        0.7, description="of true appeal with its best linear guess from the embedding of one modality: the root of R^2"
    )
    fresh_share: Share = Field(0.1, description="share of creatives without a history")
    late: Late | None = Field(None, description="None: all creatives are there from the start")

    @model_validator(mode="after")
    def _check(self) -> DrawnCreatives:
        low, high = self.per_ad
        if low > high:
            raise ValueError(f"per_ad must be a range from low to high, not {low} to {high}")
        return self
