# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/bench/benchlib.py: what the lines say, and that both sides run in turn."""
import json
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../bench"))
import benchlib  # noqa: E402


@pytest.fixture(autouse=True)
def full_rounds(monkeypatch):
    monkeypatch.delenv("WEFT_BENCH_SMOKE", raising=False)


@pytest.mark.parametrize("value, text", [
    (0, "0"), (1, "1"), (14.1666, "14.17"), (0.00123456, "0.001235"), (123456.7, "123457"),
    (99.9999, "100"), (-2.5, "-2.5"), (float("inf"), "inf")])
def test_numbers_have_four_digits_and_no_exponent(value, text):
    assert benchlib.number(value) == text


@pytest.mark.parametrize("better, ours, theirs, ratio", [
    ("lower", 2.0, 4.0, "2.00"), ("lower", 4.0, 2.0, "0.50"),
    ("higher", 2.0, 4.0, "0.50"), ("higher", 4.0, 2.0, "2.00")])
def test_a_ratio_above_one_means_that_we_are_better(capsys, better, ours, theirs, ratio):
    benchlib.Bench("b").figure("f", ours, "u", "peer x", theirs, better)
    line = capsys.readouterr().out
    assert line.endswith(f" ratio {ratio}\n")
    (row,) = benchlib.parse(line)
    assert (row["bench"], row["figure"], row["peer"]) == ("b", "f", "peer x")
    assert (row["value"], row["peer_value"], row["ratio"]) == (ours, theirs, float(ratio))


def test_both_sides_run_in_turn_and_the_order_swaps(capsys):
    calls = []
    values = iter([9, 1, 2, 3, 4, 5])
    bench = benchlib.Bench("b", rounds=5)
    result = bench.compare("f", "u", ours=lambda: calls.append("o") or next(values),
                           peer="p", theirs=lambda: calls.append("t") or 6)
    assert result == (3, 6)
    assert "".join(calls) == "ot" + "ot" + "to" + "ot" + "to" + "ot"
    assert capsys.readouterr().out == "bench b/f: 3 u (p: 6 u) ratio 2.00\n"


def test_fewer_than_five_rounds_are_not_taken():
    assert benchlib.Bench("b", rounds=2).rounds == 5


def test_smoke_is_one_round(monkeypatch):
    monkeypatch.setenv("WEFT_BENCH_SMOKE", "1")
    assert benchlib.Bench("b").rounds == 1


def test_a_failed_command_is_an_error():
    with pytest.raises(RuntimeError):
        benchlib.run(["false"])
    assert benchlib.run(["echo", "x"]).stdout == "x\n"


def test_a_command_is_ended_at_its_deadline():
    with pytest.raises(RuntimeError):
        benchlib.run(["sleep", "60"], deadline_s=0.2)


def test_own_cpu_time_is_seen():
    before = benchlib.cpu_seconds_exact(os.getpid())
    sum(i * i for i in range(300000))
    assert benchlib.cpu_seconds_exact(os.getpid()) > before
    assert benchlib.memory_kib(os.getpid(), "Rss") > 1000


def test_nearest_rank_percentiles():
    assert benchlib.percentile([3, 1, 2], 50) == 2
    assert benchlib.percentile(range(1, 101), 99) == 99
    assert benchlib.percentile([7], 99) == 7


def test_lines_become_json(tmp_path):
    lines = tmp_path / "lines"
    lines.write_text("noise\nbench b/f: 1.5 KiB\nbench b/g: 1 us (x y: 2 us) ratio 2.00\n")
    out = subprocess.run([sys.executable, benchlib.__file__, str(lines)], check=True,
                         capture_output=True, timeout=60).stdout
    document = json.loads(out)
    assert document["schema"] == 1
    assert document["figures"] == [
        {"bench": "b", "figure": "f", "value": 1.5, "unit": "KiB"},
        {"bench": "b", "figure": "g", "value": 1.0, "unit": "us", "peer": "x y",
         "peer_value": 2.0, "peer_unit": "us", "ratio": 2.0}]
