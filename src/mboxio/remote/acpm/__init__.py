"""ACPM firmware in Python."""

from mboxio.remote.acpm.firmware import AcpmRemote as AcpmRemote
