#!/bin/sh
# `make fuzz`: every parser with atheris, one after the other, $1 executions each (default ten million).
# $2: names of parsers, separated by commas (default: all). atheris has an environment of its own; it uses ours for the rest.
set -eu
runs=${1:-10000000}
home=.venv/fuzz
if [ ! -e "$home/.ready" ] || [ requirements/fuzz.txt -nt "$home/.ready" ]; then
  .venv/bin/python -m venv --clear "$home"
  "$home/bin/pip" --disable-pip-version-check --quiet install --require-hashes -r requirements/fuzz.txt
  .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$(echo "$home"/lib/python*/site-packages)/ours.pth"
  touch "$home/.ready"
fi
names=${2:-$(PYTHONPATH=src .venv/bin/python -m tests.fuzz --names)}
old=$IFS; IFS=,
for name in $names; do
  IFS=$old
  echo "== $name, $runs executions"
  PYTHONPATH=src "$home/bin/python" -m tests.fuzz.with_atheris "$name" "$runs"
done
