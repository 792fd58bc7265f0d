#!/usr/bin/env bash
# The tokenizer on a GPU, measured against PyTorch and the chip, in one run: for a box that has neither cargo nor internet.
#
# usage: [SETTING=value ...] scripts/bench_gpu.sh
#
# Makes a model of the full size of seeded random weights (5.7 GB) and pictures, then measures
#   - img2tokens (`bench vision`, `tokenize`) in bf16 and f16, with either merger;
#   - the tokenizer in PyTorch (scripts/vs_pytorch): eager as the published code computes, and PyTorch's best effort: bf16,
#     fused attention, packed merger, torch.compile, one CUDA graph.
# Prints Markdown: images/s at the best batch size, useful TFLOP/s and their share of a matmul's, measured in the same
# process, beside the goals; the parts of a batch; the agreement of ids with PyTorch's in f32. OUT holds table.md,
# measured.jsonl (everything measured, a JSON object a line) and log.txt (what the commands said).
# Without torch ours is measured alone. Exit code 0 if all that could be measured was.
#
#   BINARY        the program (target/release/img2tokens)
#   DEVICE        cuda:N, or cpu to try the script (cuda:0)
#   SIZE          full, or small for a tiny model to try the script (full)
#   OUT           the folder for results (bench-gpu-out)
#   MODEL         a model directory, made if it is not there ($TMPDIR/img2tokens-bench-gpu-SIZE/model)
#   PYTHON        with numpy and, for the comparison, torch 2.5 or newer (python3)
#   BATCH_SIZES   tried on both sides, the fastest counts ("64 128 256"; small "4 8")
#   BATCHES       measured of each size, of fresh random pixels (8; small 2)
#   PICTURES      whose ids are compared (64; small 12)
#   DTYPES        of our speed (bf16 f16)
#   ID_DTYPES     of our ids (f32 bf16 f16)
#   PROGRAM_ARGS  further arguments of `bench vision` and `tokenize`
#   LIMIT_S       seconds for all; what is not done by then is cut off, and the tables are of the rest (530)
#
# For example, on the CPU:  DEVICE=cpu SIZE=small scripts/bench_gpu.sh
set -euo pipefail

if [[ $# -gt 0 ]]; then
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    [[ $1 == -h || $1 == --help ]] && exit 0
    exit 2
fi

fail() {
    printf 'bench_gpu.sh: %s\n' "$*" >&2
    exit 2
}

scripts=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
python=${PYTHON:-python3}
export BINARY=${BINARY:-$scripts/../target/release/img2tokens}
export PYTHONPATH=$scripts PYTHONDONTWRITEBYTECODE=1

[[ -x $BINARY ]] || fail "BINARY=$BINARY: no program is there"
command -v "$python" >/dev/null || fail "PYTHON=$python: no Python is there"
"$python" -c 'import numpy' 2>/dev/null || fail "PYTHON=$python has no numpy, with which the weights are made"
exec "$python" -m bench_gpu
