from mboxio.io.region import Region
from mboxio.ring.layout import RingLayout
from mboxio.ring.ring import Armed, Consumer, Producer

class CompiledProducer(Producer):
    def __init__(self, region: Region, layout: RingLayout, armed: Armed | None = None) -> None: ...

class CompiledConsumer(Consumer):
    def __init__(self, region: Region, layout: RingLayout) -> None: ...

class CompiledArmed(Armed):
    def __init__(self, region: Region, own: int, peer: int) -> None: ...
