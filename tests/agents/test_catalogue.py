"""Bidders by name: what can be written, and what is said when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from adarena.agents.bidding import PID, POLICIES, DualMirrorDescent, Fixed, Linear
from adarena.agents.catalogue import describe, joined, labelled, make_policy
from adarena.simulator import BidPolicy, PolicyError, Scenario, World

OWN = """
from __future__ import annotations
from dataclasses import dataclass
from adarena.simulator import BidPolicy, Multiplier

@dataclass
class MyBidder(BidPolicy):
    gain: float = 1.0
    rounds: int = 3
    label: str = "x"

    def decide(self, view):
        return Multiplier(self.gain * view.prior)

@dataclass
class Demanding(BidPolicy):
    gain: float

class Plain(BidPolicy):
    def __init__(self, gain: float = 2.0):
        self.gain = gain

@dataclass
class Shaped(BidPolicy):
    gains: tuple[float, ...] = ()

class Broken(BidPolicy):
    def __init__(self):
        raise RuntimeError("no licence")

number = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a user's module, which is the current one."""
    (tmp_path / "own_bidders.py").write_text(OWN)
    (tmp_path / "half_written.py").write_text("def")
    (tmp_path / "needs_more.py").write_text("import no_such_dependency")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_make_default_bidders() -> None:
    plain = {"truthful", "fixed", "random", "mcpc", "lin", "ortb", "throttling"}
    controlled = {"pid", "auctionnet_pid", "dual", "adaptive", "multiplicative", "tcpa_dual", "min_pacing"}
    assert set(POLICIES) == plain | controlled | {"online_lp", "mpc", "ss_mdp", "rlb", "shading"}
    for name, kind in POLICIES.items():
        assert make_policy("bidding", name) == kind()


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("dual:step=0.05", DualMirrorDescent(step=0.05)),
        ("pid:kp=3,ki=1e-1", PID(kp=3, ki=0.1)),
        ("lin:base_bid=10", Linear(base_bid=10)),
        ("lin:base_bid=none", Linear()),
        ("fixed:multiplier=2,times_prior=False", Fixed(2, times_prior=False)),
        ("fixed: multiplier = 2 ", Fixed(2)),
    ],
)
def test_settings_are_read_by_the_type_of_the_field(text: str, policy: BidPolicy) -> None:
    made = make_policy("bidding", text)
    assert made == policy
    assert make_policy("bidding", describe("bidding", made)) == policy


def test_description_names_what_differs_from_the_default() -> None:
    assert describe("bidding", PID()) == "pid"
    assert describe("bidding", DualMirrorDescent(step=0.05)) == "dual:step=0.05"
    assert describe("bidding", Fixed(0.5, times_prior=False)) == "fixed:multiplier=0.5,times_prior=False"


@pytest.mark.parametrize("source", ["own_bidders", "own_bidders.py"])
def test_a_user_s_bidder_is_found_in_the_current_folder_and_plays(own: Path, source: str) -> None:
    policy = make_policy("bidding", f"{source}:MyBidder:gain=0.5,rounds=4,label=y")
    assert (policy.gain, policy.rounds, policy.label) == (0.5, 4, "y")  # type: ignore[attr-defined]
    assert describe("bidding", policy) == f"{source}:MyBidder:gain=0.5,rounds=4,label=y"
    assert make_policy("bidding", describe("bidding", policy)) == policy
    world = World(Scenario.preset("tiny"), {"bidding": policy}, seed=0)
    world.run()
    assert (world.ledger.multiplier == 0.5 * world.campaigns.prior).all()


def test_a_class_without_dataclass_takes_its_arguments(own: Path) -> None:
    assert make_policy("bidding", "own_bidders.py:Plain:gain=3").gain == 3.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pdi", "did you mean 'pid'"),
        ("", "there is no bidding policy ''"),
        ("pid:kq=1", "did you mean 'kp'|known are"),
        ("pid:reahc=2", "did you mean 'reach'"),
        ("truthful:x=1", "no fields at all"),
        ("pid:kp", "field=value"),
        ("pid:=1", "field=value"),
        ("pid:kp=1,kp=2", "'kp' twice"),
        ("pid:kp=high", "a number, not 'high'"),
        ("pid:kp=nan", "finite"),
        ("pid:kp=inf", "finite"),
        ("pid:kp=-1", "from 0 up"),
        ("fixed:times_prior=maybe", "true or false"),
        ("own_bidders.py:MyBidder:rounds=2.5", "a whole number, not '2.5'"),
        ("own_bidders.py:Demanding", "needs a value for gain"),
        ("own_bidders.py:Shaped:gains=1", "cannot be given as text"),
        ("own_bidders.py:Broken", "cannot be built: RuntimeError: no licence"),
        ("own_bidders.py:MyBider", "did you mean 'MyBidder'"),
        ("own_bidders.py:number", "not a subclass of BidPolicy"),
        ("own_bidders.py:my bidder", "module:Class"),
        ("missing.py:MyBidder", "there is no file 'missing.py'"),
        ("no_such_module:MyBidder", "no bidding policy and no module 'no_such_module'"),
        ("half_written:X", "'half_written' cannot be imported: SyntaxError"),
        ("half_written.py:X", "'half_written.py' cannot be imported: SyntaxError"),
        ("needs_more:X", "'needs_more' cannot be imported.*no_such_dependency"),
        ("own_bidders.no_such_part:X", "no module 'own_bidders.no_such_part'"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(own: Path, text: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said) as caught:
        make_policy("bidding", text)
    assert "\n" not in str(caught.value)


JOINED = {
    "pid": ["pid"],
    "dual:step=1e+3": ["dual:step=1e+3"],
    "lin:base_bid=1e+2+pid": ["lin:base_bid=1e+2", "pid"],
    "agent:a+agent:/b+c.py:D+pid": ["agent:a", "agent:/b", "c.py:D", "pid"],
    "agent:out/c++/x": ["agent:out/c++/x"],
    "agent:ppo+v2": ["agent:ppo+v2"],  # v2 is no bidder
    "pid+my.module:Mine:gain=2+dual": ["pid", "my.module:Mine:gain=2", "dual"],
}


@pytest.mark.parametrize("text", JOINED)
def test_plus_joins_where_a_bidder_follows(text: str) -> None:
    assert joined("bidding", text) == JOINED[text]


ODD = (
    "ppo+v2",
    "a+pid",
    "lr=3e-4",
    "a,b",
    "a:b",
    "a@b",
    "@x",
    "a b",
    "x+agent:y",
    "a+b.py:C",
    "50%",
    "a#1",
    "pid+",
    "+pid",
    "é",
)


@pytest.mark.parametrize("odd", ODD)
def test_the_path_of_an_agent_is_a_path(odd: str, own: Path) -> None:
    """Alone, behind a label, and joined with others on either side, whatever separators are in it."""
    for folder in (odd, f"out/{odd}/run", f"{own}/{odd}"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        text = f"agent:{folder}"
        assert joined("bidding", text) == [text]
        assert joined("bidding", f"{text}+pid") == [text, "pid"]
        assert joined("bidding", f"pid+{text}+{text}+dual:step=1e+3") == ["pid", text, text, "dual:step=1e+3"]
        assert labelled(text) == (text, text)
        assert labelled(f"my label={text}") == ("my label", text)
        with pytest.raises(PolicyError) as caught:
            make_policy("bidding", text)  # an empty folder, but that one
        assert repr(str(Path(folder) / "agent.zip")) in str(caught.value)


@pytest.mark.parametrize("odd", ODD)
def test_the_path_of_a_file_of_policies_is_a_path(odd: str, own: Path) -> None:
    Path(odd).mkdir()
    for file in (f"./{odd}.py", f"{odd}/my+file.py", f"{odd}/{odd}.py", *([] if odd[0] == "@" else [f"{odd}.py"])):
        if not Path(file).exists():
            Path(file).write_text(OWN)
        text = f"{file}:MyBidder:gain=2.5,rounds=4"
        policy = make_policy("bidding", text)
        assert (policy.gain, policy.rounds) == (2.5, 4)  # type: ignore[attr-defined]
        assert make_policy("bidding", describe("bidding", policy)) == policy
        assert joined("bidding", text) == [text]
        assert joined("bidding", f"{text}+pid") == [text, "pid"]
        assert joined("bidding", f"pid+{text}+{text}+{file}:Plain") == ["pid", text, text, f"{file}:Plain"]
        assert labelled(text) == (text, text)
        assert labelled(f"{file}:MyBidder") == (f"{file}:MyBidder", f"{file}:MyBidder")
        assert labelled(f"mine={text}+pid") == ("mine", f"{text}+pid")


def test_a_comma_separates_settings_where_a_field_follows(own: Path) -> None:
    policy = make_policy("bidding", "own_bidders:MyBidder:label=out/a,b.npz, gain=2")
    assert (policy.label, policy.gain) == ("out/a,b.npz", 2.0)  # type: ignore[attr-defined]
    assert make_policy("bidding", describe("bidding", policy)) == policy
    with pytest.raises(PolicyError, match="has no field 'gian'"):
        make_policy("bidding", "own_bidders:MyBidder:gain=1,gian=2")
    with pytest.raises(PolicyError, match="is a number, not '1,'"):
        make_policy("bidding", "own_bidders:MyBidder:gain=1,")
