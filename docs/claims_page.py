"""Makes docs/claims.md of claims.yaml of the package and the small result files in docs/results/: `make results`.

Nothing is measured here; verdicts follow from `experiments/claims.py`, published numbers from the package's table.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from sparsefacs.experiments.claims import (
    CANNOT,
    FAILS,
    FEWEST_SEEDS,
    HOLDS,
    OWN,
    UNTESTED,
    VERDICTS,
    Claim,
    Outcome,
    Quote,
    printed_gain,
    quoted,
    read_claims,
)
from sparsefacs.experiments.items import BENCHMARK, read_paper
from sparsefacs.experiments.kept import Kept, fill, read_kept
from sparsefacs.experiments.pages import markdown_table
from sparsefacs.experiments.reproduction import plan_item
from sparsefacs.reports.results import METRIC_NAMES, number
from sparsefacs.reports.tables import UNDEFINED, figure, with_interval

HERE = Path(__file__).parent
RESULTS = HERE / "results"
TEXT = RESULTS / "claims.txt"
LETTERS = {"adversarial": "A", "kdsrl": "K", "wsrtl": "W", "knowledge-spreader": "S", "mae-face": "M", OWN: "P"}
NAMES = {"adversarial": "Adversarial", "kdsrl": "KDSRL", "wsrtl": "WSRTL", "knowledge-spreader": "Knowledge-Spreader"}
NAMES |= {"mae-face": "MAE-Face", OWN: "This project's own"}
DATA = {"bp4d": "BP4D", "disfa": "DISFA", "bp4d+": "BP4D+"}


def main() -> None:
    """Write the page."""
    (HERE / "claims.md").write_text(page(read_claims(), read_kept(RESULTS), TEXT.read_text("utf-8")), encoding="utf-8")
    print(HERE / "claims.md")


def page(claims: Sequence[Claim], kept: Kept, text: str) -> str:
    """Return the page: what verdicts there are, then each paper's claims; they stand where `text` says {tables}."""
    by_paper = {paper: [each for each in claims if each.paper == paper] for paper in LETTERS}
    parts = [counts(by_paper, kept)]
    parts += [paper_text(paper, own, kept) for paper, own in by_paper.items() if own]
    return fill(text.replace("{tables}", "\n".join(parts)), kept).rstrip() + "\n"


def counts(by_paper: dict[str, list[Claim]], kept: Kept) -> str:
    """Return how many claims of each paper have which verdict."""
    body = []
    for paper, own in by_paper.items():
        if own:
            found = [kept.judged(each) for each in own]
            body.append([NAMES[paper], str(len(own)), *(str(found.count(each) or "") for each in VERDICTS)])
    return "\n".join(["## In short\n", *markdown_table(["", "claims", *VERDICTS], body), ""])


def paper_text(paper: str, own: Sequence[Claim], kept: Kept) -> str:
    """Return a paper's section: its claims in one table, then what each rests on."""
    title = NAMES[paper]
    lines = [f"## {title}\n"]
    if paper != OWN:
        lines.append(f"{read_paper(paper).title}. [The method](methods/{paper}.md).\n")
    body = []
    for place, each in enumerate(own, start=1):
        name = f"{LETTERS[paper]}{place}"
        judged = kept.judged(each)
        further = (
            "counts, below"
            if each.counts and judged != UNTESTED
            else "hints, below"
            if kept.beside(each)
            else UNDEFINED
        )
        shown = headline(kept.decided(each)) or further
        body.append([f"[{name}](#{name.lower()})", each.claim, published_text(each), shown, f"**{judged}**"])
    heads = ["", "claim", "published", "here", "verdict"]
    lines += [*markdown_table(heads, body), ""]
    for place, each in enumerate(own, start=1):
        lines.append(claim_text(f"{LETTERS[paper]}{place}", each, kept))
    return "\n".join(lines)


def claim_text(name: str, claim: Claim, kept: Kept) -> str:
    """Return a claim's own section: what was compared, why the verdict, what was tried, the commands."""
    decided = kept.decided(claim)
    lines = [f"### {name}\n", f"**{claim.claim}** {claim.says}\n"]
    rows = [outcome_row(each, "yes") for each in decided] + [outcome_row(each, "beside") for each in kept.beside(claim)]
    lines += [*markdown_table(HEADS, rows), ""] if rows else []
    if cards := kept.cards(claim):
        cells = [[each["of"], *(figure(each[key], 0) for key in ("frames", "kept", "dense"))] for each in cards]
        lines += [*markdown_table(["labels", "labelled faces", "combinations", "on whole clips"], cells), ""]
    found = kept.judged(claim)
    lines.append(f"**{found[:1].upper()}{found[1:]}**: {because(claim, decided, found)}\n")
    lines += [f"*What was tried.* {claim.tried}\n"] if claim.tried else []
    return "\n".join([*lines, "```", *commands(claim), "```", ""])


HEADS = ("compared", "labels", "measure", "first", "second", "difference", "seeds", "decides")


def outcome_row(outcome: Outcome, decides: str) -> list[str]:
    """Return a difference as cells; the two scores only where they are of the same seeds."""
    compare = outcome.compare
    other, other_labels = compare.other
    same = len(outcome.ours.get("seeds", ())) == len(outcome.theirs.get("seeds", ())) == outcome.seeds
    scores = [figure(each["value"], 3) if same else UNDEFINED for each in (outcome.ours, outcome.theirs)]
    told = with_interval(outcome.difference, 3, signed=True)
    labels = compare.labels if other_labels == compare.labels else f"{compare.labels} less {other_labels}"
    where = "v1" if compare.version == 1 else "" if compare.of[0] != BENCHMARK else compare.data
    names = f"{compare.row} less {other}" if other != compare.row else compare.row
    return [
        names, f"{where} {labels}".strip(), measure(outcome.metric), *scores,
        told + (" ●" if outcome.side else ""), str(outcome.seeds), decides,
    ]  # fmt: skip


def measure(metric: str) -> str:
    """Return a metric's name."""
    return METRIC_NAMES.get(metric, metric.replace("-", " ").replace("f1", "F1").replace("icc", "ICC"))


def headline(decided: Sequence[Outcome]) -> str:
    """Return the first deciding differences in short: F1's, and AUC's where there is one; nothing without any."""
    if not decided:
        return ""
    first = [each for each in decided if each.compare == decided[0].compare]
    told = [
        f"{METRIC_NAMES.get(each.metric, each.metric)} {with_interval(each.difference, 3, signed=True)}"
        for each in first
    ]
    seeds = first[0].seeds
    people = f" of {first[0].people} people" if first[0].people else ""
    return "; ".join(told) + f"; {seeds} seed{'s' if seeds > 1 else ''}{people}"


def published_text(claim: Claim) -> str:
    """Return what the paper printed: table, data set, each method's number."""
    return "; ".join(quote_text(each, claim.paper) for each in claim.published) or UNDEFINED


def quote_text(quote: Quote, paper: str) -> str:
    """Return `Table II, BP4D: OFE 63.8, Backbone 62.5`, numbers as printed."""
    told = []
    for labels, numbers in zip(quote.labels, quoted(quote, paper), strict=True):
        of = f" at {labels}" if len(quote.labels) > 1 else ""
        told.append(", ".join(f"{one.method} {one.printed}" for one in numbers) + of)
    protocol = "" if quote.protocol in ("3-fold", "unstated") else f" ({quote.protocol})"
    return (
        f"{quote.item}, {DATA.get(quote.dataset, quote.dataset)}{protocol}, {measure(quote.metric)}: {'; '.join(told)}"
    )


def because(claim: Claim, decided: Sequence[Outcome], found: str) -> str:
    """Say why a verdict is what it is."""
    if found == CANNOT:
        return claim.cannot
    if found == UNTESTED:
        return "; ".join(filter(None, ("no result file of what decides it", claim.unfair))) + "."
    if claim.counts:
        return "counted, see above."
    if found in (HOLDS, FAILS):
        told = [f"every interval is above {bound(decided)}"]
        if found == FAILS:
            told = [f"no interval is above {bound(decided)}", *filter(None, (against(claim, each) for each in decided))]
        return f"{'; '.join(told)}; over people and {min(each.seeds for each in decided)} seeds."
    told = [claim.unfair] if claim.unfair else []
    few = min(each.seeds for each in decided)
    asked = sum(len(each.metrics) for each in claim.decides)
    told += [f"{few} seed{'s' if few > 1 else ''}, where {FEWEST_SEEDS} are asked"] if few < FEWEST_SEEDS else []
    told += [f"{asked - len(decided)} of {asked} differences are missing"] if len(decided) < asked else []
    wide = [each for each in decided if each.side == 0]
    told += [f"{len(wide)} of {len(decided)} intervals hold {bound(decided)}"] if wide else []
    sides = {each.side for each in decided if each.side}
    told += ["intervals lie on both sides"] if len(sides) == 2 else []
    return "; ".join(told) + "."


def against(claim: Claim, outcome: Outcome) -> str:
    """Say what of an outcome speaks against a claim: wholly below, or below what was printed; nothing if neither."""
    compare, gain = outcome.compare, printed_gain(claim, outcome)
    of = f"{measure(outcome.metric)} of {compare.row} less {compare.other[0]}"
    if outcome.side < 0:
        return f"{of} lies wholly below"
    if outcome.interval is not None and gain is not None and outcome.short_of(gain):
        return f"{of} gains at most {outcome.interval[1]:+.3f}, where the smallest gain printed is {gain:+.3f}"
    return ""


def bound(decided: Sequence[Outcome]) -> str:
    """Return what differences are held against, in words."""
    least = {each.compare.at_least for each in decided}
    return " or ".join(figure(each, 2) if number(each) else "0" for each in sorted(least))


def commands(claim: Claim) -> list[str]:
    """Return the commands that make what decides a claim here, and the paper's own item at its size."""
    deciding = list(dict.fromkeys(each.of for each in claim.decides)) or [(claim.paper, claim.item)]
    lines = [shlex.join(["sparsefacs", "reproduce", *of, "--seeds", str(FEWEST_SEEDS)]) for of in deciding]
    if claim.paper != OWN:
        plan = plan_item(claim.paper, claim.item, scale="paper", stand_in=True)
        stores = dict.fromkeys(str(plan.stores.of(key)) for key in plan.stores.missing)
        given = [word for store in stores for word in ("--store", store)]
        lines.append(shlex.join(["sparsefacs", "reproduce", claim.paper, claim.item, "--scale", "paper", *given]))
    return lines


if __name__ == "__main__":
    main()
