"""Which policies a page may put into a seat: those of the catalogue with plain settings, and what was offered at the start.

A page comes over a network, and `module:Class` or the path of an agent runs code: only whoever starts the command may name it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...agents.catalogue import make_policy, policies
from ...simulator.core.errors import PolicyError, suggest
from ...simulator.seats import SEATS

_PLAIN = re.compile(r"[a-z_]\w*=(?:[-+]?[\d.]+(?:[eE][-+]?\d+)?|[Tt]rue|[Ff]alse|[Nn]one)")


def offers(texts: Sequence[str]) -> dict[str, list[str]]:
    """Policies by seat, from texts SEAT=POLICY; each is made once, so that what is wrong with it is said at the start.

    Raises:
        PolicyError: if a text is none, or there is no such seat or policy.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        seat, equals, policy = text.partition("=")
        if not equals:
            raise PolicyError(f"a policy on offer is written SEAT=POLICY, for example compute=mpc, and not {text!r}")
        make_policy(seat, policy)
        found.setdefault(seat, []).append(policy)
    return found


def check_offered(seat: Any, policy: Any, offered: Mapping[str, Sequence[str]]) -> None:
    """Raises `PolicyError` unless a page may put a policy into a seat."""
    if not isinstance(seat, str) or seat not in SEATS or not isinstance(policy, str):
        raise PolicyError(f"a seat is handed to a policy by their names, not {seat!r} to {policy!r}")
    if policy in offered.get(seat, ()):
        return
    name, _, settings = policy.partition(":")
    known = policies(seat)
    if name not in known:
        hint = suggest(name, known)
        raise PolicyError(f"there is no {seat} policy {name!r} on offer{hint}; others are offered by --offer SEAT=POLICY")
    if settings and not all(_PLAIN.fullmatch(part) for part in settings.split(",")):
        raise PolicyError(f"settings given here are field=number, true, false or none, not {settings!r}")
