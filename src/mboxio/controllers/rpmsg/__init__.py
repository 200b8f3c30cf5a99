"""RPMsg services of remote processors, through the character devices of Linux."""

from mboxio.controllers.rpmsg.driver import Rpmsg as Rpmsg
from mboxio.controllers.rpmsg.options import RpmsgOptions as RpmsgOptions
