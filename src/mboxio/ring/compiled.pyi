from mboxio.regions.region import Region
from mboxio.ring.contract import Armed, Consumer, Producer
from mboxio.ring.layout import RingLayout

class CompiledProducer(Producer):
    def __init__(self, region: Region, layout: RingLayout, armed: Armed | None = None) -> None: ...

class CompiledConsumer(Consumer):
    def __init__(self, region: Region, layout: RingLayout) -> None: ...

class CompiledArmed(Armed):
    def __init__(self, region: Region, own: int, peer: int) -> None: ...
