"""``python -m demeter``: the same as the command ``demeter``."""

from demeter.app.entry import main

if __name__ == "__main__":
    main()
