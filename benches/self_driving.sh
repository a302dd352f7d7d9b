#!/usr/bin/env bash
# The workflow `self-driving` with 300 workers at once and 3,000 tasks, on this machine: what the models say is scripted, all else is real
# (worktrees, checks, merges, the journal). Prints tasks, commits per hour, and the most memory that the engine had.
#
#   benches/self_driving.sh [SCOPES [TASKS_PER_SCOPE [WORKERS]]]     # default 15 200 300; WFCTL=target/release/wfctl
set -euo pipefail
bin="$(realpath "${WFCTL:-target/release/wfctl}")"
scopes="${1:-15}" tasks="${2:-200}" workers="${3:-300}"
place="$(mktemp -d)"
trap 'kill "${engine:-}" 2>/dev/null || true; rm -rf "$place" 2>/dev/null || true' EXIT
export WFCTL_HOME="$place/home" XDG_CONFIG_HOME="$place/config"
mkdir -p "$place/config/wfctl" "$place/repo/notes"
printf '[sandbox]\nbackend = "none"\n[models.providers.team]\nscript = "%s/script.yaml"\n' "$place" > "$place/config/wfctl/config.toml"

handoff='{done: The note., notes: [], concerns: [], deviations: [], findings: [], feedback: [], commit_message: Add a note}'
{
  echo 'conversations:'
  echo '  - {role: codebase-analyst, turns: [{calls: [{finish: {summary: Nothing is there., gaps: [All of it.], priorities: [Begin.]}}]}]}'
  echo '  - {role: handoff-reviewer, turns: [{calls: [{finish: {summary: All there., follow_up: [], is_complete: true}}]}]}'
  echo '  - role: scope-planner'
  echo '    task: "tree[root.plan-*]"'
  echo '    turns: [{calls: [{finish: {summary: s, scratchpad: "", complete: false, tasks: [], scopes: ['
  for scope in $(seq "$scopes"); do echo "      {id: s$scope, title: s$scope, description: d, files: []},"; done
  echo '    ]}}]}]'
  echo '  - role: scope-planner'
  echo '    turns: [{calls: [{finish: {summary: s, scratchpad: "", complete: false, scopes: [], tasks: ['
  for task in $(seq "$tasks"); do echo "      {id: t$task, title: t, description: d, needs: [], files: [], priority: 5, acceptance: []},"; done
  echo '    ]}}]}]'
  echo '  - role: worker'
  echo '    task: "tree[root.*.*]"'
  echo '    turns:'
  echo '      - {calls: [{write_file: {path: "notes/{{ 1 }}-{{ 2 }}.txt", content: "{{ 1 }}\n"}}]}'
  echo "      - {calls: [{finish: $handoff}]}"
} > "$place/script.yaml"

cd "$place/repo"
printf 'check:\n\ttest -d notes\n' > Makefile
echo one > notes/list.txt
git init -q -b main . && git add -A && git -c user.name=b -c user.email=b@localhost commit -q -m init && git branch release

began="$(date +%s%N)"
"$bin" --workers "$workers" run self-driving --id b --model team/x -i instructions=Notes. -i into=release -i workers="$workers" -i depth=2 -i cadence=cycle \
  > "$place/out" 2>&1 &
engine=$!
peak=0
until "$bin" why b 2>/dev/null | grep -q 'waits for approval'; do
  kill -0 "$engine" 2>/dev/null || { tail -n 20 "$place/out"; exit 1; }
  now="$(awk '/^VmHWM/ { print $2 }' "/proc/$engine/status" 2>/dev/null || echo 0)"
  [ "$now" -le "$peak" ] || peak="$now"
  sleep 1
done
ended="$(date +%s%N)"
"$bin" approve b > /dev/null
wait "$engine"
merged="$(git rev-list --count --first-parent main..release)"
awk -v ms="$(((ended - began) / 1000000))" -v merged="$merged" -v peak="$peak" -v workers="$workers" -v tasks="$((scopes * tasks))" 'BEGIN {
  printf "%d tasks, %d workers: %.1f s, %d commits on one branch, %.0f an hour, at most %.0f MiB\n", tasks, workers, ms / 1000, merged, merged * 3600000 / ms, peak / 1024 }'
"$bin" audit verify b
