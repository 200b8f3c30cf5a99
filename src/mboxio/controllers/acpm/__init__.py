"""ACPM: rings in an SRAM that the firmware describes."""

from mboxio.controllers.acpm.driver import Acpm as Acpm
from mboxio.controllers.acpm.options import AcpmOptions as AcpmOptions
