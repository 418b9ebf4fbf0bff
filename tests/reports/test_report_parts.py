"""The parts of the report: tables, terminal text, figures, example faces, paired differences."""

import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from sparsefacs.metrics.scores import score
from sparsefacs.reports import plots, tables, text_table
from sparsefacs.reports.comparison import Difference, difference, is_clear
from sparsefacs.reports.examples import choose, judged
from sparsefacs.reports.page import _curves
from sparsefacs.reports.results import Result, baseline_of, read_results
from sparsefacs.reports.sentences import _about


def _result(label="run", task="occurrence", aus=(1, 12), predictions=None, threshold=0.5, method="adversarial"):
    pooled = {"per_au": {}, "mean": {}}
    metrics = {"method": method, "task": task, "aus": list(aus), "threshold": threshold, "pooled": pooled}
    return Result(None, label, metrics | {"folds": {}, "provenance": {}}, predictions=predictions)


def _predictions(truth, said, aus=(1, 12), kind="p", subjects=None):
    rows = len(truth)
    table = {"row": np.arange(rows), "subject": subjects or [f"S{i % 3}" for i in range(rows)], "clip": "c"}
    table |= {"frame": np.arange(rows), "time": 0.0, "fold": "1"}
    for i, au in enumerate(aus):
        table |= {f"AU{au:02d}_{kind}": np.asarray(said, float)[:, i], f"AU{au:02d}_true": np.asarray(truth)[:, i]}
    return pd.DataFrame(table)


# ---- tables


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [(0.614, False, "0.61"), (-0.5, False, "−0.50"), (-0.001, False, "0.00"), (-0.001, True, "+0.00")]
    + [(0.02, True, "+0.02"), (None, False, "–"), (float("nan"), True, "–"), (True, False, "–"), ("x", False, "–")],
)
def test_figures_are_written_plainly(value, signed, text):
    assert tables.figure(value, signed=signed) == text


def test_best_follows_the_metric_and_the_decimals_shown():
    assert tables.best_of([0.614, 0.607, 0.5], "f1") == {0, 1}
    assert tables.best_of([0.9, 0.4], "mse") == {1}
    assert tables.best_of([0.9, None], "f1") == set()
    assert tables.best_of([0.501, 0.499, None], "f1") == set()


def test_with_too_few_people_no_interval_is_shown_but_why():
    told = {"value": 0.49, "low": None, "high": float("nan")}
    assert tables.with_interval(told) == "0.49 (too few people)"
    assert tables.with_interval({"value": 0.49}) == "0.49", "a mean over folds was never to have one"
    assert tables.with_interval({"value": None, "low": None, "high": None}) == "–"
    rng = np.random.default_rng(0)
    truth, people = rng.integers(0, 2, (40, 2)), np.repeat(["A", "B", "C", "D"], 10)
    truth[20:, 1] = -1  # AU12 is labelled on two people alone
    four = score("occurrence", (1, 12), truth, rng.random((40, 2)), people)
    lines = text_table(four).splitlines()
    assert "[0." in lines[3] and lines[4].count("[too few]") == 3 and "[0." not in lines[4]
    assert "[95 % interval over subjects]" in lines[0] and lines[-1].startswith("[too few]: fewer than 3 ")
    assert max(map(len, lines)) <= tables.TERMINAL_COLUMNS
    assert four["pooled"]["per_au"]["12"]["f1"]["people"] == 2 and four["pooled"]["mean"]["f1"]["people"] == 4
    two = text_table(score("occurrence", (1, 12), truth[:20], rng.random((20, 2)), people[:20]))
    assert "(too few people for an interval)" in two.splitlines()[0] and "[" not in two


def test_the_summary_names_aus_that_were_never_found():
    scores = {1: 0.5, 2: 0.0, 12: None, 15: 0.0}
    result = _result(aus=tuple(scores))
    pooled = result.metrics["pooled"]
    pooled |= {"frames": 9, "subjects": 2, "mean": {"f1": {"value": 0.2, "low": None, "high": None, "aus": [1, 2, 15]}}}
    pooled["per_au"] = {str(au): {"f1": {"value": value}} for au, value in scores.items()}
    told = _about(result)
    assert "0.20 (too few people for an interval) over 3 of its 4 AUs" in told
    assert told.endswith(", and finds AU2 and AU15 in no frame that shows them.")


def test_terminal_table_fits_and_holds_every_score(pair):
    metrics = json.loads((pair[0] / "metrics.json").read_text())
    lines = text_table(metrics).splitlines()
    assert max(map(len, lines)) <= 100
    for au in metrics["aus"]:
        line = next(line for line in lines if line.startswith(f"AU{au} "))
        score = metrics["pooled"]["per_au"][str(au)]
        assert str(score["f1"]["positives"]) in line
        for metric in ("f1", "auc", "accuracy"):
            assert tables.with_interval(score[metric]) in line
    assert lines[-1].startswith("mean") and f"{metrics['pooled']['mean']['f1']['value']:.2f}" in lines[-1]


def test_terminal_table_fits_with_long_numbers_and_undefined_ones(pair):
    metrics = json.loads((pair[0] / "metrics.json").read_text())
    for scores in metrics["pooled"]["per_au"].values():
        scores["f1"] |= {"entries": 12_345_678, "positives": 2_345_678}
        scores["auc"] = {"value": float("nan"), "low": float("nan"), "high": float("nan"), "entries": 0}
    lines = text_table(metrics).splitlines()
    assert max(map(len, lines)) <= 100
    assert "12,345,678" in lines[3] and "–" in lines[3]


def test_settings_that_differ_are_marked(pair):
    rows = {row[0].text: row for row in tables.settings_table(read_results(list(pair))).rows}
    assert rows["seed"][0].mark == "differs"
    assert rows["labels.hash"][0].mark == ""
    assert rows["labels.hash"][1].text == "90ab12cd34ef56aa"


# ---- runs


def test_supervised_is_the_baseline_whatever_the_order():
    one, other = _result("a"), _result("b", method="supervised")
    assert baseline_of([one, other]) is other
    assert baseline_of([one, _result("c")]) is one
    assert baseline_of([other]) is None


def test_runs_of_one_method_are_told_apart(make_run):
    labels = [result.label for result in read_results([make_run("seed1"), make_run("seed2")])]
    assert labels == ["adversarial (seed1)", "adversarial (seed2)"]


def test_facts_are_found_nested_and_flat():
    result = _result()
    result.metrics["provenance"] = {"labels": {"frames": 3}, "protocol_hash": "ab"}
    assert (result.fact("labels_frames"), result.fact("protocol_hash"), result.fact("none")) == (3, "ab", None)


# ---- paired difference


def test_difference_is_the_gap_of_the_mean_f1():
    truth = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0], [0, 1]])
    worse = truth.copy()
    worse[0] = 1 - worse[0]  # AU1: a miss, F1 0.8; AU12: a false alarm, F1 6/7
    run = _result("a", predictions=_predictions(truth, truth * 0.8 + 0.1))
    base = _result("b", predictions=_predictions(truth, worse * 0.8 + 0.1).sample(frac=1, random_state=0))
    found = difference(run, base)
    assert isinstance(found, Difference)
    assert found.mean["value"] == pytest.approx(1 - (0.8 + 6 / 7) / 2)
    assert found.per_au[1]["value"] == pytest.approx(0.2)
    assert found.subjects == 3


def test_equal_runs_differ_by_nothing():
    truth = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    found = difference(*(_result(name, predictions=_predictions(truth, truth)) for name in "ab"))
    assert isinstance(found, Difference)
    assert (found.mean["value"], found.mean["low"], found.mean["high"]) == (0, 0, 0)
    assert not is_clear(found.mean)


def test_clear_means_zero_lies_outside():
    assert is_clear({"low": 0.01, "high": 0.2}) and is_clear({"low": -0.3, "high": -0.1})
    assert not is_clear({"low": -0.01, "high": 0.2}) and not is_clear({"low": None, "high": None})


def test_runs_that_cannot_be_paired_say_why():
    truth = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    run = _result("a", predictions=_predictions(truth, truth))
    assert "no predictions" in difference(run, _result("b"))
    assert "share no AU" in difference(run, _result("b", aus=(2,), predictions=_predictions(truth, truth, aus=(2, 4))))
    assert "same held-out frames" in difference(run, _result("b", predictions=_predictions(truth[:3], truth[:3])))
    assert "labels differ" in difference(run, _result("b", predictions=_predictions(1 - truth, truth)))
    other = _result("b", predictions=_predictions(truth, truth), threshold=0.3)
    assert "different limits" in difference(run, other)
    assert not isinstance(difference(run, other, "f1_half"), str), "at one half they compare"


def test_runs_with_limits_by_the_same_rule_are_paired():
    truth = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    runs = []
    for name, limits in (("a", (0.2, 0.6)), ("b", (0.4, 0.5))):
        run = _result(name, predictions=_predictions(truth, truth * 0.45 + 0.1))
        del run.metrics["threshold"]
        run.metrics |= {"limits": limits, "provenance": {"limit_rule": "base-rate"}}
        runs.append(run)
    assert runs[0].limits(runs[0].predictions).tolist() == [[0.2, 0.6]] * 4
    assert runs[0].limits(runs[0].predictions, [12]).tolist() == [[0.6]] * 4
    assert runs[0].limits(runs[0].predictions.assign(AU12_limit=0.9)).tolist() == [[0.2, 0.9]] * 4
    found = difference(*runs)
    assert isinstance(found, Difference) and found.per_au[1]["value"] == 0 and found.per_au[12]["value"] == -1
    wrong, _ = judged(runs[0].predictions, runs[0])
    assert wrong.tolist() == [[False, False], [False, True], [False, True], [False, False]]
    runs[1].metrics["provenance"] = {"limit_rule": "from-coder"}  # which stands for the rates of labels
    assert isinstance(difference(*runs), Difference)
    for other in ("base-rate", "from-coder"):
        runs[0].metrics["provenance"], runs[1].metrics["provenance"] = {"limit_rule": other}, {"limit_rule": "chosen"}
        assert "different limits" in difference(*runs)


# ---- example faces


def test_mistakes_are_judged_on_labelled_entries_only():
    truth = np.array([[1, -1], [0, 0], [-1, -1]])
    table = _predictions(truth, [[0.2, 0.9], [0.5, 0.49], [0.9, 0.9]])
    wrong, labelled = judged(table, _result())
    assert wrong.tolist() == [[True, False], [True, False], [False, False]]
    assert labelled.tolist() == [[True, False], [True, True], [False, False]]


def test_intensity_is_wrong_from_a_whole_level():
    table = _predictions(np.array([[2.0, np.nan]]), [[2.9, 5.0]], kind="r")
    assert not judged(table, _result(task="intensity"))[0].any()
    table["AU01_r"] = 3.0
    assert judged(table, _result(task="intensity"))[0].tolist() == [[True, False]]


def test_faces_are_half_mistakes_and_of_different_subjects():
    truth = np.tile([[1, 0]], (40, 1))
    said = np.where(np.arange(40)[:, None] < 20, 1 - truth, truth)
    subjects = [f"S{i % 10}" for i in range(40)]
    table = _predictions(truth, said, subjects=subjects)
    chosen = choose(table, _result(), 8)
    assert sum(position < 20 for position in chosen) == 4
    assert len({subjects[position] for position in chosen}) == 8
    assert chosen == choose(table, _result(), 8)
    assert chosen != choose(table, _result(), 8, seed=1)


def test_faces_fill_up_from_the_other_half_when_one_is_short():
    truth = np.tile([[1, 0]], (10, 1))
    assert len(choose(_predictions(truth, truth), _result(), 6)) == 6
    assert len(choose(_predictions(truth, 1 - truth), _result(), 6)) == 6
    assert choose(_predictions(-np.ones((10, 2)), truth), _result(), 6) == []


# ---- figures


def _texts(svg):
    return [
        "".join(node.itertext()).strip() for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("text")
    ]


def test_figures_are_repeatable_and_undated():
    logs = {"a": (np.arange(50.0), np.arange(50.0)), "b": (np.arange(50.0), np.ones(50))}
    first = plots.curves("loss", logs)
    assert first == plots.curves("loss", logs)
    assert "<dc:date" not in first and "<!DOCTYPE" not in first


def test_heat_map_writes_every_cell_in_readable_ink():
    matrix = np.array([[0.0, 0.5], [np.nan, 0.999]])
    svg = plots.heat_map(["1", "12"], matrix, 1.0, row_title="given AU", column_title="AU", bar="difference")
    texts = _texts(svg)
    assert {".00", ".50", "–", "1.0", "given AU", "difference"} <= set(texts)
    dark, light = (svg[: svg.index(f">{text}<")].rsplit("<text", 1)[1] for text in ("1.0", ".00"))
    assert "fill: #ffffff" in dark and "fill: #ffffff" not in light


def test_bars_name_undefined_scores_and_odd_labels():
    series = {"_hidden $x$": [{"value": None, "low": None, "high": None}, {"value": 0.5, "low": -0.1, "high": 0.6}]}
    series["<b>"] = [{"value": 0.2, "low": None, "high": None}] * 2
    texts = _texts(plots.bars(["AU1", "AU2"], series, "F1", ceiling=1.0))
    assert {"_hidden $x$", "<b>", "undefined", "AU1", "F1"} <= set(texts)


def test_curves_are_thinned_to_means_without_unknown_points():
    x = np.arange(1000.0)
    y = np.where(x % 2 == 0, 1.0, np.nan)
    thin_x, thin_y = plots.thinned(x, y, most=50)
    assert len(thin_x) == 50 and np.all(thin_y == 1) and thin_x[0] == pytest.approx(x[0:20:2].mean())


def test_lost_frames_break_the_line():
    times, values = np.arange(6.0), np.array([[0.1], [0.2], [np.nan], [np.nan], [0.3], [0.4]])
    whole = plots.codes_over_time(["AU12"], {"face 0": (times, np.nan_to_num(values))}, 1.0, "probability")
    broken = plots.codes_over_time(["AU12"], {"face 0": (times, values)}, 1.0, "probability")

    def starts(svg):
        return next(line for line in svg.split("<path") if "stroke: #0072b2" in line).count("M ")

    assert (starts(whole), starts(broken)) == (1, 2)


def test_what_labels_hold_is_told_where_it_was_counted():
    told, silent = _result("spreader"), _result("supervised")
    told.metrics["provenance"] = {
        "labels": {"frames": 160, "combinations": {"faces": 160, "kept": 121, "dense": 36.6, "all": 524}},
        "pseudo_labels": {"clips": 500, "accuracy": 0.616, "confirmed": 0.75, "accuracy_confirmed": None},
    }
    silent.metrics["provenance"] = {"labels": {"frames": 160}}
    table = tables.label_table([told, silent])
    cells = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert cells["AU combinations on them"] == ["121", "–"]
    assert cells["the same, had whole clips been coded"] == ["37", "–"]
    assert cells["Right pseudo labels"] == ["61.6 %", "–"]
    assert "Right pseudo labels of these" not in cells  # nothing was confirmed, in any run
    assert tables.label_table([silent]) is None


def test_what_does_not_change_is_drawn_on_a_scale_of_its_own_size():
    steps = np.arange(5.0)
    flat = plots.curves("loss", {"run": (steps, np.full(5, 0.6931) + 1e-12 * steps)})
    assert "e−" not in flat and "+6.9" not in flat, "no scale of rounding errors"
    assert ">0.4<" in flat and ">1.0<" in flat
    nothing = plots.heat_map(["1", "2"], np.zeros((2, 2)), 0.0, row_title="", column_title="", bar="difference")
    assert ">0.5<" in nothing and ">1.0<" in nothing, "the colours' scale, 1e-9 before"


def test_terms_are_told_in_words(pair):
    results = read_results(list(pair))
    results[0].log = pd.DataFrame({"step": [1, 2], "recognition": [1.0, 0.5], "selection_f1": [0.1, 0.2]})
    drawn, _ = _curves(results[:1])
    assert [each.caption for each in drawn] == ["loss on labels", "F1 for choosing the epoch"]
