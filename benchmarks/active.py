"""Simulated coding: how many coded frames each strategy of `sparsefacs label` needs.

    python benchmarks/active.py FREQUENT RARE OUT.json [--seeds 5] [--strategies ours,random] [--coders none,coder-2]

FREQUENT, RARE: the benchmark's stores (`sparsefacs reproduce benchmark occurrence` makes them). Every finished curve is
kept in OUT.curves, so that the same command goes on where it was; OUT.json is written when all are there. About half
an hour of one processor. `make results` makes docs/guide/which-frames.md of it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sparsefacs.coders import coder_names
from sparsefacs.data.store import Store
from sparsefacs.experiments.active import BUDGETS, People, compare, frames_for
from sparsefacs.files import write_json
from sparsefacs.labelling.choosing import STRATEGIES
from sparsefacs.labelling.features import NO_CODER

PROTOCOL = "holdout:33%"
GOAL_FRAMES = 160


def main(argv: Sequence[str]) -> None:
    """Simulate what is asked for, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frequent", type=Path)
    parser.add_argument("rare", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--coders", default=f"{NO_CODER},{coder_names()[-1]}")
    parser.add_argument("--budgets", default=",".join(map(str, BUDGETS)))
    parser.add_argument("--split-seed", type=int, default=0, help="draws the people tested on; 0: the benchmark's")
    parser.add_argument("--minutes", type=float, default=1.0, help="assumed minutes to code a frame")
    given = parser.parse_args(argv)
    budgets = [int(each) for each in given.budgets.split(",")]
    goal = GOAL_FRAMES if GOAL_FRAMES in budgets else budgets[-1]
    rows = []
    for data, folder in (("frequent", given.frequent), ("rare", given.rare)):
        people = People.of(Store(folder), PROTOCOL, given.split_seed)
        for coder in given.coders.split(","):
            kept = given.out.with_suffix(".curves") / data / coder
            found = compare(people, coder, given.strategies.split(","), given.seeds, budgets, kept=kept)
            wanted = next(each["f1"]["value"] for each in found[0]["scores"] if each["frames"] == goal)
            for row in found:
                needed = frames_for(row["scores"], "f1", wanted)
                saved = None if needed is None else (goal - needed) * given.minutes
                rows.append({"data": data} | row | {"frames_needed": needed, "minutes_saved": saved})
                print(data, coder, row["strategy"], [each["f1"]["value"] for each in row["scores"]], needed, flush=True)
    content = {
        "protocol": PROTOCOL, "split_seed": given.split_seed, "seeds": given.seeds, "goal_frames": goal,
        "minutes_a_frame": given.minutes, "rows": rows,
    }  # fmt: skip
    write_json(given.out, content)


if __name__ == "__main__":
    main(sys.argv[1:])
