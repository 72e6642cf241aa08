"""What is told to everybody of what ads look like: a part of a scenario."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .part import Part, Share


class Content(Part):
    """Embeddings of each ad's text, image and video, which everybody may read: a market is the same with and without them.

    Each is a noisy linear view of what makes users click on the ad, its level (how popular it is) and its tastes. See
    `population.content`. Default correlation and shares are guesses: there is no public source.
    """

    dimensions: Annotated[int, Field(ge=2, le=1024, description="of an embedding; above users.dimensions, for the level")] = 16
    correlation: Share = Field(
        0.7, description="of an ad's level, and of each of its tastes, with its best linear guess from one embedding"
    )
    text_share: Share = Field(1.0, description="of ads that have words")
    image_share: Share = Field(0.9, description="of ads that have an image")
    video_share: Share = Field(0.5, description="of ads that have a video")
