"""``python -m mboxio.remote.acpm``."""

import sys

from mboxio.remote.acpm.firmware import main

if __name__ == "__main__":
    main(sys.argv[1:])
