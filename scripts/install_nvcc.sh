#!/usr/bin/env bash
# Gets the CUDA 13.0 compiler from PyPI, 0.5 GB, for scripts/build_kernels.sh. One call: a second into the same folder
# replaces the first.
set -euo pipefail
to=${1:-$HOME/.cache/img2tokens/nvcc-13.0}
[ -x "$to/nvidia/cu13/bin/nvcc" ] && exit 0
python3 -m pip install --quiet --no-deps --target "$to" \
    'nvidia-cuda-nvcc==13.0.88' 'nvidia-cuda-crt==13.0.88' 'nvidia-nvvm==13.0.88' \
    'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cccl==13.0.*' 'nvidia-cuda-nvrtc==13.0.*'
"$to/nvidia/cu13/bin/nvcc" --version
