#!/usr/bin/env bash
# Push the current branch, watch its CI run to the end, and download the run's artifacts. Needs `gh`, logged in.
# Usage: scripts/ci_watch.sh [--artifacts-dir DIR] [--workflow FILE] [--no-push]
# Exit status: that of the CI run; 2 on a usage error or when no run appears for the pushed commit.
set -euo pipefail

artifacts_dir=out/ci
workflow=ci.yml
push=yes
# Seconds between two looks for the run, and how often to look before giving up.
pause=${CI_WATCH_PAUSE:-5}
tries=24

die() { echo "ci_watch: $*" >&2; exit 2; }

while (($#)); do
  case $1 in
    --artifacts-dir) [[ $# -ge 2 ]] || die "--artifacts-dir needs a folder"; artifacts_dir=$2; shift 2 ;;
    --workflow) [[ $# -ge 2 ]] || die "--workflow needs a file name"; workflow=$2; shift 2 ;;
    --no-push) push=no; shift ;;
    -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
    *) die "unknown argument '$1'; see --help" ;;
  esac
done

command -v gh >/dev/null || die "the GitHub command 'gh' must be on PATH; install it and run 'gh auth login'"
branch=$(git symbolic-ref --quiet --short HEAD) || die "HEAD must be on a branch; check one out first"
commit=$(git rev-parse HEAD)
[[ $push == no ]] || git push origin "$branch"

run=
for ((i = 0; i < tries; i++)); do
  run=$(gh run list --workflow "$workflow" --branch "$branch" --commit "$commit" --limit 1 --json databaseId --jq '.[0].databaseId // empty')
  [[ -z $run ]] || break
  sleep "$pause"
done
[[ -n $run ]] || die "no run of $workflow appeared for $commit; is the workflow enabled for branch $branch?"

echo "ci_watch: run $run of $workflow for $commit"
status=0
gh run watch "$run" --exit-status || status=$?
# Artifacts matter most when the run failed, so they are fetched whatever its outcome.
mkdir -p "$artifacts_dir"
gh run download "$run" --dir "$artifacts_dir/$run" || echo "ci_watch: run $run has no artifacts" >&2
echo "ci_watch: run $run ended with status $status; artifacts in $artifacts_dir/$run"
exit "$status"
