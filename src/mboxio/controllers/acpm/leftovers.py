"""What an earlier life of either side left in the rings of an ACPM channel."""

from mboxio.controllers.acpm.layout import TAG_BITS, AcpmChannel, outstanding, tags_in
from mboxio.controllers.rings import Lane
from mboxio.driver.correlate import NOTIFICATION
from mboxio.regions.region import Region

__all__ = ["drop_received", "left_over", "unanswered"]

TAGS = (1 << TAG_BITS) - 1
NOWHERE = 1 << 16
NEVER, NO_TAG = -1, 0
"""In place of a tag: a slot that nobody has written; a message that is no reply."""


def drop_received(lane: Lane) -> None:
    """Count what an earlier life left for the host, and give it to nobody. Under the lock."""
    counts = lane.channel.counts
    for _, _, message in lane.consumer.pop_batch(lane.consumer.slots):
        if lane.channel.correlator.classify(message).kind == NOTIFICATION:
            counts.notifications += 1
            counts.unclaimed += 1
        else:
            counts.unknown += 1


def left_over(region: Region, lane: Lane, each: AcpmChannel) -> tuple[list[int], list[int]]:
    """Return the tags of messages that will be answered, the oldest first. Under the lock.

    Others in the slots may have been answered, a moment ago: so the longest unused tags are taken
    first from now on.

    Returns:
        those that the firmware has taken; those that are still in the ring.
    """
    left = outstanding(lane.producer)
    tags = tags_in(region, each.to_remote)
    free = lane.channel.correlator.free
    for tag in tags:
        if tag in free:
            free.remove(tag)
            free.append(tag)
    taken, waiting = tags[: len(tags) - left], tags[len(tags) - left :]
    read, given = region.read(each.to_remote.rear, 4), region.read(each.to_host.front, 4)
    if region.read(each.to_remote.front, 4) == given == 0 == left:
        taken = []  # of another life: this one has not begun
    ahead = (read - given) % each.to_host.slots
    found = unanswered(taken, tags_in(region, each.to_host), ahead)
    return [tag for tag in found if tag not in waiting], waiting


def unanswered(taken: list[int], given: list[int], ahead: int) -> list[int]:
    """Return the tags of messages that the firmware took and has not answered.

    The slots of a ring keep what went through it: each message that was taken, and the replies. A
    tag comes again after all others, so a reply in the slots may be that of its use before: such
    are further back than any that answers this message.

    Firmware that answers a message after more than half a ring of later ones is not seen through,
    nor is anything where notifications have taken the place of the replies.

    Args:
        taken: tags of the messages in the slots, the oldest first.
        given: tags in the slots of the other ring, `NEVER` or `NO_TAG`, the oldest first.
        ahead: how many messages more than replies there were, if nothing but replies came.
    """
    size = len(given)
    replies = [tag for tag in reversed(given) if tag > 0]
    seen = size - given.count(NO_TAG)  # so far back there can be replies at all
    places = {tag: place for place, tag in reversed([*enumerate(replies, 1)])}
    ages = [(age, tag) for age, tag in enumerate(reversed(taken), 1) if tag > 0]
    unsure = [tag for age, tag in ages if places.get(tag, NOWHERE) > age]
    most = len(unsure) if NO_TAG in given else ahead
    overtaken = max(size - 1 - most, TAGS - 2 * size)
    late = [(age, tag) for age, tag in ages if places.get(tag, NOWHERE) > age + overtaken]
    newest = min({age for age, _ in ages} - {age for age, _ in late}, default=size + 1)
    # All replies of this life are there, or the latest.
    old = size if NEVER in given else (seen + 1) // 2
    found = [tag for age, tag in late if age <= (seen if age < newest else old)]
    return list(dict.fromkeys(reversed(found)))
