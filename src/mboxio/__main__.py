"""``python -m mboxio`` is the command ``mboxio``."""

from mboxio.cli import main

if __name__ == "__main__":
    main()
