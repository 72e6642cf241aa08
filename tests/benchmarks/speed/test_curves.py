"""Curves at tiny sizes: what is measured is what stands on the axis."""

from __future__ import annotations

import pytest
from busy import undoubted

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


def measured(advanced: list[int]) -> curves.Curves:
    lines = [
        curves.curve(over, sizes, work=200_000, repeats=1, advance=lambda: advanced.append(1))
        for over, sizes in (("campaigns", (48, 96)), ("slots", (2, 3)))
    ]
    return curves.Curves(*lines, curves.over_cores(2, share=3_000, repeats=1, advance=lambda: advanced.append(1)))


def doubts(found: curves.Curves) -> list[str]:
    """Twice the bids take longer, and no clock outruns its processor by far."""
    line, beside = found.campaigns, found.cores
    out = [f"{rate}" for rate in (line.rate, line.roofline) if not rate[0] > rate[1]]
    return out + [f"{s}" for s in (beside.threads, beside.processes) if not s.clock[0] <= s.processor[0] * 1.1]


def test_curves_and_their_picture() -> None:
    advanced: list[int] = []

    def afresh() -> curves.Curves:
        advanced.clear()
        return measured(advanced)

    found = undoubted(afresh, doubts)
    lines, beside = (found.campaigns, found.slots), found.cores
    assert len(advanced) == 6
    assert lines[0].rate[1] > 0
    assert lines[0].roofline[1] > 0
    assert beside.sizes == (1, 2)
    for side in (beside.threads, beside.processes):
        assert len(side.clock) == len(side.processor) == 2
        assert side.clock[0] > 0
    tables = curves.tables(found)
    assert [table.row_count for table in tables] == [2, 2, 2]
    figure = curves.picture(found)
    assert encoded(figure, "png").startswith(b"\x89PNG")
    assert [axis.get_xlabel() for axis in figure.axes] == ["campaigns", "slots", "worlds side by side"]
    drawn = figure.axes[0].lines[1].get_ydata()
    assert drawn == pytest.approx([rate / 1e6 for rate in lines[0].rate])
