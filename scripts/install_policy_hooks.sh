#!/usr/bin/env bash
# Installs git hooks that run what CI runs: before a commit the checks, before a push the tests and the proofs.
# They are advice (`--no-verify` skips them). Installing again replaces our own hooks; a foreign hook is left alone.
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"

mark='# installed by scripts/install_policy_hooks.sh'
hooks=$(git rev-parse --git-path hooks)

for name in pre-commit pre-push; do
  if [ -e "$hooks/$name" ] && ! grep -qxF "$mark" "$hooks/$name"; then
    echo "install_policy_hooks: $hooks/$name is not ours and stays; nothing was installed: move it away, then run this again" >&2
    exit 1
  fi
done

install_hook() {
  local temporary
  temporary=$(mktemp "$hooks/$1.XXXXXX")
  {
    echo '#!/usr/bin/env bash'
    echo "$mark"
    echo 'set -euo pipefail'
    echo 'unset $(git rev-parse --local-env-vars)'
    echo 'cd "$(git rev-parse --show-toplevel)"'
    cat
  } >"$temporary"
  chmod 755 "$temporary"
  mv -f "$temporary" "$hooks/$1"
  echo "install_policy_hooks: installed $hooks/$1"
}

mkdir -p "$hooks"
install_hook pre-commit <<'COMMANDS'
make lint
COMMANDS
install_hook pre-push <<'COMMANDS'
make test
make proofs
COMMANDS
