#!/usr/bin/env bash
# What action.yml runs: the doctor in an environment of its own, then one check with annotations and
# a job summary. LLMDOCTOR names a doctor that is there already.
set -euo pipefail

if [ -z "${LLMDOCTOR:-}" ]; then
  home=${RUNNER_TEMP:?}/llmdoctor
  for python in python3 python; do
    if command -v "$python" >/dev/null; then break; fi
  done
  "$python" -m venv "$home"
  bin=$home/bin
  if [ -d "$home/Scripts" ]; then bin=$home/Scripts; fi
  "$bin/python" -m pip install --quiet --disable-pip-version-check "${GITHUB_ACTION_PATH:?}"
  LLMDOCTOR=$bin/llmdoctor
fi

words=(check --format github --project "${INPUT_PROJECT:-.}")
read -ra profiles <<<"${INPUT_PROFILE:-}"
for name in ${profiles[@]+"${profiles[@]}"}; do words+=(--profile "$name"); done
read -ra codes <<<"${INPUT_SELECT:-}"
for code in ${codes[@]+"${codes[@]}"}; do words+=(--select "$code"); done
if [ -n "${INPUT_ENV:-}" ]; then words+=(--env "$INPUT_ENV"); fi
if [ -n "${INPUT_FAIL_ON:-}" ]; then words+=(--fail-on "$INPUT_FAIL_ON"); fi
if [ -n "${INPUT_BASELINE:-}" ]; then words+=(--baseline "$INPUT_BASELINE"); fi

code=0
"$LLMDOCTOR" "${words[@]}" || code=$?
echo "exit-code=$code" >>"${GITHUB_OUTPUT:-/dev/null}"
exit "$code"
