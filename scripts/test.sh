#!/usr/bin/env bash
# All tests: the workspace's, then those that read the program's output from Python. The Python environment comes first:
# its onnxruntime wheel holds the library that the ONNX backend is tested with. The trainers' own readers need torch: they
# have an environment of their own in ~/.cache/img2tokens (scripts/trainers/environment.py, 2 GB, made once). With
# IMG2TOKENS_TRAINERS=0 it is left out, and their tests are skipped.
#
# The CUDA kernels' sources are tested on the CPU, which takes a C++ compiler; where nvcc is at hand (scripts/install_nvcc.sh),
# their PTX is made again and compared.
#
# Needs Rust, a C compiler, Python 3.11 or newer, and a package registry for crates and wheels.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv
requirements=(-r tests/python/requirements.txt -c tests/python/constraints.txt)

fail() {
    printf 'scripts/test.sh: %s\n' "$*" >&2
    exit 1
}

check_machine() {
    command -v cargo >/dev/null || fail "cargo is not installed: see https://rustup.rs"
    command -v python3 >/dev/null || fail "python3 is not installed"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "python3 is $(python3 -V), 3.11 or newer is needed"
}

# Debian and Ubuntu ship Python without ensurepip: there `python3 -m venv` needs the package python3-venv.
make_venv() {
    rm -rf "$venv"
    python3 -m venv "$venv" && return
    rm -rf "$venv"
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq python3-venv && python3 -m venv "$venv" && return
    fi
    fail "python3 cannot make a virtual environment: install python3-venv (apt-get install python3-venv) and try again"
}

# A C compiler often comes without its C++ half.
prepare_cxx() {
    command -v "${CXX:-c++}" >/dev/null && return
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq g++ && return
    fi
    fail "no C++ compiler: install g++ (apt-get install g++), or name one in CXX"
}

# The environment is made again when what it should hold has changed.
prepare_venv() {
    local wanted
    wanted=$(cat tests/python/requirements.txt tests/python/constraints.txt)
    [[ -f $venv/installed.txt && $(<"$venv/installed.txt") == "$wanted" ]] && return
    make_venv
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "${requirements[@]}"
    printf '%s\n' "$wanted" >"$venv/installed.txt"
}

prepare_trainers() {
    [[ ${IMG2TOKENS_TRAINERS:-1} == 0 ]] && return
    "$venv/bin/python" scripts/trainers/environment.py >/dev/null ||
        fail "the trainers' readers cannot be installed (see above): try again, or leave them out with IMG2TOKENS_TRAINERS=0"
}

# The library in the wheel, absolute: every test runs in its crate's folder.
onnxruntime_library() {
    local library=("$PWD/$venv"/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.*)
    [[ -f ${library[0]} ]] || fail "no libonnxruntime in $venv: delete $venv and try again"
    printf '%s' "${library[0]}"
}

check_machine
prepare_cxx
prepare_venv
prepare_trainers
ORT_DYLIB_PATH=$(onnxruntime_library)
export ORT_DYLIB_PATH
if scripts/build_kernels.sh --has-compiler; then
    scripts/build_kernels.sh --check
fi
cargo test --release --workspace
cargo build --release --bin img2tokens
IMG2TOKENS_BIN=${CARGO_TARGET_DIR:-target}/release/img2tokens \
    "$venv/bin/python" -m pytest -p no:cacheprovider tests/python/test_*.py
