#!/bin/sh
# Compares the speed of a training step with PyTorch's, on the same cores in the
# same run. A step is forward, backward, clipping and AdamW, for a model of
# MiniLM-L6's shape with exits after layers 1, 2, 4 and 6, on 16 rows of 13 or 64
# tokens on average, with dropout 0.1. PyTorch runs a model of the same shape in
# eager mode with fused AdamW, which wants the gradient of all word embeddings,
# on batches with nearly no padding. Both take turns, a few seconds each, on 1 and
# on 2 threads. On cores that others use too the ratio means nothing: PyTorch's
# threads wait for each other awake, and slow down by more than ten times.
#
#	inference/train/peer.sh [ROUNDS [PATTERN]]
#
# ROUNDS is how often each case is measured, 5 unless given. PATTERN is a regular
# expression that picks cases by name, METHOD/POOLING/ROWSxLENGTH/THREADS:
# 'mean/16x13/1$' for example. Printed are tokens a second of both and the ratio,
# each as the median of the rounds with the smallest and the largest.
#
# PYTHON names a Python that has PyTorch. Without it the script installs PyTorch
# from PyPI into a temporary environment, which takes some minutes and 1 GB.
set -eu
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -z "${PYTHON:-}" ]; then
	python3 -m venv "$scratch/torch"
	PYTHON=$scratch/torch/bin/python
	"$PYTHON" -m pip install --quiet torch numpy
fi
go test -c -o "$scratch/train.test" .
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
"$PYTHON" peer.py "$scratch/train.test" "${1:-5}" "${2:-.}"
