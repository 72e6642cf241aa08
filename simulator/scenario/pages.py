"""Pages of places, of which some carry ads and the others organic items; a part of a scenario."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from pydantic import Field, model_validator

from .part import Part, Share

MOST_PATTERNS = 256
Place = Annotated[int, Field(ge=0, le=15)]


class Pages(Part):
    """A request is a page with as many places as `auction.slots`; whoever sits in the allocation seat says which carry ads.

    The auction fills the places that carry ads, the best ad the first of them, and organic items the others, from the most
    relevant on. How far a user looks down a page is what `auction.exposure` says, whatever the places carry. What the
    organic items that are seen are worth, as a share of a page without ads, times the `content` of the request is what
    satisfies its user, and what it brings the platform. Everything is neutral at its default but that ads displace content.
    """

    organic_value: Annotated[float, Field(ge=0, le=1e9)] = Field(
        0.0, description="what a page of content 1 without ads brings the platform, currency"
    )
    relevance: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="worth of an organic item over the one above's")
    most_ads: Annotated[int, Field(ge=1, le=16)] = Field(16, description="ads on a page at most")
    apart: Annotated[int, Field(ge=0, le=15)] = Field(0, description="organic items between two ads at least")
    gap_clicks: Annotated[tuple[Share, ...], Field(max_length=16)] = Field(
        (),
        description="how often an ad is clicked with 0, 1, ... organic items between it and the ad above; beyond: 1",
    )
    end_share: Share = Field(0.0, description="probability that an ad that is seen and not clicked ends the page")
    carries: tuple[Place, ...] | None = Field(
        None, description="places, from 0 on, that carry ads where nobody decides; None: as many as may, from the top"
    )

    @model_validator(mode="after")
    def _check(self) -> Pages:
        if self.carries is not None and any(b <= a for a, b in zip(self.carries, self.carries[1:], strict=False)):
            raise ValueError("carries must name places in rising order")
        return self

    def patterns(self, places: int) -> tuple[tuple[int, ...], ...]:
        """Each allowed choice of places that carry ads, rising: fewest ads first, then from the top; the first is none."""
        return _patterns(places, self.most_ads, self.apart)

    def usual(self, places: int) -> int:
        """The pattern that pages have where nobody decides, by its number."""
        if self.carries is not None:
            return self.patterns(places).index(self.carries)
        step = self.apart + 1
        return self.patterns(places).index(tuple(range(0, places, step))[: self.most_ads])

    def problem(self, places: int) -> str | None:
        """What is wrong with these settings on pages of so many places; None: nothing."""
        if (count := len(self.patterns(places))) > MOST_PATTERNS:
            return f"pages of {places} places have {count:,} patterns, more than {MOST_PATTERNS}: lower most_ads or raise apart"
        if self.carries is not None and self.carries not in self.patterns(places):
            return f"pages.carries must be places below {places}, at most {self.most_ads}, at least {self.apart} items apart"
        return None


@lru_cache(maxsize=64)
def _patterns(places: int, most: int, apart: int) -> tuple[tuple[int, ...], ...]:
    found: list[tuple[int, ...]] = [()]
    ahead = found
    for _ in range(min(most, places)):
        ahead = [(*some, p) for some in ahead for p in range(some[-1] + 1 + apart if some else 0, places)]
        found = [*found, *ahead]
    return tuple(found)
