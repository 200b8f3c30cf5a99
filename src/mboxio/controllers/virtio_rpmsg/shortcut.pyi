from mboxio.controllers.ordinary import OrdinaryShortcut
from mboxio.controllers.virtio_rpmsg.endpoints import Endpoint
from mboxio.controllers.virtio_rpmsg.traffic import RpmsgTraffic

class RpmsgShortcut(OrdinaryShortcut):
    def __init__(self, traffic: RpmsgTraffic, endpoint: Endpoint) -> None: ...
