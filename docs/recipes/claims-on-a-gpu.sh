#!/bin/sh
# Every row of the benchmark's occurrence, what decides the papers' claims, and MAE-Face at ViT-S, on one machine with a GPU.
#
#     sh docs/recipes/claims-on-a-gpu.sh [OUT]        from the root of a checkout, with its .venv
#     SEEDS=1 sh docs/recipes/claims-on-a-gpu.sh      one draw; five otherwise, as papers' own comparisons want
#
# Stopped, it goes on when given again. What it found takes its place in docs/results, of which `make results` makes
# the pages; `git diff docs` shows what moved. Numbers of a GPU are not those of processors to the last digit.
set -eu
out=${1:-reproduced}
seeds=${SEEDS:-5}
reproduce=".venv/bin/sparsefacs reproduce"
for paper in kdsrl wsrtl knowledge-spreader adversarial mae-face; do
  $reproduce "$paper" claims --seeds "$seeds" --out "$out/$paper"
done
$reproduce benchmark occurrence --seeds "$seeds" --out "$out/benchmark"
items() {  # PAPER ITEM...: whole items, of which claims need some rows at most
  paper=$1
  shift
  for item in "$@"; do
    $reproduce "$paper" "$item" --seeds "$seeds" --out "$out/$paper"
  done
}
items mae-face people-and-steps fine-tuning table-6 vit-s
items wsrtl steps sharpening restoring flow-to-rest
items knowledge-spreader pseudo-labels
items adversarial control
.venv/bin/python docs/results_page.py --take "$out"/*/*/results.json
make results
