"""A message's place with the hardware, and whose reply it is.

Theory of operation. A `Queue` owns the resources of one FIFO or ring: the count of slots and of
reply credits in use, and the window, which is the table of every message that was handed over and
of which something is held. A `Channel` owns what gives messages their meaning: the correlator, the
requests whose replies are expected in order, and the counts. Everything in both runs under the
gate's lock. A submitting thread comes in by `Queue.place`, the pump by `Queue.on_time`, a driver's
op by reports such as `take_tx_done` and `take_batch`, and `Gate.settle` by `Line.refill`.

A request has two lives, and they end apart. For its caller it ends once, in `Ends.finish`, which
frees nothing of the hardware's. For the hardware it ends when its `_holds` are 0, and each bit of
them is cleared by a proof: TX done, the reply, a later reply in order, an abort that the driver
vouches for, a new epoch, `resync`, or close. `Held.release` is the only place that clears them
after the message was handed over. So a late reply finds its own request in the window and ends
nothing else.

The order of steps:

- `place` compares first, and takes what it needs only when nothing is missing. The request stands
  in the window, with its handle, before the driver's ``send`` sees the handle.
- `accept` ends the request first, then the older ones whose replies it proves lost, then releases:
  releasing takes the request out of the window, and ending needs its tag and owner.
- `finish` takes the request out of the line, moves its state, stores the value, tells the owner,
  and sets ``over`` last: threads read ``over`` without the lock, and ``_value`` after it.
- A refill sends our answers to the remote first, then one message of each client in turn.

What must never happen: a slot, tag or credit that is freed because time passed; two requests in the
window with one handle; a request that ends twice; user code or a wait under the lock; a message of
a client that overtakes an earlier one of the same client.
"""
