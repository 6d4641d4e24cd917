#!/bin/bash
# Install the wheel as a user does, in an environment of its own, and run the demo and a command of each family there.
#   tools/try_install.sh            the newest versions that pip finds
#   tools/try_install.sh oldest     the oldest that settings.ini admits
#   tools/try_install.sh commands   only the commands, with whatever `semistyle_demo` is on the path
# PYTHON names the Python that makes the environment.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd); which=${1:-newest}
home=$(mktemp -d); trap 'rm -rf "$home"' EXIT
export OMP_NUM_THREADS=1 MPLBACKEND=agg

if [ "$which" != commands ]; then
    mkdir "$home/src"
    git -C "$root" archive HEAD | tar -x -C "$home/src"
    "${PYTHON:-python3}" -m venv "$home/env"
    export PATH="$home/env/bin:$PATH"
    unset PYTHONPATH PIP_CONSTRAINT
    timeout 600 python -m pip install -q setuptools wheel
    timeout 600 python -m pip wheel -q --no-deps --no-build-isolation -w "$home" "$home/src"
    lowest=()
    if [ "$which" = oldest ]; then
        sed -n 's/^requirements = //p' "$root/settings.ini" | tr ' ' '\n' | sed 's/>=/==/; s/$/.*/; s/\.\*\.\*$/.*/' > "$home/oldest.txt"
        lowest=(-c "$home/oldest.txt")
    fi
    timeout 1800 python -m pip install -q "${lowest[@]}" "$home"/*.whl
    python -m pip list 2>/dev/null | grep -iE '^(torch|fastai|fastcore|numpy|scipy|scikit-learn|matplotlib|pillow|safetensors|ipywidgets) '
fi

cd "$home"
it() { echo "+ $*"; timeout 600 "$@" 2>"$home/err" | tail -n 2 || { tail -n 20 "$home/err"; echo "failed: $*"; exit 1; }; }
it semistyle_train --world sprites --preset robot-16 --kimg .1 --out run
it semistyle_train --out run --resume
it semistyle_eval run/model --n 200 --seeds 1 --out metrics.json
it semistyle_show robot-64 --kind grid --out grid.png
it semistyle_discover shapes-stylegan2-32 --method sefa --directions 2 --samples 500 --n 2 --distinct 0 --out found
it semistyle_edit grid.png --model robot-64 --project --steps 2 --out edited
it semistyle_distill shapes-stylegan2-32 found --pairs 128 --kimg .1 --n 8000 --out distilled
it semistyle_import run/model --n 2 --out again
it semistyle_data info sprites --resolution 16
it semistyle_bench render --world sprites --resolution 16 --seconds 0
it semistyle_demo --quick --out demo
[ -s demo/report.html ] && echo "every command runs, with the $which versions"
