#!/usr/bin/env bash
# The pre-commit hook of docflow for other repositories: installs docflow alone beside this checkout, once, and checks.
# pre-commit would otherwise install the whole of this repository. Prints nothing of its own unless it fails.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${DOCFLOW_PYTHON:-python3}
room="$here/.docflow-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
if [ ! -d "$room" ]; then
  part="$room.$$"
  trap 'rm -rf "$part" "$part.venv"' EXIT
  pip=("$python" -m pip)
  if ! "${pip[@]}" --version >/dev/null 2>&1; then
    "$python" -m venv "$part.venv"
    pip=("$part.venv/bin/python" -m pip)
  fi
  "${pip[@]}" install --quiet --disable-pip-version-check --no-compile --target "$part" "$here/docflow" || {
    echo "docflow: its three dependencies could not be installed with $python; see pip's message above" >&2
    exit 2
  }
  mv -T "$part" "$room" 2>/dev/null || [ -d "$room" ] || mv "$part" "$room"
fi
PYTHONPATH="$room" exec "$python" -m docflow check "$@"
