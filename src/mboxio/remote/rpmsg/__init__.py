"""The far side of RPMsg in Python: a processor that announces services and serves them."""

from mboxio.remote.rpmsg.layout import firmware_image as firmware_image
from mboxio.remote.rpmsg.remote import RpmsgRemote as RpmsgRemote
