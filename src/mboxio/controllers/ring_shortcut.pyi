from mboxio.controllers.rings import Lane, RingController
from mboxio.driver.shortcut import Shortcut

class RingShortcut(Shortcut):
    def __init__(self, controller: RingController, lane: Lane) -> None: ...
