#!/bin/sh
# Everything `make test` runs, in the order of what fails fastest. Needs .venv and the built web pages.
set -eu
python=.venv/bin/python
$python -m tools.licences
$python -m pytest -q -n 2 tests/unit
$python -m pytest -q -n 2 tests/fuzz
without=
for server in wheel machine; do
  if [ "$server" = machine ] && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null
    else echo "The tests also run on Debian's PostgreSQL: install the package postgresql." >&2; exit 1; fi
  fi
  echo "== integration on the PostgreSQL of the $server"
  # Most of these wait for sockets and processes: more at once than there are cores. The second server sees what uses one.
  DEMETER_TEST_POSTGRES=$server $python -m pytest -q -n 4 tests/integration $without
  without="--ignore=tests/integration/drivers --ignore=tests/integration/simulator"
done
sh tools/interop.sh
$python -m pytest -q -n 4 tests/interop
$python -m pytest -q tests/acceptance tests/browser
