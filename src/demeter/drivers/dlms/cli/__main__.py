"""``python -m demeter.drivers.dlms.cli``: the same as ``demeter dlms``."""

from demeter.drivers.dlms.cli import app

if __name__ == "__main__":
    app(prog_name="demeter dlms")
