"""A Linux mailbox driver in Python: the driver, a model of its hardware, and their addresses."""

from acme_fifo.driver import AcmeFifo
from acme_fifo.simulated import SimulatedFifo

__all__ = ["AcmeFifo", "SimulatedFifo"]
