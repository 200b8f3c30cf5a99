"""Who waits, who sleeps, and who is woken.

Theory of operation. A `Pump` owns the wait source of one connection: its descriptors, the list of
queues to service, and the choice of the thread that sleeps. It has no thread of its own. Any party
with a reason drives it: a blocking waiter, an event loop's callback, or the service thread. It
stands on two floors: `Turns` is what is done under the lock, `Spinner` the look before a sleep.

At most one thread is the leader, and only the leader sleeps on the descriptors; `Pump.leader` names
its parker. Other waiters are parked on a lock, oldest first. A waiter takes the lead if it is free,
or from the service thread. When it stops, `step_down` gives the lead to the oldest parked
waiter, or rings the service thread. Loops never lead: each has private copies of the descriptors.

One turn of the leader (`lead_on`), under the lock except for the sleep:

1. Service every queue, and do what is due: poll ticks, pauses, deadlines.
2. Settle: run notes and refill, since a refill may complete what the leader waits for.
3. Unless its wait is over, arm. That announces the sleep to the remote and looks once more, so what
   comes between the look and the sleep is either seen now or rings. True means: do not sleep.
4. Choose the time to wake, name the descriptors, release the lock, sleep (`doze`).

Looking takes an announcement back, because ``service`` disarms. A party that looked without being
the leader (a spinner, `look`, a loop) therefore calls `rearm` while others sleep.

`turn`, `serve`, `arm`, `rearm`, `take_lead`, `step_down` and `kick` are called under the lock.
`wait`, `look`, `spin` and `lead_on` take it themselves, and are called from callers' threads, the
loop and the service thread. A wait inside a driver's op or port is refused (`Gate.may_wait`).

What must never happen: a sleep that was not announced after the last look; two leaders; a leader
that leaves without an heir while others are parked; a wait under the lock; a driver's exception
that escapes to the thread that happened to lead. The 200 ms after which a sleeper looks anyway
while something is in flight (`SAFETY_NS`) are a safety net, and nothing relies on them.
"""
