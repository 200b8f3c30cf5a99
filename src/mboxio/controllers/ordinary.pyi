from typing import Any

from mboxio.driver.shortcut import Shortcut

class OrdinaryShortcut(Shortcut):
    def __init__(self, channel: Any, armed: Any) -> None: ...
