"""Checks of opening, closing, and the far side's lives."""

from mboxio.driver.capabilities import Capabilities
from mboxio.errors import AddressError, ClosedError, RemoteError, RemoteGone
from mboxio.testing.suite import check
from mboxio.testing.trial import Trial, fail, require
from mboxio.testing.watch import Log, Watched

__tracebackhide__ = True  # pytest shows the test and the driver, not what lies between

STEPS_MAX = 64


@check("opens and declares sane channels")
def _opens(trial: Trial) -> None:
    require(trial.host.channels, "open() declared no channel: call add_channel()")
    for name, channel in trial.host.channels.items():
        fits = name.strip() == name != "" and not set(name) & set("/?&=")
        require(fits, f"channel {name!r} cannot stand in an address")
        misleads = name.isdigit() and int(name) != channel.number
        require(not misleads, f"channel {name!r} has another number, {channel.number}")
        require(channel.queue in trial.host.queues, f"channel {name!r} is on no queue of its own")
        require(channel.can_send or channel.can_receive, f"channel {name!r} does nothing")
        known = isinstance(channel.queue.capabilities, Capabilities)
        require(known, f"the queue of channel {name!r} was declared without Capabilities")


@check("close() copes with an open() that failed half-way", opened=False)
def _fails_half_way(trial: Trial) -> None:
    each = trial
    for step in range(1, STEPS_MAX):
        log = Log(fails_at=step)
        try:
            host = Watched(each.bench.controller, log)
        except Exception as error:
            told = isinstance(error, RemoteGone)
            require(told, f"after a failure in declaration {step}, {error!r} came out")
        else:
            host.close()
            went_on = log.declared >= step
            require(not went_on, f"open() went on after the failure of declaration {step}")
        each.require_nothing_left(f"after open() failed in declaration {step}")
        if log.declared < step:
            return
        each.close()
        each = trial.other()


@check("a channel starts again after its last client left")
def _starts_again(trial: Trial) -> None:
    trial.use()
    first = trial.client
    trial.client = trial.new_client()
    first.close()
    trial.use()
    trial.client.close()
    trial.client = trial.new_client()
    trial.use()


@check("close() ends what is in flight and leaves nothing behind")
def _closes(trial: Trial) -> None:
    requests = []
    if trial.has("ends"):
        trial.stall()
        begin = trial.client.submit if trial.has("reply") else trial.client.post
        requests = [begin(trial.message(number)) for number in range(min(trial.capacity(), 3))]
    started_ns = trial.now_ns()
    trial.host.close()
    took_s = (trial.now_ns() - started_ns) / 1e9
    require(took_s < trial.patience_s, f"closing took {took_s:.1f} s")
    for request in requests:
        require(request.over, f"{request!r} is not over after close")
        error = request.exception()
        ended = error is None or isinstance(error, ClosedError)
        require(ended, f"a request in flight ended with {error!r}, not ClosedError")
    trial.require_nothing_left("after close")


@check("opens again after it was closed")
def _opens_again(trial: Trial) -> None:
    trial.use()
    trial.close()
    again = trial.other()
    again.open()
    again.use()


@check("a restart ends what is pending, and the channel works again", "restart", "reply")
def _restarts(trial: Trial) -> None:
    assert trial.bench.restart is not None
    trial.exchange(1)
    trial.stall()
    requests = [
        trial.client.submit(trial.message(number)) for number in range(2, 2 + trial.capacity())
    ]
    trial.bench.restart()
    for request in requests:
        require(request.wait(trial.patience_s), f"{request!r} is not over after the restart")
        error = request.exception()
        answered = error is None and trial.bench.stall is None
        if not answered and not isinstance(error, RemoteGone):
            end = f"ended with {error!r}" if error else "was answered"
            fail(f"a request of the old life {end}: report link(True, new epoch)")
    trial.exchange(100)
    trial.require_nothing_held("after the restart")


@check("a dead remote is noticed", "kill", "ends")
def _dies(trial: Trial) -> None:
    assert trial.bench.kill is not None
    trial.use()
    trial.stall()
    begin = trial.client.submit if trial.has("reply") else trial.client.post
    request = begin(trial.message(2))
    trial.bench.kill()
    require(request.wait(trial.patience_s), f"{request!r} is not over though the remote is dead")
    error = request.exception()
    answered = error is None and trial.bench.stall is None
    noticed = answered or isinstance(error, RemoteGone)
    require(noticed, f"the request ended with {error!r}, not RemoteGone: report link(False)")
    trial.soon(lambda: trial.host.lost, "the remote died and link(False, ...) was not reported")


@check("the doorbell rings or says that there is none", "send")
def _rings(trial: Trial) -> None:
    try:
        trial.client.ring()
        trial.client.ring()
    except AddressError:
        return  # what ring() is to raise where messages have the only doorbell
    except RemoteError as error:
        fail(f"ring() raised {error!r}; a controller without a doorbell raises AddressError")
