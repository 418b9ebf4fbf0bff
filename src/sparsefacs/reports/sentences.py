"""What the report says in sentences: what each run reached, how two compare, and what to mind."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..protocols.selection import FOOTNOTE, MARK
from . import tables
from .comparison import Difference, is_clear
from .results import METRIC_NAMES, Result, number
from .tables import figure

SYNTHETIC_WARNING = "synthetic scores are a runnable benchmark, never evidence about real faces."
FEW_SUBJECTS = 10


def page_title(results: Sequence[Result], baseline: Result | None) -> str:
    """Return the page's title: which runs it shows."""
    others = ", ".join(result.label for result in results if result is not baseline)
    return f"Action-unit coding: {others} against {baseline.label}" if baseline else f"Action-unit coding: {others}"


def warning(synthetic: Sequence[str], runs: int) -> str:
    """Return what is to be said where the runs called `synthetic`, of all, have faces that were made; else ""."""
    if not synthetic:
        return ""
    whose = "These faces are" if len(synthetic) == runs else f"The faces of {', '.join(synthetic)} are"
    return f"{whose} made by a generator: {SYNTHETIC_WARNING}"


def counted(value: Any, unit: str, several: str = "") -> str:
    """Return a number of things in words, as "3 subjects"; several: their name where it takes more than an s."""
    found, many = number(value), several or f"{unit}s"
    return f"an unknown number of {many}" if found is None else f"{int(found):,} {unit if found == 1 else many}"


def summary(results: Sequence[Result], baseline: Result | None, found: Mapping[str, Difference | str]) -> list[str]:
    """Return a sentence or more of each run, then of each against the baseline; found: the differences, by run."""
    sentences = [_about(result) for result in results]
    if baseline is not None:
        others = [result for result in results if result is not baseline]
        sentences += [_against(result, baseline, found[result.label]) for result in others]
    return sentences


def _about(result: Result) -> str:
    frames, entries, spec = (result.fact(f"labels_{name}") for name in ("frames", "entries", "spec"))
    details = [f"label budget {spec}"] * (spec is not None) + [counted(entries, "label")] * (entries is not None)
    details += ["in the first of its folds"] * (result.fact("fold") == "all")
    learned = f"{result.label} learned from the AU labels of {counted(frames, 'frame')}"
    learned += f" ({', '.join(details)})" if details else ""
    pooled, mean = result.metrics["pooled"], result.mean(result.main_metric)
    scored = f"On {counted(pooled.get('frames'), 'held-out frame')} of {counted(pooled.get('subjects'), 'subject')}"
    name = METRIC_NAMES[result.main_metric]
    value, low, high = (number(mean.get(key)) for key in ("value", "low", "high"))
    if value is None:
        return f"{learned}. {scored} its mean {name} is undefined."
    interval = f" (95 % interval {figure(low)} to {figure(high)})"
    interval = interval if low is not None and high is not None else f" ({tables.TOO_FEW} for an interval)"
    covered = len(mean.get("aus") or result.aus)
    of_all = f" of its {len(result.aus)}" if covered < len(result.aus) else ""
    lost = number(pooled.get("lost"))
    left = f" {counted(lost, 'label')} had no prediction and did not count." if lost else ""
    return (
        f"{learned}. {scored} it reaches a mean {name} of {figure(value)}{interval} over {covered}{of_all} AUs"
        f"{_never_found(result)}.{left}"
    )


def _never_found(result: Result) -> str:
    """Name the AUs that held-out labels show and that were found in none of these frames."""
    scores = {au: result.score(au, "f1") for au in result.aus}
    never = [f"AU{au}" for au, one in scores.items() if number(one.get("value")) == 0 and one.get("positives") != 0]
    named = never[0] if len(never) == 1 else f"{', '.join(never[:-1])} and {never[-1]}" if never else ""
    return f", and finds {named} in no frame that shows {'it' if len(never) == 1 else 'them'}" if never else ""


def _against(result: Result, baseline: Result, found: Difference | str) -> str:
    name = METRIC_NAMES[result.main_metric]
    pair = f"{result.label} against {baseline.label}"
    if isinstance(found, str):
        ours, theirs = (number(each.mean(result.main_metric).get("value")) for each in (result, baseline))
        if ours is None or theirs is None:
            return f"{pair}: no comparison, because {found}."
        return f"{pair}: mean {name} {_higher(ours - theirs)}, without a paired interval, because {found}."
    shared = len(found.mean.get("aus") or found.per_au)
    over = (
        f" and the {shared} AUs that both have a score of" if shared < max(len(result.aus), len(baseline.aus)) else ""
    )
    opening = f"{pair}, on the same frames{over}: mean {name} {_higher(float(found.mean['value']))}"
    low, high = number(found.mean.get("low")), number(found.mean.get("high"))
    if low is None or high is None:
        return f"{opening}. There are {tables.TOO_FEW} for an interval."
    verdict = (
        "leaves out zero: the difference is more than the luck of which subjects were drawn"
        if is_clear(found.mean)
        else "holds zero: the difference may be no more than the luck of which subjects were drawn"
    )
    rough = " With so few subjects the interval itself is rough." if found.subjects < FEW_SUBJECTS else ""
    return (
        f"{opening}. The paired 95 % interval, {figure(low, 3, signed=True)} to {figure(high, 3, signed=True)} from "
        f"resampling {found.subjects} subjects, {verdict}.{rough}"
    )


def _higher(value: float) -> str:
    if round(abs(value), 3) == 0:
        return "the same to three decimals"
    return f"{figure(abs(value), 3)} {'higher' if value > 0 else 'lower'}"


def cautions(results: Sequence[Result]) -> list[str]:
    """Say where the runs differ in what must be equal for a fair comparison."""
    checks = (
        ("store_hash", "were trained or scored on different stores"),
        ("recipe_hash", "cut their faces differently"),
        ("protocol_hash", "use different folds"),
        ("labels_hash", "saw different labels"),
    )
    found = []
    for name, words in checks:
        values = {str(value) for result in results if (value := result.fact(name)) is not None}
        if len(values) > 1:
            found.append(f"These runs {words}: compare their scores with care.")
    if marked := [result.label for result in results if result.marked]:
        found.append(
            f"{', '.join(marked)}: {MARK} {FOOTNOTE}. Its numbers are better than they would be on new people."
        )
    if len({result.aus for result in results}) > 1:
        found.append("These runs code different AUs: their means are not over the same AUs.")
    return found


def folds_told(result: Result) -> str:
    """Say in words who trained and who was held out."""
    plan = result.protocol or {}
    protocol = plan["protocol"] if isinstance(plan.get("protocol"), dict) else plan
    folds = protocol.get("folds")
    if isinstance(plan.get("fold"), dict) and result.fact("fold") != "all":
        folds = [plan["fold"]]
    if not isinstance(folds, list) or not folds or not all(isinstance(fold, dict) for fold in folds):
        return ""
    told = [
        f"{fold.get('name', i + 1)} ({counted(len(fold.get('train') or []), 'training subject')}, "
        f"{counted(len(fold.get('test') or []), 'held-out subject')})"
        for i, fold in enumerate(folds)
    ]
    return f"protocol {protocol.get('name', '')}, no subject both trained on and held out: {'; '.join(told)}."
