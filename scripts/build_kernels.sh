#!/usr/bin/env bash
# Compiles the CUDA kernels to PTX beside their sources, and lists what each takes: registers, spilled bytes.
#
#   scripts/build_kernels.sh            compiles, and writes kernels/ptx/ anew, an archive for each architecture
#   scripts/build_kernels.sh --check    compiles elsewhere, and fails if what is kept differs
#   scripts/build_kernels.sh --has-compiler    whether there is one: says nothing
#
# The compiler is nvcc 13.0: NVCC, else the one of scripts/install_nvcc.sh. A kernel that spills registers fails both.
set -euo pipefail
cd "$(dirname "$0")/.."

kernels=stages/vision/cuda/kernels
nvcc=${NVCC:-$HOME/.cache/img2tokens/nvcc-13.0/nvidia/cu13/bin/nvcc}
if [ "${1:-}" = --has-compiler ]; then
    [ -x "$nvcc" ]
    exit
fi
if [ ! -x "$nvcc" ]; then
    echo "no compiler at $nvcc: scripts/install_nvcc.sh gets one, or set NVCC" >&2
    exit 2
fi

keep=$kernels/ptx
out=$keep
if [ "${1:-}" = --check ]; then
    out=$(mktemp -d)
fi
mkdir -p "$out"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; [ "$out" = "$keep" ] || rm -rf "$out"' EXIT

# compile NAME SOURCE [OPTION..]: compute_ARCHITECTURE/NAME.ptx, and a line for each of its kernels. The PTX says that it
# is of version 8.0, the lowest that has sm_90a, so that drivers of CUDA 12 take it too; the assembler checks that it is.
compile() {
    local name=$1 source=$2 architecture ptx
    shift 2
    for architecture in 80 90a; do
        ptx=$scratch/compute_$architecture/$name.ptx
        mkdir -p "${ptx%/*}"
        "$nvcc" -std=c++17 "$@" -ptx -arch=compute_$architecture -o "$scratch/ptx" "$kernels/$source"
        # The comments name the compiler's build, which says nothing of the code.
        sed -e '/^\/\//d' -e 's/^\.version 9\.0$/.version 8.0/' "$scratch/ptx" >"$ptx"
        "$(dirname "$nvcc")/ptxas" -v -arch=sm_$architecture -o "$scratch/cubin" "$ptx" 2>&1 |
            awk -v architecture=sm_$architecture '
                /Compiling entry function/ { split($0, quoted, "\047"); kernel = quoted[2] }
                /spill stores/ { spilled = $5 + $9 }
                /Used [0-9]+ registers/ {
                    sub(/.*Used /, ""); sub(/ registers.*/, "")
                    printf "%-8s %-28s %4d registers %4d bytes spilled\n", architecture, kernel, $0, spilled
                    if (spilled > 0) failed = 1
                }
                /error|fatal/ { print; failed = 1 }
                END { exit failed }'
    done
}

for source in pixels norm elementwise selector nearest attention; do
    compile $source $source.cu
done
for head in 16 32 64 96 128; do
    compile attention_$head attention_tensor.cu -DHEAD=$head
done

# The same PTX gives the same archive: nothing in it tells who made it, and when.
for architecture in 80 90a; do
    tar -C "$scratch/compute_$architecture" --sort=name --format=ustar --mtime=@0 --mode=0644 --owner=0 --group=0 --numeric-owner \
        -cf "$scratch/archive.tar" $(cd "$scratch/compute_$architecture" && echo *.ptx)
    gzip -9n <"$scratch/archive.tar" >"$out/compute_$architecture.tar.gz"
done

# What the PTX was made from: every source, by the name that sha256sum --check wants.
(cd "$kernels" && sha256sum ./*.cu ./*.cuh) >"$out/sources.sha256"

if [ "$out" != "$keep" ]; then
    # Unpacked: another gzip may pack the same in other bytes.
    for architecture in 80 90a; do
        cmp <(gunzip -c "$keep/compute_$architecture.tar.gz") <(gunzip -c "$out/compute_$architecture.tar.gz")
    done
    cmp "$keep/sources.sha256" "$out/sources.sha256"
    echo "the PTX that is kept is what these sources give"
fi
