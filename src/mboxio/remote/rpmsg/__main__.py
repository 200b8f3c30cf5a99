"""``python -m mboxio.remote.rpmsg``."""

import sys

from mboxio.remote.rpmsg.remote import main

if __name__ == "__main__":
    main(sys.argv[1:])
