"""``python -m demeter.simulator``."""

import sys

from demeter.simulator.process import main

if __name__ == "__main__":
    sys.exit(main())
