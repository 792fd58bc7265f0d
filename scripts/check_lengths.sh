#!/usr/bin/env bash
# Fails if a source file has more than 400 lines or a function more than 80.
#
# A function is found as rustfmt lays it out: from the line with `fn` to the line that closes it at the same indent.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

git ls-files --cached --others --exclude-standard -z -- '*.rs' '*.py' '*.sh' |
    while IFS= read -r -d '' file; do [[ ! -f $file ]] || printf '%s\0' "$file"; done |
    xargs -0 awk '
        BEGIN { max_file = 400; max_function = 80; code = 0 }
        function too_long(place, what, lines, limit) {
            printf "%s: %s has %d lines, more than %d\n", place, what, lines, limit
            code = 1
        }
        function end_file() {
            if (lines > max_file) too_long(file, "the file", lines, max_file)
        }
        FNR == 1 { end_file(); file = FILENAME; name = "" }
        { lines = FNR }
        name == "" && FILENAME ~ /\.rs$/ && match($0, /^ *(pub(\([a-z: ]+\))? )?(const |async |unsafe |extern "C" )*fn [a-z_0-9]+/) {
            name = substr($0, RSTART, RLENGTH); sub(/.*fn /, "", name)
            indent = $0; sub(/[^ ].*/, "", indent)
            start = FNR
            if ($0 ~ /[;}]$/) name = ""
            next
        }
        # The end: a brace that closes at the indent of the function, or the last line of a declaration without a body.
        name != "" && ($0 == indent "}" || $0 ~ "^" indent "[^ ].*;$") {
            if (FNR - start + 1 > max_function) too_long(file ":" start, name, FNR - start + 1, max_function)
            name = ""
        }
        END { end_file(); exit code }
    '
