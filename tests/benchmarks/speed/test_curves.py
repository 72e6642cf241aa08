"""Curves at tiny sizes: what is measured is what stands on the axis."""

from __future__ import annotations

import pytest

from adarena.benchmarks.output.figures import encoded
from adarena.benchmarks.speed import curves
from adarena.simulator import World


def test_sizes_are_what_they_are_called() -> None:
    for size in (1, 3, 8):
        scenario = curves.sized(slots=size)
        assert scenario.auction.slots == len(scenario.auction.exposure) == size
    assert curves.sized().auction == World(curves.sized()).scenario.auction
    assert curves.sized(slots=3).auction.exposure == (1.0, 0.8, 0.6)  # as the preset has it
    assert len(World(curves.sized(campaigns=96)).campaigns.names) == 96


def test_curves_and_their_picture() -> None:
    advanced: list[int] = []
    lines = [
        curves.curve(over, sizes, work=200_000, repeats=1, advance=lambda: advanced.append(1))
        for over, sizes in (("campaigns", (48, 96)), ("slots", (2, 3)))
    ]
    beside = curves.over_cores(2, share=3_000, repeats=1, advance=lambda: advanced.append(1))
    found = curves.Curves(*lines, beside)
    assert len(advanced) == 6
    assert lines[0].rate[0] > lines[0].rate[1] > 0  # twice the bids take longer
    assert lines[0].roofline[0] > lines[0].roofline[1] > 0
    assert beside.sizes == (1, 2)
    for side in (beside.threads, beside.processes):
        assert len(side.clock) == len(side.processor) == 2
        assert 0 < side.clock[0] <= side.processor[0] * 1.1
    tables = curves.tables(found)
    assert [table.row_count for table in tables] == [2, 2, 2]
    figure = curves.picture(found)
    assert encoded(figure, "png").startswith(b"\x89PNG")
    assert [axis.get_xlabel() for axis in figure.axes] == ["campaigns", "slots", "worlds side by side"]
    drawn = figure.axes[0].lines[1].get_ydata()
    assert drawn == pytest.approx([rate / 1e6 for rate in lines[0].rate])
