"""The papers' claims: what each is, what decides it, and the verdict that follows from small result files.

claims.yaml names, for each claim, the paired differences that decide it; `outcome.gather` computes these from finished
runs; `verdict` is one rule for all claims. No verdict is written by hand.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from ..protocols.published import Published, published_results
from ..reports.results import LOWER_IS_BETTER, number
from .items import Place, read_paper

HOLDS, FAILS, UNCLEAR = "holds here", "does not hold here", "not clear here"
UNTESTED, CANNOT = "not tested yet", "cannot be tested here"
VERDICTS = (HOLDS, FAILS, UNCLEAR, UNTESTED, CANNOT)
FEWEST_SEEDS = 3
PSEUDO = "pseudo-labels"  # a task of published numbers, a metric of ours
GUESSES = (PSEUDO, f"confirmed-{PSEUDO}")  # of training people
OWN = "sparsefacs"  # claims of this project itself, held to the same rule
_STRICT = ConfigDict(extra="forbid", frozen=True)
Content = Mapping[str, Any]  # of results.json


class Quote(BaseModel):
    """Numbers of a published table: those of `methods`, means over AUs; metric and labels as in published.csv."""

    model_config = _STRICT

    item: str
    dataset: str
    methods: tuple[str, ...]
    labels: tuple[str, ...] = ("all",)
    metric: str = "f1"
    protocol: str = "3-fold"


class Compare(BaseModel):
    """One difference: `row` less `against` (the same row at other labels: `against_labels`).

    of: paper and item of the result file; metrics: which must all be clear; at_least: what the difference must be
    above, 0 where a gain is claimed, below 0 where it is claimed that little is lost; version: of the benchmark, 1 or
    as it is now.
    """

    model_config = _STRICT

    of: tuple[str, str]
    data: str
    labels: str
    row: str
    against: str = ""
    against_labels: str = ""
    metrics: tuple[str, ...] = ("f1", "auc")
    at_least: float = 0.0
    version: int | None = None

    @model_validator(mode="after")
    def _of_two(self) -> "Compare":
        if not (self.against or self.against_labels):
            raise ValueError(f"{self.row} is compared with nothing")
        return self

    @property
    def other(self) -> tuple[str, str]:
        """Row and labels of what is compared with."""
        return self.against or self.row, self.against_labels or self.labels


class Claim(BaseModel):
    """A claim.

    item: of `reproduce`, which makes the paper's own comparison; says: what the paper has in words and where;
    published: its numbers; decides: the differences that decide it; counts: whether the item's label cards do; beside:
    differences that are shown and decide nothing, of version 1 for instance; unfair: why the deciding rows that exist
    do not decide; cannot: why nothing here can test it; tried: what else is known.
    """

    model_config = _STRICT

    id: str
    paper: str
    item: str
    claim: str
    says: str
    published: tuple[Quote, ...] = ()
    decides: tuple[Compare, ...] = ()
    counts: bool = False
    beside: tuple[Compare, ...] = ()
    unfair: str = ""
    cannot: str = ""
    tried: str = ""

    @model_validator(mode="after")
    def _decided_somehow(self) -> "Claim":
        if bool(self.cannot) == bool(self.decides or self.counts):
            raise ValueError(f"{self.id}: say what decides it, or why nothing here can")
        return self


@dataclass(frozen=True)
class Outcome:
    """A difference as measured: ours less theirs, with its interval where there is one; seeds, and people a seed, 0
    where a file does not say.
    """

    compare: Compare
    metric: str
    ours: Mapping[str, Any]
    theirs: Mapping[str, Any]
    difference: Mapping[str, Any]
    seeds: int
    people: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval of what is gained, upwards for every metric; None where there is none."""
        low, high = (number(self.difference.get(end)) for end in ("low", "high"))
        if low is None or high is None:
            return None
        return (-high, -low) if self.metric in LOWER_IS_BETTER else (low, high)

    @property
    def side(self) -> int:
        """1 where the whole interval is on the claim's side, −1 where it is on the other, 0 where neither is so."""
        if self.interval is None:
            return 0
        low, high = self.interval
        return int(low > self.compare.at_least) - int(high < self.compare.at_least)

    def short_of(self, gain: float | None) -> bool:
        """Say whether the whole interval lies below a gain."""
        return gain is not None and self.interval is not None and self.interval[1] < gain


@cache
def read_claims() -> tuple[Claim, ...]:
    """Return all claims, in order of papers."""
    text = (resources.files(__package__) / "claims.yaml").read_text(encoding="utf-8")
    return tuple(Claim.model_validate(each) for each in yaml.safe_load(text)["claims"])


def deciding_items(paper: str) -> tuple[str, ...]:
    """Return the paper's items that decide one of its claims, in order of the claims."""
    own = [claim for claim in read_claims() if claim.paper == paper and not claim.cannot]
    named = [
        item
        for claim in own
        for item in ((claim.item,) if claim.counts else (each.of[1] for each in claim.decides if each.of[0] == paper))
    ]
    return tuple(dict.fromkeys(named))


def deciding_places(paper: str, item: str) -> frozenset[Place]:
    """Return the rows of an item, at data set and budget of the small scale, on which the verdict of a claim rests."""
    return frozenset(
        place
        for claim in read_claims()
        for each in claim.decides
        if each.of == (paper, item) and each.version is None
        for place in ((each.data, each.labels, each.row), (each.data, each.other[1], each.other[0]))
    )


def papers_of_claims() -> tuple[str, ...]:
    """Return the papers that have claims."""
    return tuple(dict.fromkeys(claim.paper for claim in read_claims() if claim.paper != OWN))


def quoted(quote: Quote, paper: str) -> list[list[Published]]:
    """Return the published numbers of a quote, one list a budget, in order; raises ValueError for one not printed."""
    found = published_results(
        paper=paper, item=quote.item, dataset=quote.dataset, metric=quote.metric, protocol=quote.protocol
    )
    by = {(one.labels, one.method): one for one in found if one.au is None}
    told = []
    for labels in quote.labels:
        missing = [method for method in quote.methods if (labels, method) not in by]
        if missing and len(missing) == len(quote.methods):
            raise ValueError(f"{paper} {quote.item} prints nothing of {', '.join(missing)} at {labels}")
        told.append([by[labels, method] for method in quote.methods if (labels, method) in by])
    return told


def printed_gain(claim: Claim, outcome: Outcome) -> float | None:
    """Return the smallest gain that the paper printed of the two rows of an outcome, as a fraction, of all its tables.

    None where it printed none, where only a loss is allowed, and for metrics that it did not print. Two numbers of one
    table are compared at the same labels where it has both there (those without unlabelled faces have labels of
    another name).
    """
    ours, theirs = (_printed_names(outcome.compare.of, row) for row in (outcome.compare.row, outcome.compare.other[0]))
    found: dict[tuple[str, ...], tuple[dict[str, float], dict[str, float]]] = {}
    for quote in claim.published if outcome.compare.at_least == 0 else ():
        for one in (each for budget in quoted(quote, claim.paper) for each in budget):
            measures = PSEUDO if one.task == PSEUDO else one.metric  # the share that is right, printed as accuracy
            if measures == outcome.metric and one.unit in ("percent", "fraction"):
                pair = found.setdefault((one.item, one.dataset, one.protocol), ({}, {}))
                for names, values in zip((ours, theirs), pair, strict=True):
                    if one.method in names:
                        values[one.labels] = one.fraction
    sign = -1 if outcome.metric in LOWER_IS_BETTER else 1
    gains = [
        sign * (first[one] - second[two])
        for first, second in found.values()
        for one in first
        for two in second
        if one == two or not set(first) & set(second)
    ]
    return min((gain for gain in gains if gain > 0), default=None)


def _printed_names(of: tuple[str, str], row: str) -> tuple[str, ...]:
    """Return what the paper calls a row of an item."""
    items = read_paper(of[0]).items
    rows = items[of[1]].rows if of[1] in items else ()
    return next((each.printed for each in rows if each.name == row), ())


def wanted(paper: str, item: str) -> Iterator[tuple[Place, Place, tuple[str, ...]]]:
    """Yield the pairs of rows and the metrics that claims compare in an item; `*` for every data set and budget."""
    for claim in read_claims():
        for each in (*claim.decides, *claim.beside):
            if each.of == (paper, item) and each.version is None:
                row, labels = each.other
                if each.against_labels:
                    yield (each.data, each.labels, each.row), (each.data, labels, row), each.metrics
                else:  # other budgets and data sets of the same two rows are of use too, and cost little
                    yield ("*", "*", each.row), ("*", "*", row), each.metrics


def outcomes(compare: Compare, content: Content | None) -> list[Outcome]:
    """Return what a result file says of a comparison, metric by metric; nothing where a row is missing.

    Where both rows are there and nobody computed their paired difference, it has no interval, and so decides nothing.
    """
    if content is None:
        return []
    rows = {(row["data"], row["labels"], row["row"]): row for row in content["rows"]}
    other, other_labels = compare.other
    ours = rows.get((compare.data, compare.labels, compare.row))
    theirs = rows.get((compare.data, other_labels, other))
    if ours is None or theirs is None:
        return []
    found = []
    for metric in compare.metrics:
        if metric in ours["scores"] and metric in theirs["scores"]:
            one, two = ours["scores"][metric], theirs["scores"][metric]
            shared = len(set(ours["seeds"]) & set(theirs["seeds"]))
            told = _difference(compare, metric, content) or {"value": (one["value"] or 0) - (two["value"] or 0)}
            people = ours.get("guessed_subjects", 0) if metric in GUESSES else ours["subjects"]
            found.append(Outcome(compare, metric, one, two, told, shared, int(people)))
    return found


def _difference(compare: Compare, metric: str, content: Content) -> Mapping[str, Any] | None:
    """Return the paired difference of a result file: one computed for claims, or that from the item's baseline."""
    other, other_labels = compare.other
    key = (compare.data, compare.labels, compare.row, metric)
    named = [
        each
        for each in (*content.get("compared", ()), *content["differences"])
        if (each["data"], each["labels"], each["row"], each["metric"]) == key
    ]
    for each in named:
        with_whom = (each.get("against", content["baseline"]), each.get("against_labels", compare.labels))
        if with_whom == (other, other_labels):
            return dict(each)
    return None


def verdict(claim: Claim, measured: Sequence[Outcome], cards: Sequence[Content] = ()) -> str:
    """Return one of VERDICTS. measured: outcomes of what decides; cards: of labels.

    Holds: each difference was measured with FEWEST_SEEDS seeds at least, and every interval (over people and seeds) is
    above what is claimed. Does not hold: as many seeds, none above, and at least one wholly below that, or below the
    smallest gain that the paper printed of the two. Else not clear, as is whatever rests on fewer seeds or on an unfair
    comparison; not tested yet where no result file has what decides.
    """
    if claim.cannot:
        return CANNOT
    if claim.counts and cards:
        return HOLDS if all(each["kept"] > each["dense"] for each in cards) else FAILS
    if not measured:
        return UNTESTED
    asked = {(each, metric) for each in claim.decides for metric in each.metrics}
    found = {(each.compare, each.metric): each for each in measured}
    if claim.unfair or set(found) != asked or any(each.seeds < FEWEST_SEEDS for each in measured):
        return UNCLEAR
    sides = [each.side for each in measured]
    if all(side > 0 for side in sides):
        return HOLDS
    below = min(sides) < 0 or any(each.short_of(printed_gain(claim, each)) for each in measured)
    return FAILS if max(sides) <= 0 and below else UNCLEAR
