#!/bin/sh
# The foreign peers of tests/interop, each in an environment of its own: nothing of theirs enters Demeter's.
set -eu
for peer in gurux dlms-cosem; do
  home=.venv/interop/$peer
  locked=requirements/interop-$peer.txt
  if [ ! -e "$home/.ready" ] || [ "$locked" -nt "$home/.ready" ]; then
    .venv/bin/python -m venv --clear "$home"
    "$home/bin/pip" --disable-pip-version-check --quiet install --require-hashes -r "$locked"
    touch "$home/.ready"
  fi
done
