#!/usr/bin/env bash
# Compiles a network with vamc, and measures it with vamp where that is too:
#   ./compile.sh            both
#   ./compile.sh compile    on a machine without a card
#   ./compile.sh measure    on one with a card, once compiled
# With npz_datalist.txt and npz beside it (see README.txt) outputs are stored as well.
set -euo pipefail
cd "$$(dirname "$$0")"

folder=$folder
prefix=$prefix

need() {
    command -v "$$1" > /dev/null || { echo "$$1 is not on PATH: install the SDK" >&2; exit 5; }
}

compile() {
    need vamc
    rm -rf -- "$$folder"
    vamc compile config.yaml 2>&1 | tee vamc.log
    check
    echo "compiled: $$prefix.json, .so, .params"
}

check() {
    for piece in json so params; do
        [ -s "$$prefix.$$piece" ] || { echo "there is no $$prefix.$$piece" >&2; exit 1; }
    done
}

measure() {
    need vamp
    check
    if command -v vasmi > /dev/null; then
        { vasmi list; vasmi getfreq -d 0 -i 0; } > vasmi.txt 2>&1 || true
    fi
    $measure | tee vamp.txt
    if [ -e npz_datalist.txt ]; then
        rm -rf npz_output
        while IFS= read -r line; do  # the list was made elsewhere, the files came along in npz
            echo "$$PWD/npz/$${line##*/}"
        done < npz_datalist.txt > vamp_datalist.txt
        $store
        echo "outputs: npz_output; README.txt tells how to score them"
    fi
}

case "$${1:-both}" in
    compile) compile ;;
    measure) measure ;;
    both)
        compile
        if command -v vamp > /dev/null; then
            measure
        else
            echo "vamp is not here: copy this folder to a machine with a card, ./compile.sh measure"
        fi
        ;;
    *) echo "usage: ./compile.sh [compile|measure]" >&2; exit 2 ;;
esac
