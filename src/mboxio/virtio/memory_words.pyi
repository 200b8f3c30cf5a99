from mboxio.regions.region import Region
from mboxio.virtio.words import Words

class MemoryWords(Words):
    def __init__(self, region: Region) -> None: ...
