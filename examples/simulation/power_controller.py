"""A power controller behind a mailbox: `mboxio sim power_controller.py` shows what slots bring."""

from mboxio.sim.world import Bimodal, Board, Exponential, Load

# Four tasks of the firmware answer in parallel; one request in fifty waits for a regulator. The
# mailbox tells by an interrupt that the firmware has taken a message.
board = Board(
    depth=1,
    tx_done="irq",
    workers=4,
    service=Bimodal(us=20, rare_us=400, rare=0.02),
    doorbell_us=2,
    interrupt_us=12,
    access_us=0.15,
)

# Sixteen drivers ask again 50 µs after each answer, on average, and give up after 2 ms.
load = Load(clients=16, think=Exponential(us=50), timeout_us=2000)
