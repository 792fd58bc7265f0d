#!/usr/bin/env bash
# Kills runs at random moments until they are done, and compares with a run that nobody disturbed: docs/reliability.md.
#
#   scripts/chaos.sh [ROUNDS] [local|two|s3|azure]       by default 100 rounds of local; CHAOS_SEED=N repeats a series
#
# local: one process; two: two processes that share the units; s3, azure: one process and a store on loopback that is
# killed and started again on the way: localbucket of PyPI, azurite of npm (needs Node.js).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${1:-100}
where=${2:-local}
tools=${CARGO_TARGET_DIR:-target}/chaos

# Versions are those whose conditional puts have been tried.
prepare() {
    mkdir -p "$tools"
    [[ -d $tools/venv ]] || python3 -m venv "$tools/venv"
    case $where in
    s3) "$tools/venv/bin/python" -m pip install --quiet --disable-pip-version-check localbucket==1.2.1 ;;
    azure)
        "$tools/venv/bin/python" -m pip install --quiet --disable-pip-version-check azure-storage-blob==12.31.1
        [[ -d $tools/node_modules/azurite ]] || npm install --silent --no-audit --no-fund --prefix "$tools" azurite@3.35.0
        ;;
    local | two) ;;
    *) printf 'scripts/chaos.sh: %s is none of local, two, s3, azure\n' "$where" >&2 && exit 2 ;;
    esac
}

prepare
cargo build --release --bin img2tokens
IMG2TOKENS_BIN=${CARGO_TARGET_DIR:-target}/release/img2tokens CHAOS_TOOLS=$tools \
    "$tools/venv/bin/python" scripts/chaos/rounds.py "$rounds" "$where"
