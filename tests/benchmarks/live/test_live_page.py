"""The live page as a reader meets it: in a real browser, at a desk's width and a phone's, while the market runs."""

import contextlib
import json
import time

import browser
import numpy as np
import pytest
from busy import undoubted
from live_served import Served

from adarena.simulator import Scenario

HOSTILE = "<img src=x onerror=alert(1)> & [b]"
SOON_S = 30
NAMED = ("button", "combobox", "spinbutton", "searchbox", "textbox", "progressbar", "img")  # roles that need a name


def market():
    """48 campaigns with budgets, small, one of them with a name that is none."""
    scenario = Scenario.preset("bidding-small").override({"traffic.requests_per_day": 3_000, "name": f"live {HOSTILE}"})
    return scenario


@pytest.fixture
def page():
    """A browser and a session of 48 campaigns in it, at a width."""
    program = browser.executable()
    if program is None:
        pytest.skip("there is no chromium on this machine, so nobody looks at the page")
    opened = browser.Browser(program)
    served = []

    def show(width, scheme="light", scenario=None, **how):
        served.append(Served(scenario=scenario or market(), **how))
        opened("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        opened("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        opened("Page.navigate", url=served[-1].address)
        until(opened, "window.adarena?.state")
        return opened, served[-1]

    yield show
    assert opened.errors == []
    own = {each.address for each in served}
    assert all(url.startswith((*own, "data:", "about:")) for url in opened.requests), opened.requests
    opened.close()
    for each in served:
        each.close()


def until(opened, holds):
    """Waits until a JavaScript expression holds."""
    end = time.monotonic() + SOON_S
    while not opened.evaluate(f"Boolean({holds})"):
        assert time.monotonic() < end, (holds, opened.errors)
        time.sleep(0.03)


def again(opened):
    """Has the day begin again, and waits for the page that then takes the place of this one."""
    opened.evaluate("window.old = true, setTimeout(() => document.getElementById('again').click(), 50), 0")
    end = time.monotonic() + SOON_S
    while time.monotonic() < end:
        with contextlib.suppress(AssertionError):  # between the two there is none to ask
            if opened.evaluate("window.old === undefined && window.adarena !== undefined"):
                return
        time.sleep(0.03)
    raise AssertionError("the page has not begun again")


def fits(opened, width):
    wide = "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1"
    seen = f"{wide} && !e.classList.contains('unseen')).map(e => e.tagName + e.id + e.className)"
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    assert opened.evaluate(seen) == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_drives_a_market(page, width, scheme):
    opened, served = page(width, scheme, speed=50.0, playing=False)
    opened.evaluate("document.getElementById('step').click()")
    until(opened, "adarena.ticks === 1 && document.querySelectorAll('#table tbody tr').length === 48")
    opened.evaluate("document.getElementById('changes').open = true")
    fits(opened, width)
    assert opened.evaluate("document.getElementById('name').textContent") == f"live {HOSTILE}"
    titles = opened.evaluate(
        "[...document.querySelectorAll('figcaption > span:first-child')].map(e => e.firstChild.textContent)"
    )
    assert titles[:3] == ["Spend against the even course", "Budgets left by campaign", "Requests"]
    opened.evaluate("""(() => {
        const form = document.querySelector('form[data-form=campaign]');
        form.campaign.value = 'c07';
        form.amount.value = '123';
        form.requestSubmit();
        const seat = document.querySelector('form[data-form=seat]');
        seat.seat.value = 'bidding';
        seat.policy.value = 'dual';
        seat.requestSubmit();
        document.querySelector('form[data-form=traffic]').requestSubmit();
    })()""")
    until(opened, "document.querySelectorAll('#done li').length === 3")
    words = "[...document.querySelectorAll('#done li span')].map(e => e.textContent).sort()"
    assert opened.evaluate(words) == ["bidding: dual", "c07 budget 123", "traffic x 3"]
    opened.evaluate("document.getElementById('play').click()")
    until(opened, "document.getElementById('status').textContent === 'over'")
    until(opened, "document.getElementById('clock').textContent === '24:00'")
    assert opened.evaluate("document.querySelectorAll('#totals .apart').length") >= 4
    world = served.session.recording().play()
    row = "[...document.querySelectorAll('#table tbody tr')].find(r => r.cells[0].textContent === 'c07').cells[2].textContent"
    until(opened, f"{row} === '{world.ledger.spend()[:, world.campaigns.place('c07')].sum():,.2f}'")
    opened.evaluate("""document.querySelector('form[data-form=traffic]').requestSubmit()""")
    until(opened, "document.getElementById('said').classList.contains('bad')")
    assert opened.evaluate("document.getElementById('said').textContent") == "the last day is over"
    assert [json.loads(error) if error[0] == "{" else error for error in opened.errors if "422" not in error] == []
    opened.errors.clear()
    fits(opened, width)
    assert opened.evaluate("[...document.querySelectorAll('form[data-form] button')].every(b => b.disabled)")
    again(opened)
    assert opened.evaluate("document.querySelectorAll('#done li').length") == 0
    until(opened, "document.getElementById('status').textContent === 'over'")
    assert opened.evaluate("document.querySelectorAll('#totals .apart').length") == 0


def test_it_can_be_driven_by_keys_and_read_aloud(page):
    opened, _ = page(1280, playing=False)
    opened.evaluate("document.getElementById('step').click()")
    until(opened, "document.querySelectorAll('#table tbody tr').length === 48")
    opened.evaluate("document.querySelector('#table th[data-key=budget] button').focus()")
    budgets = "[...document.querySelectorAll('#table tbody tr')].map(r => Number(r.cells[1].textContent.replaceAll(',', '')))"
    for direction, sign in (("descending", -1), ("ascending", 1)):
        for kind in ("keyDown", "keyUp"):
            opened("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
        heads = "document.querySelector('#table th[data-key=budget]').getAttribute('aria-sort')"
        until(opened, f"{heads} === '{direction}'")
        assert (np.diff(opened.evaluate(budgets)) * sign >= 0).all()
    opened("Accessibility.enable")
    nodes = opened("Accessibility.getFullAXTree")["nodes"]
    for node in nodes:
        role, name = node.get("role", {}).get("value"), node.get("name", {}).get("value")
        if not node.get("ignored") and role in (
            "button",
            "combobox",
            "spinbutton",
            "searchbox",
            "textbox",
            "progressbar",
            "img",
        ):
            assert name, node


def test_48_campaigns_at_ten_ticks_a_second_are_followed(page):
    """Fifteen ticks of two worlds: each is drawn by itself, before the next one closes, and none is left behind."""
    opened, served = page(1280, scenario=market().override({"days": 20}), speed=10.0, playing=True)
    until(opened, "adarena.lags.length >= 5")
    assert opened.evaluate("document.querySelectorAll('#chart-left canvas').length") == 1

    def window():
        before = opened.evaluate("[adarena.ticks, adarena.drawn]")
        until(opened, f"adarena.ticks >= {before[0] + 15}")
        ticks, drawn, lags = opened.evaluate("[adarena.ticks, adarena.drawn, adarena.lags.slice(-15)]")
        behind = len([m for m in served.session.since(0) if m.event == "tick"]) - ticks
        return drawn - before[1], np.median(lags), behind

    def doubts(found):
        drawn, lag, behind = found
        said = {"ticks were drawn together": drawn < 14, f"{lag} ms behind": lag > 100, f"{behind} ticks behind": behind > 1}
        return [what for what, holds in said.items() if holds]

    undoubted(window, doubts)


def test_the_page_forgets_the_beginning_of_a_long_run(page):
    """1,250 ticks in columns of at most 1,200."""
    long = market().override({"days": 27, "traffic.requests_per_day": 50})
    opened, _ = page(390, scenario=long, speed=1000.0, playing=True, twin=False)
    until(opened, "adarena.ticks >= 1250")
    kept = opened.evaluate("[adarena.history.hours, ...adarena.history.left.flat()].map(column => column.length)")
    assert len(set(kept)) == 1
    assert 1000 <= kept[0] <= 1200
