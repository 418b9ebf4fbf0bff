"""The small result files that pages rest on (docs/results/): taken from results.json, read, and filled into prose.

A number is named by fields between semicolons, in order: which files (`wsrtl table-ii`, `v1`, or `v1 wsrtl table-iv`;
left out: the benchmark as it is now), metric, data set, labels, and a row, or `ROW less OTHER ROW` for their paired
difference; then, if need be, how it is told: `interval`, `seed 1`, `of all` (per cent of the same row's with all
labels), `2 digits`.
A template has it in braces, `{f1; frequent; 5%; instant}`. A page that is its own source has it in a comment before the
number, `<!-- f1; frequent; 5%; instant -->.594<!---->`; after `<!-- card -->` stands what the coder's card says.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..coders import coder_folder, read_card
from ..reports.results import number
from ..reports.tables import in_prose
from .claims import Claim, Compare, Outcome, outcomes, verdict
from .items import BENCHMARK, PAPERS

Content = Mapping[str, Any]
Row = Mapping[str, Any]
MAIN = {"occurrence": ("f1", "auc"), "intensity": ("icc", "mae")}  # what rows are ranked by, and what stands beside
UNSHOWN = ("accuracy",)
LAST_DIGITS = 0.001  # of a score, where only the processor is another
OLD = "v1"  # folder of version 1's files, and how numbers of theirs begin
_METRIC = r"(?:f1|f1_half|auc|accuracy|icc|mse|mae|pseudo-labels)"
SOURCES = (OLD, *PAPERS)  # what may stand before the metric
_KEY = rf"(?:(?:{'|'.join(SOURCES)})\b[^;{{}}<>]*; )?{_METRIC};[^{{}}<>]*?"
_TEMPLATE = re.compile(rf"\{{({_KEY})\}}")
_MARK = re.compile(rf"<!-- ({_KEY}|card) -->(.*?)<!---->", flags=re.DOTALL)


@dataclass(frozen=True)
class Kept:
    """Result files by version (1; None as it is now), paper and item."""

    contents: Mapping[tuple[int | None, str, str], Content]

    def of(self, compare: Compare) -> list[Outcome]:
        """Return what is known of a comparison, metric by metric."""
        return outcomes(compare, self.contents.get((compare.version, *compare.of)))

    def decided(self, claim: Claim) -> list[Outcome]:
        """Return what is known of what decides a claim."""
        return [outcome for each in claim.decides for outcome in self.of(each)]

    def beside(self, claim: Claim) -> list[Outcome]:
        """Return what is known of what is shown beside it."""
        return [outcome for each in claim.beside for outcome in self.of(each)]

    def judged(self, claim: Claim) -> str:
        """Return a claim's verdict."""
        return verdict(claim, self.decided(claim), self.cards(claim))

    def cards(self, claim: Claim) -> list[Content]:
        """Return what labels hold, of an item that counts that alone."""
        content = self.contents.get((None, claim.paper, claim.item)) or {}
        return list(content.get("label_cards", ())) if claim.counts else []


def read_kept(folder: Path) -> Kept:
    """Return the result files of a folder, and of its subfolder for version 1."""
    found: dict[tuple[int | None, str, str], Content] = {}
    for version, where in ((None, folder), (1, folder / OLD)):
        for path in sorted(where.glob("*.json")):
            content = json.loads(path.read_text(encoding="utf-8"))
            if "paper" in content:  # active.json is of another page
                found[version, content["paper"], content["item"]] = content
    return Kept(found)


def take(results: Path, into: Path, *, add: bool = False) -> Path:
    """Copy what results.json, or that of a folder, says into `into`, without most scores per AU; return the file.

    add: rows of the file there that the new one lacks stay, with their differences.
    """
    path = results / "results.json" if results.is_dir() else results
    content = json.loads(path.read_text(encoding="utf-8"))
    for row in content["rows"]:
        main = MAIN[row["task"]][0]
        beside = [score for name, score in row["scores"].items() if name != main]
        for score in (*beside, *row.get("shifted", {}).values()):
            score.pop("per_au", None)
        for unshown in [name for name in row["scores"] if name in UNSHOWN]:
            row["scores"].pop(unshown)
    content["differences"] = [each for each in content["differences"] if each["metric"] not in UNSHOWN]
    for each in content["differences"]:
        each.pop("per_au", None)
    for unneeded in ("published", "cards"):
        content.pop(unneeded, None)
    into.mkdir(exist_ok=True)
    name = re.sub(r"[^a-z0-9.]+", "-", f"{content['paper']} {content['item']}".lower())
    path = into / f"{name}.json"
    if add and path.exists():
        _keep(json.loads(path.read_text(encoding="utf-8")), content, path)
    path.write_text(in_lines(content), encoding="utf-8")
    return path


def _keep(earlier: Mapping[str, Any], content: dict[str, Any], path: Path) -> None:
    """Add to `content` the rows that only `earlier` has, and differences of rows that are as they were.

    A row made again on another processor is as it was if no score moved by more than LAST_DIGITS.
    Raises ValueError where the two are not of the same faces and people.
    """

    def place(one: Row) -> tuple[str, str, str]:
        return one["data"], one["labels"], one["row"]

    made, held = {place(one): one for one in content["rows"]}, dict[str, set[Any]]()
    kept = [one for one in earlier["rows"] if place(one) not in made]
    other = {place(one) for one in earlier["rows"] if not _as_it_was(one, made.get(place(one), one))}
    for one in (*kept, *content["rows"]):
        held.setdefault(one["data"], set()).add((one.get("store_hash"), one["subjects"]))
    differ = [key for key in ("faces", "benchmark", "scale", "baseline") if earlier.get(key) != content.get(key)]
    if differ or any(len(each) > 1 for each in held.values()):
        told = ", ".join(differ) or "store or people"
        raise ValueError(f"{path}: not added, as its {told} are not those of the new file")
    content["rows"] = [*content["rows"], *kept]
    content["missing"] = max(0, content["missing"] - len(kept))
    for part in ("differences", "compared"):
        there = {(place(one), one.get("against"), one["metric"]) for one in content.get(part, ())}
        for one in earlier.get(part, ()):
            against = (one["data"], one.get("against_labels", one["labels"]), one.get("against", content["baseline"]))
            if (place(one), one.get("against"), one["metric"]) not in there and not {place(one), against} & other:
                content[part].append(one)


def _as_it_was(one: Row, again: Row) -> bool:
    """Say whether a row made again has the seeds and, but for last digits, the scores that it had."""
    values = [{name: score["value"] for name, score in row["scores"].items()} for row in (one, again)]
    same = one["seeds"] == again["seeds"] and values[0].keys() == values[1].keys()
    return same and all(abs(values[0][name] - values[1][name]) <= LAST_DIGITS for name in values[0])


def in_lines(content: Row) -> str:
    """Return JSON with a line for each row and difference, so that files stay small and changes can be read."""

    def dumped(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    entries = []
    for key, value in content.items():
        listed = isinstance(value, list) and value and isinstance(value[0], dict)
        inner = ",\n".join(f"  {dumped(each)}" for each in value) if listed else ""
        entries.append(f" {dumped(key)}: [\n{inner}\n ]" if listed else f" {dumped(key)}: {dumped(value)}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def fill(text: str, kept: Kept) -> str:
    """Return a template with its numbers; raises ValueError, naming the number, for one that is not in the files."""
    return _TEMPLATE.sub(lambda found: told(found[1], kept), text)


def fill_marks(text: str, kept: Kept) -> str:
    """Return a page with the numbers after its comments as the files have them; raises ValueError as `fill`."""
    return _MARK.sub(lambda found: f"<!-- {found[1]} -->{told(found[1], kept)}<!---->", text)


def without_marks(text: str) -> str:
    """Return a page without its marked numbers."""
    return _MARK.sub("", text)


def told(key: str, kept: Kept) -> str:
    """Return one number as prose has it: `.594`, `.594 [.542, .623]`, `+.229 [+.158, +.325]`; or the card's lines."""
    if key == "card":
        return _card_told(read_card(coder_folder().name))
    fields = [field.strip() for field in key.split(";")]
    source = fields.pop(0) if fields[0].split()[0] in SOURCES else ""
    try:
        metric, data, labels, rows, *how = fields
        row, less, other = rows.partition(" less ")
        found = _difference(kept, source, (metric, data, labels, row), other) if less else None
        score = found or _score(kept, source, metric, data, labels, row)
        if "of all" in how:
            return f"{100 * score['value'] / _score(kept, source, metric, data, 'all', row)['value']:.0f}"
        return _prose(score, how, signed=bool(less))
    except (KeyError, ValueError, IndexError) as error:
        raise ValueError(f"no result file has {key!r}: {error}") from error


def _card_told(card: Mapping[str, Any]) -> str:
    tenths = ", ".join(f"{each['told']:.2f} → {each['true']:.2f}" for each in card["reliability"])
    return " ".join([*card["scores_told"], f"Told → true probability, by tenths: {tenths}."])


def _contents(kept: Kept, source: str) -> Iterator[Content]:
    words = source.split()
    version = 1 if words[:1] == [OLD] else None
    paper = words[version or 0 :] or [BENCHMARK]
    for (of_version, of_paper, item), content in kept.contents.items():
        if of_version == version and [of_paper, item][: len(paper)] == paper:
            yield content


def _score(kept: Kept, source: str, metric: str, data: str, labels: str, row: str) -> Mapping[str, Any]:
    for content in _contents(kept, source):
        for each in content["rows"]:
            if (each["data"], each["labels"], each["row"]) == (data, labels, row):
                score: Mapping[str, Any] = each["scores"][metric]
                return score
    raise ValueError(f"no row {row} at {labels} of {data}")


def _difference(kept: Kept, source: str, of: tuple[str, str, str, str], other: str) -> Mapping[str, Any]:
    metric, data, labels, row = of
    for content in _contents(kept, source):
        compare = Compare(
            of=(content["paper"], content["item"]), data=data, labels=labels, row=row, against=other, metrics=(metric,)
        )
        for outcome in outcomes(compare, content):
            if number(outcome.difference.get("low")) is not None:
                return outcome.difference
    raise ValueError(f"no paired difference from {other}")


def _prose(score: Mapping[str, Any], how: list[str], *, signed: bool) -> str:
    digits = next((int(each.split()[0]) for each in how if each.endswith("digits")), 3)
    value, low, high = (score.get(end) for end in ("value", "low", "high"))
    for each in how:
        if each.startswith("seed "):
            value = score["seeds"][int(each.split()[1])]

    def text(one: Any) -> str:
        return in_prose(one, digits, signed=signed)

    if "value" in how or not (signed or "interval" in how):
        return text(value)
    return f"{text(value)} [{text(low)}, {text(high)}]"
