"""``python -m demeter.app.openapi`` prints the API's description; ``ui/openapi.json`` is that output, committed."""

import sys

from demeter.app.description import as_text, describe
from demeter.app.server import create_app
from demeter.runtime.database import Database

if __name__ == "__main__":
    sys.stdout.write(as_text(describe(create_app(Database("postgresql://")))))  # nothing is connected to
