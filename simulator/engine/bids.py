"""What campaigns may bid from now on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import inlined, kernel
from ..delivery.auction import ENDLESS
from ..population.campaigns import Billing
from .state import Control

ROUNDING = 1 + 1e-6  # by how much less float32 products may exceed the exact ones


@inlined
def below(money: Any) -> Any:
    """The largest float32 that does not exceed an amount of money."""
    x = np.float32(money)
    if np.float64(x) > np.float64(money):
        x = np.int32(x.view(np.int32) - np.int32(1)).view(np.float32)
    return x


@inlined
def set_caps(k: Any, billing: Any, left: Any, believed_conversion: Any, cap: Any, click_cap: Any) -> None:
    """A bid never exceeds what is left of the budget, in the unit in which the campaign is billed."""
    cap[k] = below(left) if billing == Billing.CPM else ENDLESS
    if billing == Billing.CPC:
        click_cap[k] = below(left)
    elif billing == Billing.CPA:
        click_cap[k] = np.float32(below(left) * believed_conversion)
    else:
        click_cap[k] = ENDLESS


@kernel()
def refresh(multiplier: Any, target: Any, offer_bound: Any, rate_bound: Any, state: Any) -> None:
    """Sets what campaigns may bid from now on, after anything that can change it: bids, budgets, hours, flights.

    `multiplier` (K,): NaN where it bids by offer or by rule. `target` (K,): bid for a conversion at multiplier 1, currency.
    `offer_bound` (K,): its largest offer, millionths.
    """
    bids, terms = state.bids, state.terms
    for k in range(multiplier.size):
        if not terms.active[k]:
            bids.live[k] = 0
        elif multiplier[k] >= 0:
            per_click = multiplier[k] * target[k] * 1e6 * terms.believed_conversion[k] * bids.pace[k]
            bids.live[k] = per_click
            # No charge exceeds the bid for a click (CPC) or that at the largest rate (CPM), rounding included.
            bids.watch[k] = per_click * max(1.0, rate_bound) * ROUNDING + 1
        elif bids.offer_row[k] >= 0:
            bids.live[k] = 1
            bids.watch[k] = np.inf if terms.billing[k] == Billing.CPC else offer_bound[k] + 1
        else:  # rules are capped whenever they are asked
            bids.live[k] = 0
            bids.watch[k] = -1
    cap_all(state)


@kernel()
def cap_all(state: Any) -> None:
    """Makes all caps exact; called for each block too, since what is bid in it was not known when they were last set."""
    bids, terms = state.bids, state.terms
    state.control[Control.GROUP] = -1
    for k in range(bids.live.size):
        left = terms.allowance[k] - terms.spent[k]
        set_caps(k, terms.billing[k], left, terms.believed_conversion[k], bids.cap, bids.click_cap)
        bids.live[k] = min(bids.live[k], bids.click_cap[k])
