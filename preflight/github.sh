#!/usr/bin/env bash
# What action.yml runs: the doctor in an environment of its own, then one check with annotations and
# a job summary. LLMDOCTOR names a doctor that is there already.
set -euo pipefail

if [ -z "${LLMDOCTOR:-}" ]; then
  home=${RUNNER_TEMP:?}/llmdoctor
  found=
  for python in python3 python; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      found=$python
      break
    fi
  done
  if [ -z "$found" ]; then
    echo "::error title=no Python for llmdoctor::It needs Python 3.10 or newer on PATH: add actions/setup-python before this step."
    echo "exit-code=3" >>"${GITHUB_OUTPUT:-/dev/null}"
    exit 3
  fi
  "$python" -m venv "$home"
  bin=$home/bin
  if [ -d "$home/Scripts" ]; then bin=$home/Scripts; fi
  "$bin/python" -m pip install --quiet --disable-pip-version-check "${GITHUB_ACTION_PATH:?}"
  LLMDOCTOR=$bin/llmdoctor
fi

words=(check --format github --project "${INPUT_PROJECT:-.}")
# Separated by blanks or lines (a YAML block). `read` up to the end of the text is never successful.
read -rd '' -a profiles <<<"${INPUT_PROFILE:-}" || true
for name in ${profiles[@]+"${profiles[@]}"}; do words+=(--profile "$name"); done
read -rd '' -a codes <<<"${INPUT_SELECT:-}" || true
for code in ${codes[@]+"${codes[@]}"}; do words+=(--select "$code"); done
if [ -n "${INPUT_ENV:-}" ]; then words+=(--env "$INPUT_ENV"); fi
if [ -n "${INPUT_FAIL_ON:-}" ]; then words+=(--fail-on "$INPUT_FAIL_ON"); fi
if [ -n "${INPUT_BASELINE:-}" ]; then words+=(--baseline "$INPUT_BASELINE"); fi

code=0
"$LLMDOCTOR" "${words[@]}" || code=$?
echo "exit-code=$code" >>"${GITHUB_OUTPUT:-/dev/null}"
exit "$code"
