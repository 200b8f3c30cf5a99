"""What an earlier life of either side left in the rings of an ACPM channel."""

from mboxio.controllers.acpm.layout import AcpmChannel, outstanding, tags_in
from mboxio.controllers.rings import Lane
from mboxio.driver.correlate import NOTIFICATION
from mboxio.regions.region import Region

__all__ = ["drop_received", "still_in"]


def drop_received(lane: Lane) -> None:
    """Count what an earlier life left for the host, and give it to nobody. Under the lock."""
    counts = lane.channel.counts
    for _, _, message in lane.consumer.pop_batch(lane.consumer.slots):
        if lane.channel.correlator.classify(message).kind == NOTIFICATION:
            counts.notifications += 1
            counts.unclaimed += 1
        else:
            counts.unknown += 1


def still_in(region: Region, lane: Lane, each: AcpmChannel) -> list[int]:
    """Return the tags of the messages that are in the ring towards the firmware, oldest first.

    They will be answered. Others in its slots may have been, a moment ago: so the longest unused
    tags are taken first from now on. Under the lock.
    """
    left = outstanding(lane.producer)
    tags = tags_in(region, each.to_remote)
    free = lane.channel.correlator.free
    for tag in tags:
        if tag in free:
            free.remove(tag)
            free.append(tag)
    return tags[len(tags) - left :]
