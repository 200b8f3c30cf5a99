"""The rules of the mailbox framework as a small program of its own, to compare `mboxio.linux` with.

It knows nothing of mboxio. `Model(trace).run()` yields for each step what is expected, in the form
of a trace. That it is right is shown by the recorded traces, which it repeats.
"""

import copy
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any

POLL, AT, TIMEOUT, END = range(4)
QUEUE_LENGTH = 20
HOUR_MS = 3_600_000
Json = Any
Steps = Generator[None, None, Any]


class Message:
    """A message on its way."""

    def __init__(self, msg: Json, client: str) -> None:
        self.msg, self.client = msg, client
        self.token = 0
        self.result: Json = ...
        self.sender: Any = None


class Channel:
    """A channel of a controller."""

    def __init__(self, ctrl: "Ctrl", index: int) -> None:
        self.ctrl, self.name = ctrl, f"{ctrl.id}/{index}"
        self.client: str | None = None
        self.method = ""
        self.queue: list[Message] = []
        self.active: Message | None = None
        self.tokens = 0


class Ctrl:
    """A controller."""

    def __init__(self, given: Json) -> None:
        self.given, self.id = given, given["id"]
        self.ops = given["ops"] or []
        self.requests = "send_request" in self.ops
        self.registered = self.managed = False
        self.refs = 0
        self.timer: Any = None
        self.chans = [Channel(self, index) for index in range(given["num_chans"])]


class Wait:
    """What requests complete: statuses that nobody took, and threads that wait."""

    def __init__(self) -> None:
        self.statuses: deque[Json] = deque()
        self.threads: deque[Any] = deque()


class Thread:
    """A thread: it runs until it has to wait."""

    def __init__(self, name: str, steps: Steps) -> None:
        self.name, self.steps = name, steps
        self.over = False
        self.result: Json = None
        self.handed: Json = None


class Model:
    """One run of a script."""

    def __init__(self, trace: Json) -> None:
        self.trace = trace
        self.now: float = 0
        self.order = 0
        self.due: list[Any] = []
        self.ready: deque[Thread] = deque()
        self.threads: list[Thread] = []
        self.running: Any = None
        self.events: list[Json] = []
        self.ctrls = {each["id"]: Ctrl(each) for each in trace["controllers"]}
        self.clients = {each["id"]: each for each in trace["clients"]}
        self.chans = {chan.name: chan for ctrl in self.ctrls.values() for chan in ctrl.chans}
        self.scripts = copy.deepcopy(trace["behaviour"])
        self.waits: dict[str, Wait] = {}
        self.wait_of: dict[str, str] = {}
        self.in_flight: dict[str, str] = {}
        self.results: dict[str, Json] = {}
        self.pending = 0

    # -- the clock

    def later(self, rank: int, due: float, what: Any) -> Any:
        """Plan something."""
        self.order += 1
        item = [rank, due, self.order, what]
        self.due.append(item)
        return item

    def forget(self, item: Any) -> None:
        """Take something out of the plan."""
        if item in self.due:
            self.due.remove(item)

    def happen(self) -> None:
        """Let the next thing happen."""
        item = min(self.due, key=lambda each: (max(each[1], self.now), each[0], each[1], each[2]))
        self.due.remove(item)
        self.now = max(item[1], self.now)
        item[3]()

    def spawn(self, name: str, steps: Steps) -> Thread:
        """Make a thread that is ready."""
        thread = Thread(name, steps)
        self.ready.append(thread)
        return thread

    def run_ready(self) -> None:
        """Run the thread that is ready first, until it waits or ends."""
        self.running = thread = self.ready.popleft()
        try:
            next(thread.steps)
        except StopIteration as stop:
            thread.over, thread.result = True, stop.value

    def run(self) -> Iterator[Json]:
        """Run all steps; yields what each is expected to show."""
        for step in self.trace["steps"]:
            self.events = []
            main = self.spawn("", self.do(step))
            while not main.over or self.ready:
                if self.ready:
                    self.run_ready()
                else:
                    self.happen()
            blocked = [thread.name for thread in self.threads if not thread.over]
            yield {
                "ret": main.result,
                "t": self.now,
                "events": self.events,
                "state": {name: self.state(ctrl) for name, ctrl in self.ctrls.items()},
                "blocked": blocked,
            }

    def state(self, ctrl: Ctrl) -> Json:
        """Describe a controller."""
        chans = [chan.client and self.state_of(chan) for chan in ctrl.chans]
        state = {"registered": ctrl.registered, "module_refs": ctrl.refs, "chans": chans}
        if "poll" in (ctrl.given["txdone"] or "") and not ctrl.requests:
            state["poll_timer"] = ctrl.timer and ctrl.timer[1]
        return state

    def state_of(self, chan: Channel) -> Json:
        """Describe a channel with an owner."""
        if chan.ctrl.requests:
            return {"client": chan.client}
        return {
            "client": chan.client,
            "txdone": chan.method,
            "queued": len(chan.queue),
            "active": chan.active and chan.active.msg,
        }

    # -- scripts

    def note(self, ev: str, **more: Json) -> None:
        """Record an event."""
        self.events.append({"t": self.now, "ev": ev, **more})

    def say(self, level: str, code: str) -> None:
        """Record a log."""
        self.note("log", level=level, code=code)

    def entry(self, subject: str, what: str) -> Json:
        """Take the next entry of a script."""
        entries = self.scripts.get(subject, {}).get(what) or [None]
        entry = entries[0]
        if not isinstance(entry, dict):
            entry = {"ret": entry}
        elif "times" in entry and entry["times"] != 1:
            entry["times"] -= entry["times"] > 0
            return entry
        entries.pop(0)
        return entry

    def call(self, chan: Channel, op: str, default: Json, **more: Json) -> Json:
        """Call an op."""
        if op not in chan.ctrl.ops:
            return default
        entry = self.entry(chan.name, op)
        ret = default if entry.get("ret") is None else entry["ret"]
        self.note(op, chan=chan.name, **more, **({} if op == "shutdown" else {"ret": ret}))
        self.act(entry, op)
        return ret

    def callback(self, client: str, callback: str, msg: Json, **more: Json) -> None:
        """Call a client back."""
        if callback in self.clients[client]["callbacks"]:
            self.note(callback, client=client, msg=msg, **more)
            self.act(self.entry(client, callback), callback)

    def act(self, entry: Json, by: str) -> None:
        """Do what an entry says; nothing of it may wait."""
        self.now += entry.get("spin", 0)
        for _ in self.do_all(entry.get("do", ()), by):
            raise AssertionError("the script waits where nothing may")

    def do_all(self, ops: Json, by: str) -> Steps:
        """Run a list of ops."""
        for op in ops:
            self.note("call", by=by, op=op)
            ret = yield from self.do(op)
            self.note("return", by=by, op=op["op"], ret=ret)

    def do(self, op: Json) -> Steps:
        """Run an op."""
        ret = getattr(self, "do_" + op["op"])(op)
        if isinstance(ret, Generator):
            ret = yield from ret
        return ret

    # -- life

    def do_register(self, op: Json) -> Json:
        ctrl = self.ctrls[op["ctrl"]]
        ops = ctrl.given["ops"]
        if op.get("null") or ctrl.given.get("no_device") or not ops or not ctrl.chans:
            return "EINVAL"
        if ("send_data" in ops) == ctrl.requests:
            return "EINVAL"
        flags = (ctrl.given["txdone"] or "ack").split("+")
        if flags[0] == "poll" and "last_tx_done" not in ops and not ctrl.requests:
            self.say("err", "no_last_tx_done")
            return "EINVAL"
        for chan in ctrl.chans:
            chan.method = flags[0]
        ctrl.registered = True
        return 0

    def do_unregister(self, op: Json) -> None:
        ctrl = self.ctrls[op["ctrl"]]
        if not op.get("null") and ctrl.registered:
            for chan in ctrl.chans:
                self.free(chan)
            ctrl.registered = False
            self.forget(ctrl.timer)
            ctrl.timer = None

    def do_devm_register(self, op: Json) -> Json:
        error = self.do_register(op)
        self.ctrls[op["ctrl"]].managed |= error == 0
        return error

    def do_device_remove(self, op: Json) -> None:
        ctrl = self.ctrls[op["ctrl"]]
        if ctrl.managed:
            ctrl.managed = False
            self.do_unregister(op)

    do_devm_unregister = do_device_remove

    def do_bind(self, op: Json) -> Json:
        return self.bind(self.chans[op["chan"]], op["client"])

    def bind(self, chan: Channel, client: str) -> Json:
        """Make a client the owner."""
        if chan.client or self.entry(chan.ctrl.id, "module_get").get("ret") is False:
            self.say("dbg", "not_free")
            return "EBUSY"
        chan.ctrl.refs += 1
        chan.client, chan.queue, chan.active, chan.tokens = client, [], None, 0
        if chan.method == "poll" and self.clients[client]["knows_txdone"]:
            chan.method = "ack"
        error = self.call(chan, "startup", 0)
        if error:
            self.say("err", "startup_failed")
            self.free(chan)
        return error

    def do_free(self, op: Json) -> None:
        if op["chan"] is not None:
            self.free(self.chans[op["chan"]])

    def free(self, chan: Channel) -> None:
        """Take the owner away; only used where nobody is blocked."""
        if chan.client:
            self.call(chan, "shutdown", None)
            chan.client, chan.queue, chan.active = None, [], None
            chan.method = (chan.ctrl.given["txdone"] or "ack").split("+")[0]
            chan.ctrl.refs -= 1

    def do_request(self, op: Json) -> Json:
        client = self.clients[op["client"]]
        if not client.get("has_node", True):
            self.say("dbg", "no_owner_node")
            return "ENODEV"
        if not 0 <= op["index"] < len(client.get("mboxes", ())):
            self.say("dbg", "cannot_parse_mboxes")
            return "ENODEV"
        name, index = client["mboxes"][op["index"]]
        ctrl = self.ctrls.get(name)
        if ctrl is None or not ctrl.registered:
            return "EPROBE_DEFER"
        if not 0 <= index < len(ctrl.chans):
            return "EINVAL"
        return self.bind(ctrl.chans[index], client["id"]) or ctrl.chans[index].name

    def do_request_byname(self, op: Json) -> Json:
        client = self.clients[op["client"]]
        if not client.get("has_node", True):
            self.say("err", "no_owner_node")
            return "EINVAL"
        if op["name"] not in client.get("mbox_names", ()):
            self.say("err", "no_such_name")
            return "EINVAL"
        return self.do_request({**op, "index": client["mbox_names"].index(op["name"])})

    # -- messages

    def do_send(self, op: Json) -> Any:
        chan = self.chans.get(op["chan"])
        if chan is None or not chan.client:
            return "EINVAL"
        if chan.ctrl.requests:
            self.say("dbg", "not_for_requests")
            return "EOPNOTSUPP"
        if len(chan.queue) == QUEUE_LENGTH:
            self.say("err", "queue_full")
            return "ENOBUFS"
        message = Message(op["msg"], chan.client)
        message.token = chan.tokens % QUEUE_LENGTH
        chan.tokens += 1
        chan.queue.append(message)
        self.submit(chan)
        client = self.clients[chan.client]
        return self.block(chan, message, client) if client["tx_block"] else message.token

    def block(self, chan: Channel, message: Message, client: Json) -> Steps:
        """Wait for the end of a message."""
        if message.result is ...:
            message.sender = me = self.running
            timeout = self.later(
                TIMEOUT, self.now + (client["tx_tout"] or HOUR_MS), lambda: self.ready.append(me)
            )
            yield
            self.forget(timeout)
        if message.result is ...:
            message.sender = None
            if message in chan.queue:
                chan.queue.remove(message)
                self.submit(chan)
                self.callback(message.client, "tx_done", message.msg, status="ETIME")
            else:
                self.tick(chan, "ETIME")
            return "ETIME"
        return message.token if message.result == 0 else message.result

    def submit(self, chan: Channel) -> None:
        """Try the oldest message if nothing is active."""
        if chan.active or not chan.queue:
            return
        message = chan.queue[0]
        self.callback(message.client, "tx_prepare", message.msg)
        if self.call(chan, "send_data", 0, msg=message.msg) == 0:
            chan.active = chan.queue.pop(0)
            if chan.method == "poll":
                self.arm(chan.ctrl, self.now)

    def tick(self, chan: Channel, status: Json) -> None:
        """The active message left."""
        message, chan.active = chan.active, None
        self.submit(chan)
        if message:
            message.result = status
            self.callback(message.client, "tx_done", message.msg, status=status)
            if message.sender and status != "ETIME":
                self.ready.append(message.sender)

    def do_chan_txdone(self, op: Json) -> None:
        self.done(op, "irq", "controller_cannot_tick")

    def do_client_txdone(self, op: Json) -> None:
        self.done(op, "ack", "client_cannot_tick")

    def done(self, op: Json, method: str, refusal: str) -> None:
        """Say that a message left."""
        chan = self.chans[op["chan"]]
        if chan.ctrl.requests:
            self.say("dbg", "not_for_requests")
        elif chan.method != method:
            self.say("err", refusal)
        else:
            self.tick(chan, op["status"])

    def do_received(self, op: Json) -> None:
        chan = self.chans[op["chan"]]
        if chan.ctrl.requests:
            self.say("dbg", "not_for_requests")
        elif chan.client:
            self.callback(chan.client, "rx_callback", op["msg"])

    def do_peek(self, op: Json) -> Json:
        return self.call(self.chans[op["chan"]], "peek_data", False)

    def do_flush(self, op: Json) -> Json:
        chan = self.chans[op["chan"]]
        if "flush" not in chan.ctrl.ops:
            return "ENOTSUPP"
        ret = self.call(chan, "flush", 0, timeout=op["timeout"])
        if isinstance(ret, str) and not chan.ctrl.requests:
            self.tick(chan, ret)
        return ret

    # -- the poll timer

    def arm(self, ctrl: Ctrl, due: float) -> None:
        """Set the timer, whatever it was set to."""
        self.forget(ctrl.timer)
        ctrl.timer = self.later(POLL, due, lambda: self.poll(ctrl, due))

    def poll(self, ctrl: Ctrl, due: float) -> None:
        """Ask all channels that poll."""
        ctrl.timer = None
        again = False
        for chan in ctrl.chans:
            if chan.client and chan.active and chan.method == "poll":
                if self.call(chan, "last_tx_done", True):
                    self.tick(chan, 0)
                else:
                    again = True
        if again and ctrl.timer is None:
            while due <= self.now:
                due += ctrl.given["txpoll_period"]
            self.arm(ctrl, due)

    # -- requests

    def do_send_request(self, op: Json) -> Json:
        chan, req = self.chans[op["chan"]], op["req"]
        self.wait_of[req] = op["wait"]
        ret: Json = "EINVAL"
        if chan.client:
            self.in_flight[req] = op["wait"]
            ret = self.call(chan, "send_request", "EINPROGRESS", req=req)
            if ret != "EINPROGRESS":
                self.in_flight.pop(req, None)
        self.results[req] = ret
        return ret

    def do_complete(self, op: Json) -> None:
        wait = self.waits.setdefault(self.wait_of.get(op["req"], ""), Wait())
        if op["status"] == "EINPROGRESS" or self.in_flight.pop(op["req"], None) is None:
            return
        if wait.threads:
            thread = wait.threads.popleft()
            thread.handed = op["status"]
            self.ready.append(thread)
        else:
            wait.statuses.append(op["status"])

    def do_wait_request(self, op: Json) -> Any:
        error = self.results[op["err_of"]] if "err_of" in op else op["err"]
        wait = self.waits.setdefault(op["wait"], Wait())
        if error != "EINPROGRESS":
            return error
        return wait.statuses.popleft() if wait.statuses else self.await_request(wait)

    def await_request(self, wait: Wait) -> Steps:
        """Wait for the end of a request."""
        me = self.running
        wait.threads.append(me)
        yield
        return me.handed

    # -- time

    def do_advance(self, op: Json) -> Steps:
        me = self.running
        self.later(END, self.now + op["ms"], lambda: self.ready.append(me))
        yield
        return None

    def do_at(self, op: Json) -> None:
        self.pending += 1

        def fire() -> None:
            self.pending -= 1
            self.act({"do": op["do"]}, "at")

        self.later(AT, self.now + op["after"], fire)

    def do_spawn(self, op: Json) -> None:
        name = op["thread"]
        self.threads.append(self.spawn(name, self.do_all(op["do"], f"thread:{name}")))
