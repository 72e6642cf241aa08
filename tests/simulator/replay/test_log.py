"""Reading logs and histories: every form gives the same arrays, every mistake one clear sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adarena.simulator import LogError
from adarena.simulator.replay.history import PriceHistory, read_history
from adarena.simulator.replay.log import Log
from adarena.simulator.replay.reading import read_log

RNG = np.random.default_rng(3)
PRICE = RNG.integers(0, 300, 200)
RATE = RNG.random(200) * 0.01  # digits to the last bit: a reader that rounds is noticed
CLICK = (RNG.random(200) < 0.2).astype(np.int8)
TIME = np.sort(RNG.integers(0, 10**15, 200))
FRAME = pd.DataFrame({"time": TIME, "market_price": PRICE, "pCTR": RATE, "click": CLICK})


def same(log: Log, time: bool = True) -> None:
    assert np.array_equal(log.price, PRICE)
    assert np.array_equal(log.rate, RATE)
    assert log.click is not None
    assert np.array_equal(log.click, CLICK)
    if time:
        assert log.time is not None
        assert np.array_equal(log.time, TIME)
    else:
        assert log.time is None


def test_every_form_of_file_gives_the_same_log(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "a.parquet")
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    FRAME.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    FRAME.astype({"click": bool, "market_price": float}).to_parquet(tmp_path / "no_suffix")
    for name in ("a.parquet", "a.csv", "a.tsv", "no_suffix"):
        same(read_log(tmp_path / name))
    bare = "\n".join(f"{c}  {p} {r!r}" for c, p, r in zip(CLICK, PRICE, RATE.tolist(), strict=True))
    (tmp_path / "a.txt").write_text(bare)
    same(read_log(tmp_path / "a.txt"), time=False)
    assert read_log(tmp_path / "a.txt").name == str(tmp_path / "a.txt")


def test_text_may_be_untidy(tmp_path: Path) -> None:
    """Blank lines, padding, Windows line ends, a byte order mark, quotes, truth values in words."""
    path = tmp_path / "untidy"
    for text in (
        "\n\n0  7 0.5\r\n  1 8   0.25 \r\n\n",
        "\ufeffclick,price,rate\r\n0,7,0.5\r\n1,8,0.25\r\n",
        " click , price , rate \n0, 7, 0.5\n1, 8, 0.25\n",
        '"click","price","rate"\nFalse,"7",0.5\nTrue,8.0,25e-2\n',
    ):
        path.write_bytes(text.encode())
        log = read_log(path)
        assert log.click is not None
        assert (log.click.tolist(), log.price.tolist(), log.rate.tolist()) == ([0, 1], [7, 8], [0.5, 0.25])


def test_a_column_whose_kind_shows_late_is_read_whole(tmp_path: Path) -> None:
    """Readers guess the kind of a column from its first megabyte."""
    path = tmp_path / "late.csv"
    path.write_text("click,price,rate\n" + "0,1,0\n" * 400_000 + "1,2,0.25\n")
    log = read_log(path)
    assert log.click is not None
    assert (len(log), log.price[-1], log.rate[-1], log.click[-1]) == (400_001, 2, 0.25, 1)


def test_columns_may_be_named(tmp_path: Path) -> None:
    odd = FRAME.rename(columns={"market_price": "paid", "pCTR": "guess", "time": "when"})
    odd.assign(price=-1).to_csv(tmp_path / "odd.csv", index=False)
    same(read_log(tmp_path / "odd.csv", {"price": "paid", "rate": "guess", "time": "when"}))
    FRAME[["pCTR", "market_price", "click"]].to_csv(tmp_path / "bare.csv", index=False, header=False)
    same(read_log(tmp_path / "bare.csv", {"rate": "0", "price": "1", "click": "2"}), time=False)


def test_dates_are_times(tmp_path: Path) -> None:
    dates = pd.to_datetime(TIME, unit="us")
    FRAME.assign(time=dates).to_parquet(tmp_path / "dates.parquet")
    FRAME.assign(time=[d.isoformat(timespec="microseconds") for d in dates]).to_csv(tmp_path / "dates.csv", index=False)
    same(read_log(tmp_path / "dates.parquet"))
    same(read_log(tmp_path / "dates.csv"))
    FRAME.assign(time=dates).to_csv(tmp_path / "dates.tsv", index=False, sep="\t", date_format="%Y-%m-%d %H:%M:%S.%f")
    same(read_log(tmp_path / "dates.tsv"))


def test_a_log_may_lack_clicks_and_time(tmp_path: Path) -> None:
    FRAME[["market_price", "pCTR"]].to_csv(tmp_path / "a.csv", index=False)
    log = read_log(tmp_path / "a.csv")
    assert log.click is None
    assert log.time is None


def test_a_log_is_a_history(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    history = read_history(tmp_path / "a.csv")
    assert (history.impressions, history.clicks, history.cost) == (200, CLICK.sum(), PRICE.sum())
    assert history.rate == RATE.mean()
    assert history.largest_price == PRICE.max()
    assert history.price_counts is not None
    assert history.price_counts.sum() == 200
    assert history.price_counts @ np.arange(len(history.price_counts)) == PRICE.sum()


def test_a_history_in_json(tmp_path: Path) -> None:
    (tmp_path / "info.json").write_text(json.dumps(KNOWN))
    history = read_history(tmp_path / "info.json")
    assert (history.impressions, history.clicks, history.cost, history.rate) == (6, 2, 9, 2 / 6)
    assert (history.cost_per_click, history.cost_per_impression, history.largest_price) == (4.5, 1.5, 3)
    (tmp_path / "info.json").write_text(json.dumps({k: v for k, v in KNOWN.items() if k != "price_counter_train"}))
    assert read_history(tmp_path / "info.json").largest_price is None


def refusal(error: pytest.ExceptionInfo[LogError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 400
    return text


def changed(**columns: Any) -> str:
    """The first rows of the log as CSV, with other values in some columns (None: without the column)."""
    frame = FRAME.head(4).assign(time=[1, 2, 3, 4], click=[0, 1, 0, 1], pCTR=[0.1, 0.2, 0.3, 0.4], market_price=[1, 2, 3, 4])
    dropped = [c for c, values in columns.items() if values is None]
    return frame.assign(**{c: v for c, v in columns.items() if v is not None}).drop(columns=dropped).to_csv(index=False)


BAD_LOGS = {
    "empty file": ("", ["is empty"]),
    "only a header": ("click,price,rate\n", ["is empty", "at least one auction"]),
    "negative price": (changed(market_price=[1, 2, -3, 4]), ["price in row 3 is -3", "from 0"]),
    "price below a millionth": (changed(market_price=[1, 2e-9, 3, 4]), ["price in row 2 is 2e-09", "six decimals"]),
    "missing price": (changed(market_price=[1, None, 3, 4]), ["price in row 2 is nan"]),
    "infinite price": (changed(market_price=[1, np.inf, 3, 4]), ["price in row 2 is inf"]),
    "enormous price": (changed(market_price=[1, 2, 3, 10**10]), ["price in row 4 is 10000000000", "1,000,000,000"]),
    "price in words": (changed(market_price=["1", "2", "dear", "4"]), ["price in row 3 is 'dear'", "number"]),
    "NaN rate": (changed(pCTR=[0.1, 0.2, np.nan, 0.4]), ["rate in row 3 is nan", "from 0 to 1"]),
    "rate above 1": (changed(pCTR=[0.1, 1.2, 0.3, 0.4]), ["rate in row 2 is 1.2"]),
    "negative rate": (changed(pCTR=[-0.1, 0.2, 0.3, 0.4]), ["rate in row 1 is -0.1"]),
    "click of 2": (changed(click=[0, 1, 2, 1]), ["click in row 3 is 2", "0 and 1"]),
    "missing click": (changed(click=[0, 1, None, 1]), ["click in row 3 is nan"]),
    "time backwards": (changed(time=[1, 3, 2, 4]), ["time runs backwards in row 3, from 3 to 2"]),
    "missing time": (changed(time=[1, None, 2, 4]), ["time in row 2 is nan"]),
    "time in words": (changed(time=["1", "noon", "2", "4"]), ["time in row 2 is 'noon'"]),
    "no price": (changed(market_price=None), ["no column for price", "time, pCTR, click"]),
    "no rate": (changed(pCTR=None), ["no column for rate", "theta"]),
    "two prices": (changed(price=[1, 2, 3, 4]), ["several columns for price: market_price, price"]),
    "ragged rows": (
        "click,price,rate\n0,1,0.1\n0,1,0.1,7\n",
        ["cannot be read as a table", "line 3: Expected 3 columns, got 4"],
    ),
    "rows longer than the header": ("click,price,rate\n0,1,0.1,7\n0,1,0.1,7\n", ["line 2: Expected 3 columns, got 4"]),
    "two columns, no header": ("0 5\n1 6\n", ["no header and 2 columns"]),
}


@pytest.mark.parametrize("case", BAD_LOGS)
def test_a_wrong_log_is_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    text, fragments = BAD_LOGS[case]
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(LogError) as error:
        read_log(path)
    message = refusal(error)
    for fragment in [str(path), *fragments]:
        assert fragment in message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"cannot read .*gone\.csv.*No such file"):
        read_log(tmp_path / "gone.csv")
    with pytest.raises(LogError, match="Is a directory"):
        read_log(tmp_path)
    (tmp_path / "noise").write_bytes(bytes(range(128, 256)) * 40)
    with pytest.raises(LogError, match="neither text nor Parquet"):
        read_log(tmp_path / "noise")
    (tmp_path / "picture").write_bytes(b"\x00\x01\n" * 9)
    with pytest.raises(LogError, match="neither text nor Parquet"):
        read_log(tmp_path / "picture")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(LogError, match=r"cut\.parquet cannot be read as a table: .*[Pp]arquet") as error:
        read_log(tmp_path / "cut.parquet")
    refusal(error)


def test_columns_named_wrongly(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(LogError, match="no column 'cost' for price; it has time, market_price"):
        read_log(tmp_path / "a.csv", {"price": "cost"})
    with pytest.raises(LogError, match="a log has no column 'bid'"):
        read_log(tmp_path / "a.csv", {"bid": "market_price"})


def test_arrays_that_do_not_fit() -> None:
    with pytest.raises(LogError, match="'rate' has 1 rows where price has 2"):
        Log(np.array([1, 2]), np.array([0.5]))
    with pytest.raises(LogError, match="'click' has 3 rows where price has 2"):
        Log(np.array([1, 2]), np.array([0.5, 0.5]), np.zeros(3, np.int8))
    with pytest.raises(LogError, match="'price' must be a row of numbers"):
        Log(np.ones((2, 2), np.int64), np.ones((2, 2)))


KNOWN = {"imp_train": 6, "clk_train": 2, "cost_train": 9, "price_counter_train": [1, 2, 2, 1]}
BAD_HISTORIES = {
    "not JSON": ("{nonsense", ["is not JSON"]),
    "a list": ("[1, 2]", ["JSON object", "list"]),
    "no cost": (json.dumps({**KNOWN, "cost_train": None}), ["'cost_train' must be a whole number"]),
    "text for a count": (json.dumps({**KNOWN, "imp_train": "six"}), ["'imp_train'", "'six'"]),
    "negative cost": (json.dumps({**KNOWN, "cost_train": -1}), ["'cost_train'", "-1"]),
    "no clicks": (json.dumps({**KNOWN, "clk_train": 0}), ["0 clicks", "at least one click"]),
    "more clicks than impressions": (json.dumps({**KNOWN, "clk_train": 7}), ["7 clicks in 6 impressions"]),
    "nothing paid": (json.dumps({**KNOWN, "cost_train": 0}), ["cost of 0"]),
    "bad histogram": (json.dumps({**KNOWN, "price_counter_train": [1, -2]}), ["'price_counter_train'"]),
}


@pytest.mark.parametrize("case", BAD_HISTORIES)
def test_a_wrong_history_is_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    text, fragments = BAD_HISTORIES[case]
    path = tmp_path / "history.json"
    path.write_text(text)
    with pytest.raises(LogError) as error:
        read_history(path)
    message = refusal(error)
    for fragment in [str(path), *fragments]:
        assert fragment in message


def test_a_history_needs_a_file_and_clicks(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"cannot read .*gone\.json"):
        read_history(tmp_path / "gone.json")
    FRAME.drop(columns="click").to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(LogError, match="no column of clicks"):
        read_history(tmp_path / "a.csv")
    FRAME.assign(click=0).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(LogError, match="0 clicks in 200 impressions"):
        read_history(tmp_path / "b.csv")
    with pytest.raises(LogError, match="cost of 0"):
        PriceHistory(10, 1, 0, 0.1)


MONEY = [0.0787, 0.1, 2.0, 0.0, 1.25, 12.5]


@pytest.mark.parametrize(
    ("price", "parts", "counted"),
    [
        ([7, 8, 0], 1, [7, 8, 0]),
        ([7.0, 1e9, 0.0], 1, [7, 10**9, 0]),
        ([0.5, 2.0], 10, [5, 20]),
        ([0.29, 0.07, 1.1], 100, [29, 7, 110]),
        (MONEY, 10_000, [787, 1000, 20_000, 0, 12_500, 125_000]),
        ([0.000001, 1 / 3], 10**6, [1, 333_333]),
    ],
)
def test_prices_are_counted_in_the_coarsest_parts_in_which_they_are_whole(
    price: list[float], parts: int, counted: list[int]
) -> None:
    log = Log(np.array(price), np.full(len(price), 0.5), np.ones(len(price)))
    assert log.parts == parts
    assert log.price.tolist() == counted
    assert log.price.dtype == np.int64
    history = PriceHistory.of(log)
    assert history.parts == parts
    assert history.cost == sum(counted)
    assert history.cost_per_impression == pytest.approx(np.mean(price), rel=1e-6)


def test_every_part_is_found_for_every_price() -> None:
    """Decimals as text, read as floats: none of them is taken for finer than it is written."""
    for digits in range(7):
        parts = 10**digits
        counted = np.concatenate([RNG.integers(0, 300 * parts, 3_000), [1]])
        text = [f"{n // parts}.{n % parts:0{digits}d}" if digits else str(n) for n in counted.tolist()]
        log = Log(np.array(text, np.float64), np.zeros(len(text)))
        assert log.parts == parts
        np.testing.assert_array_equal(log.price, counted)


def test_prices_that_cannot_be_counted() -> None:
    with pytest.raises(LogError, match="more than can be counted in parts of 1/1,000,000"):
        Log(np.append(np.full(5_000, 1e9), 1e-6), np.zeros(5_001))


ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("tail", ["", "{end}", "{end}{end}{end}", "{end}   {end} "])
@pytest.mark.parametrize("suffix", ["json", "txt"])
def test_text_of_every_encoding_line_end_and_tail(encoding: str, end: str, tail: str, suffix: str, tmp_path: Path) -> None:
    """As a spreadsheet or an editor of another system saves it."""
    mark = "\ufeff" if encoding.endswith(("-le", "-be")) else ""
    rows = [(0, 7, 0.5), (1, 8, 0.25), (0, 9, 1.0)]
    forms = {
        "a.csv": end.join(["click,price,rate", *(f"{c},{p},{r}" for c, p, r in rows)]),
        "a.tsv": end.join(["click\tprice\trate", *(f"{c}\t{p}\t{r}" for c, p, r in rows)]),
        "a.txt": end.join(f"{c} {p} {r}" for c, p, r in rows),
    }
    for name, text in forms.items():
        (tmp_path / name).write_bytes((mark + text + tail.format(end=end)).encode(encoding))
        log = read_log(tmp_path / name)
        assert log.click is not None
        assert (log.click.tolist(), log.price.tolist(), log.rate.tolist()) == ([0, 1, 0], [7, 8, 9], [0.5, 0.25, 1.0])
    path = tmp_path / f"info.{suffix}"
    path.write_bytes((mark + json.dumps(KNOWN, indent=1).replace("\n", end) + tail.format(end=end)).encode(encoding))
    history = read_history(path)
    assert (history.impressions, history.clicks, history.cost) == (6, 2, 9)


def test_text_longer_than_what_is_looked_at_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(("click price rate\n" + "0 7 0.5\n" * 40_000).encode("utf-16"))
    assert len(read_log(tmp_path / "a.csv")) == 40_000


def test_a_json_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "h.json").write_text('{"imp_train": 6, "imp_train": 7, "clk_train": 2, "cost_train": 9}')
    with pytest.raises(LogError, match="'imp_train' stands twice"):
        read_history(tmp_path / "h.json")
