#!/usr/bin/env bash
# Fetch + decode + resize, img2dataset and `img2tokens bench fetch` in turn, on one machine: the same corpus from the same
# nginx on loopback. Ours runs twice: writing what img2dataset writes (it cannot do without), and without, as a run does.
# Prints a table of images/s, CPU time and peak memory, and what the JPEGs cost beside bare libjpeg-turbo and
# fast_image_resize on as many threads as there are cores.
#
# usage: scripts/bench_vs_img2dataset.sh [ROUNDS] [IMAGES]      (3 rounds of 2000)
#
# Needs nginx, cmake and nasm (apt-get install nginx-light cmake nasm; the latter two for libjpeg-turbo), Python 3.11, a package registry for img2dataset (pinned).
# The corpus is made of the golden pictures in tests/data. Everything lies under $BENCH_DIR.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${1:-3}
images=${2:-2000}
work=${BENCH_DIR:-${TMPDIR:-/tmp}/img2tokens-bench}
pictures=tests/data/golden/images
parts=scripts/bench_vs_img2dataset
port=8642
program=${IMG2TOKENS_BIN:-${CARGO_TARGET_DIR:-target}/release/img2tokens}
python=$work/venv/bin/python

fail() {
    printf 'bench_vs_img2dataset.sh: %s\n' "$*" >&2
    exit 1
}

for tool in nginx cmake nasm; do
    command -v $tool >/dev/null || fail "$tool is not installed: apt-get install nginx-light cmake nasm"
done
[[ -x $program ]] || fail "$program is not built: cargo build --release --bin img2tokens"
mkdir -p "$work"
work=$(realpath "$work")

if ! cmp -s "$parts/requirements.txt" "$work/installed.txt"; then
    rm -rf "$work/venv"
    python3 -m venv "$work/venv"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$parts/requirements.txt"
    cp "$parts/requirements.txt" "$work/installed.txt"
fi

if [[ ! -f $work/corpus-$images/corpus.json ]]; then
    "$python" "$parts/corpus.py" "$work/corpus-$images" "http://127.0.0.1:$port" "$images" \
        "$pictures"/{astronaut.jpg,chelsea.png,coffee_exif6.jpg,rocket.jpg} >/dev/null
fi
corpus=$work/corpus-$images

mkdir -p "$work/nginx"
cat >"$work/nginx/nginx.conf" <<CONF
daemon off;
master_process off;
pid $work/nginx/pid;
error_log $work/nginx/error.log;
events { worker_connections 4096; }
http {
    access_log off;
    sendfile on;
    client_body_temp_path $work/nginx; proxy_temp_path $work/nginx; fastcgi_temp_path $work/nginx;
    uwsgi_temp_path $work/nginx; scgi_temp_path $work/nginx;
    server { listen 127.0.0.1:$port; root $corpus/site; keepalive_requests 100000; }
}
CONF
nginx -e "$work/nginx/error.log" -p "$work/nginx" -c "$work/nginx/nginx.conf" &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    kill -0 $server 2>/dev/null || fail "nginx did not start: see $work/nginx/error.log"
    sleep 0.1
done

# What img2dataset's own README advises: as many processes as cores, many threads. "border" keeps the ratio within 224 x
# 224, so it has fewer pixels to make than we have. JPEG at its default quality, where we write PNG.
img2dataset() {
    rm -rf "$work/img2dataset-$1"
    NO_ALBUMENTATIONS_UPDATE=1 "$python" "$parts/measure.py" "$work/img2dataset-$1.log" "$work/venv/bin/img2dataset" \
        --url_list "$corpus/pairs.parquet" --input_format parquet --url_col URL --caption_col TEXT \
        --output_format webdataset --output_folder "$work/img2dataset-$1" --image_size 224 --resize_mode border \
        --processes_count "$(nproc)" --thread_count 64 --number_sample_per_shard $((images / 4)) --timeout 30 \
        >"$work/img2dataset-$1.json"
}

bench() {
    local name=$1
    shift
    "$python" "$parts/measure.py" "$work/$name.log" "$program" bench fetch --allow-private-addresses \
        --concurrency 128 --per-host 128 --size 224 "$@" >"$work/$name.json"
}

img2tokens() {
    rm -rf "$work/ours-$1"
    bench "ours-$1" --input "$corpus/pairs.parquet" --write "$work/ours-$1"
    bench "unwritten-$1" --input "$corpus/pairs.parquet" --prepare
}

# The whole JPEGs alone: ours with the download, and the least that their decoding and resizing can cost.
bare() {
    bench "jpegs-$1" --urls "$corpus/jpegs.txt" --prepare
    local running=()
    for ((core = 0; core < $(nproc); core++)); do
        (cd "$corpus/site" && xargs "$work/bare/release/bare" 1 <"$corpus/jpegs.files") >"$work/bare-$1-$core.json" &
        running+=($!)
    done
    wait "${running[@]}"
}

cargo build --quiet --release --manifest-path "$parts/bare/Cargo.toml" --target-dir "$work/bare"
"$python" "$parts/jpegs.py" "$corpus/site" "http://127.0.0.1:$port" "$corpus/jpegs"
for ((round = 1; round <= rounds; round++)); do
    img2dataset "$round"
    img2tokens "$round"
    bare "$round"
done
cat "$corpus/corpus.json"
printf '\n\n'
"$python" "$parts/table.py" "$work" "$rounds"
