"""A mailbox with a FIFO of 32-bit words in each direction, its driver and a model of it."""

from mboxio.cli.skeleton.acme_k7.driver import AcmeK7, AcmeK7Options
from mboxio.cli.skeleton.acme_k7.model import Chip

__all__ = ["AcmeK7", "AcmeK7Options", "Chip"]
