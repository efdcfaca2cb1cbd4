#!/bin/sh
# Check every Agda proof in the pinned container; see agda/tools/container.py for options and exit statuses.
set -eu
cd "$(dirname "$0")/.."
if [ -x .venv/bin/python ]; then
    exec .venv/bin/python -m agda.tools.container "$@"
fi
exec python3 -m agda.tools.container "$@"
