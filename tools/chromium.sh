#!/bin/sh
# Install Debian's Chromium for the browser tests (needs root once; otherwise install it by hand).
set -eu
if [ "$(id -u)" != 0 ]; then
  echo "The browser tests need Chromium: install the package chromium, then run make test again." >&2
  exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
