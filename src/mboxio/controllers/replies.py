"""The option ``replies=``: how a reply is tied to its request where the wire does not say."""

import re
import secrets

from mboxio.driver.correlate import Correlator, InOrder, Tagged

__all__ = ["correlator_of"]

TAG = re.compile(r"tag:([0-9]{1,5}):([124])", re.ASCII)
ORDER = re.compile(r"order(?::([0-9]{1,5}))?", re.ASCII)
TAG_BITS_MAX = 16


def correlator_of(replies: str) -> Correlator | None:
    """Return a new correlator, for one channel; None: nothing is tied.

    Its first tag is any: replies to a host that died meet no request of this one.

    Args:
        replies: ``none``; ``order``: replies come in the order of the requests, ``order:N`` with so
            many in flight, for firmware that is known to lose none; ``tag:BYTE:BYTES``: a number in
            the message, which begins at that byte.

    Raises:
        ValueError: it is none of them.
    """
    if replies == "none":
        return None
    if found := ORDER.fullmatch(replies):
        return InOrder(int(found[1] or 1))
    if found := TAG.fullmatch(replies):
        offset, size = int(found[1]), int(found[2])
        if offset % 4 + size > 4:
            raise ValueError(
                f"replies={replies}: a tag lies within one word of 4 bytes, from a multiple of 4 on"
            )
        bits = min(8 * size, TAG_BITS_MAX)
        tagged = Tagged(word=offset // 4, low_bit=8 * (offset % 4), bits=bits)
        tagged.free.rotate(secrets.randbelow(len(tagged.free)))
        return tagged
    raise ValueError(f"replies={replies!r}: write none, order, order:IN_FLIGHT or tag:OFFSET:BYTES")
