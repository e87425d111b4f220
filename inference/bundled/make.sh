#!/usr/bin/env bash
# Makes the bundled model, its ladder and its figures: inference/bundled/make.sh OUT_DIR
#
# The same kernel set (this one: avx512) makes the same bytes. On two quiet cores
# it takes about a quarter of an hour.
#
# The texts come in two courses. The first is mostly about pairs of intents, where
# a wording alone cannot decide; there the encoder learns order and negation. On
# the full mix from the start it learns them only much later.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${1:?usage: inference/bundled/make.sh OUT_DIR}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

go build -o "$work/sweet" ./cmd/sweet
sweet() { "$work/sweet" "$@"; }

sweet generate --out "$work/first" --seed 101 --train 120000 --dev 2000 --test 0 --calibration 0 --mix 0.1,0.55,0.3,0.05
sweet generate --out "$work/full" --seed 102 --train 220000 --dev 4000 --test 0 --calibration 0 --mix 0.12,0.28,0.3,0.3
sweet generate --out "$work/held-out" --seed 103 --train 0 --dev 4000 --test 8000 --calibration 30000

shape=(--method ee --exits 1,2,4,6 --exit-weights .3,.3,.6,1 --pool cls --dropout 0 --batch 32 --lr 1.2e-3 --epochs 1 --max-length 128)
sweet train "${shape[@]}" --layers 6 --width 128 --vocab-size 5000 --data "$work/first" --out "$work/course" --seed 1
sweet train "${shape[@]}" --init "$work/course" --data "$work/full" --out "$out" --seed 2 --store bf16
sweet calibrate --model "$out" --data "$work/held-out/calibration.tsv" --floor 0.98 --confidence 0.95
for set in dev test; do
  printf '\n%s: accuracy by exit and by level\n' "$set"
  sweet evaluate --model "$out" --data "$work/held-out/$set.tsv" --levels "$work/held-out/$set.levels"
done
