"""Believed click rates of all ads for a block of requests, sixteen requests at a time.

What is gathered of their users is multiplied and squashed in registers, so that of the whole block only rates are written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import inlined, kernel
from ..core.intrinsics import fetch
from ..core.simd import WIDTH
from ..core.sixteen import floor, fused, larger, load, power_of_two, repeat, smaller, spread, store, turn

ABREAST = 6  # ads whose products are summed side by side: as many as the registers of a processor with AVX2 hold


@inlined
def exponential(x: Any) -> Any:
    """exp of sixteen numbers by Cephes' expf: range reduction and a polynomial of degree 5."""
    x = smaller(larger(x, spread(np.float32(-87))), spread(np.float32(87)))
    n = floor(fused(x, spread(np.float32(1.44269504088896341)), spread(np.float32(0.5))))
    x = fused(n, spread(np.float32(-0.693359375)), x)
    x = fused(n, spread(np.float32(2.12194440e-4)), x)
    y = fused(spread(np.float32(1.9875691500e-4)), x, spread(np.float32(1.3981999507e-3)))
    y = fused(y, x, spread(np.float32(8.3334519073e-3)))
    y = fused(y, x, spread(np.float32(4.1665795894e-2)))
    y = fused(y, x, spread(np.float32(1.6666665459e-1)))
    y = fused(y, x, spread(np.float32(5.0000001201e-1)))
    return (fused(y * x, x, x) + spread(np.float32(1))) * power_of_two(n)


@inlined
def turn_round(users: Any, first: Any, people: Any, asked: Any, columns: Any) -> None:
    """Writes the vectors of sixteen requests from `first` on, a dimension after the other; those after are brought near."""
    dimensions = people.shape[1]
    squares = dimensions - dimensions % WIDTH
    for start in range(0, squares, WIDTH):
        for n in range(WIDTH):
            x = load(people[users[first + n]], start)
            if asked.size > 0:
                x = x + load(asked[first + n], start)
            store(columns, (start + n) * WIDTH, x)
        turn(columns, start * WIDTH)
    for n in range(WIDTH if squares < dimensions else 0):
        for d in range(squares, dimensions):
            x = people[users[first + n], d]
            columns[d * WIDTH + n] = x + asked[first + n, d] if asked.size > 0 else x
    if first + 2 * WIDTH <= users.size:
        for n in range(WIDTH):
            fetch(people, users[first + WIDTH + n], 0)


@inlined
def write_rates(product: Any, ad: Any, first: Any, bias: Any, odds: Any, lift: Any, out: Any, requests: Any) -> None:
    """Writes the rates of an ad for sixteen requests from `first` on, given its products with their vectors."""
    if odds.size > 0:
        product = product + load(odds, first)
    x = product + repeat(bias, ad)
    one = spread(np.float32(1))
    rate = one / (one + exponential(spread(np.float32(-0.0)) - x))
    if lift.size > 0:
        rate = rate * load(lift, first)
    store(out, ad * requests + first, rate)


@kernel(nogil=True)
def rate_all(users: Any, people: Any, ads: Any, bias: Any, asked: Any, odds: Any, lift: Any, columns: Any, out: Any) -> None:
    """out[k, j] becomes sigmoid((people[users[j]] + asked[j]) . ads[k] + odds[j] + bias[k]) x lift[j], all float32.

    Users (n,), a multiple of WIDTH; `asked` (n, dimensions), `odds` and `lift` (n,), or nothing, where all are 0, 0 and 1.
    Products are summed from the first dimension on, each step rounded once. `columns` (dimensions x WIDTH,) is room.
    """
    requests, dimensions, weights, rates = users.size, ads.shape[1], ads.reshape(-1), out.reshape(-1)
    nothing = spread(np.float32(0))
    for first in range(0, requests, WIDTH):
        turn_round(users, first, people, asked, columns)
        k = 0
        while k + ABREAST <= bias.size:
            a, b, c, d, e, f = nothing, nothing, nothing, nothing, nothing, nothing
            at = k * dimensions
            for n in range(dimensions):
                x = load(columns, n * WIDTH)
                a = fused(repeat(weights, at + n), x, a)
                b = fused(repeat(weights, at + dimensions + n), x, b)
                c = fused(repeat(weights, at + 2 * dimensions + n), x, c)
                d = fused(repeat(weights, at + 3 * dimensions + n), x, d)
                e = fused(repeat(weights, at + 4 * dimensions + n), x, e)
                f = fused(repeat(weights, at + 5 * dimensions + n), x, f)
            write_rates(a, k, first, bias, odds, lift, rates, requests)
            write_rates(b, k + 1, first, bias, odds, lift, rates, requests)
            write_rates(c, k + 2, first, bias, odds, lift, rates, requests)
            write_rates(d, k + 3, first, bias, odds, lift, rates, requests)
            write_rates(e, k + 4, first, bias, odds, lift, rates, requests)
            write_rates(f, k + 5, first, bias, odds, lift, rates, requests)
            k += ABREAST
        while k < bias.size:
            a = nothing
            for n in range(dimensions):
                a = fused(repeat(weights, k * dimensions + n), load(columns, n * WIDTH), a)
            write_rates(a, k, first, bias, odds, lift, rates, requests)
            k += 1
