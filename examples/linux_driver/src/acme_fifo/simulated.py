"""The driver on the model, for trying it without the board: ``acme_fifo_sim:``."""

from acme_fifo.driver import AcmeFifo
from acme_fifo.model import Chip
from mboxio.linux import PlatformOptions


class SimulatedFifo(AcmeFifo):
    """The same driver. Its registers and their interrupt are those of a model in this process."""

    def __init__(self, name: str = "", options: PlatformOptions | None = None) -> None:
        self.chip = Chip()
        super().__init__(name, options, region=self.chip)

    def close(self) -> None:
        """Let go of the model, too."""
        super().close()
        self.chip.close()
