"""Replay traces of the Linux mailbox framework on `mboxio.linux`, and compare what happens.

    python tests/kernel/replay.py FILE...

A trace (``mbox-trace-1``, one in a ``.json`` file, one a line in a ``.jsonl`` file) is a script and
what was seen when the kernel's own code ran it. This file builds the set-up, runs the script and
records; all that it knows is how to call `mboxio.linux` and how a trace is written. A trace with
``kernel_bug`` shows a fault of the original and is skipped.
"""

import errno
import json
import logging
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from mboxio import linux
from mboxio.sim import VirtualClock
from mboxio.sim.clock import LATE_TIMER

MS = 1_000_000
ERRORS = {
    name: number
    for name, number in vars(errno).items()
    if name.startswith("E") and isinstance(number, int)
} | {"EPROBE_DEFER": linux.EPROBE_DEFER, "ENOTSUPP": linux.ENOTSUPP}
NAMES = {number: name for name, number in ERRORS.items()} | {
    errno.EOPNOTSUPP: "EOPNOTSUPP",
    errno.EAGAIN: "EAGAIN",
    errno.EDEADLK: "EDEADLK",
}
FORMAT = "mbox-trace-1"
KEYS = {"name": str, "controllers": list, "clients": list, "behaviour": dict, "steps": list}
TIMES_FOR_EVER = -1
DEFAULTS = {"send_request": "EINPROGRESS", "last_tx_done": True, "peek_data": False}
LEVELS = {logging.ERROR: "err", logging.DEBUG: "dbg"}
Json = Any


def number(value: Json) -> Json:
    """Turn the name of an error into what the kernel's functions return."""
    return -ERRORS[value] if isinstance(value, str) else value


def named(value: Any) -> Json:
    """Turn what a function returned into what stands in a trace."""
    if isinstance(value, linux.mbox_chan):
        return f"{value.mbox.dev.name}/{value.index}"
    if isinstance(value, int) and not isinstance(value, bool) and value < 0:
        return NAMES.get(-value, value)
    return value


class Mismatch(Exception):
    """What was seen differs from the trace."""


class ScriptedModule(linux.module):
    """A driver's module that may say that it is going away."""

    def __init__(self, run: "Run", ctrl: str) -> None:
        self.run, self.ctrl = run, ctrl

    def try_get(self) -> bool:
        """See `linux.module.try_get`."""
        entry = self.run.entry(self.ctrl, "module_get")
        return entry.get("ret") is not False and super().try_get()


class Run(logging.Handler):
    """One trace on a clock of its own."""

    def __init__(self, trace: Json) -> None:
        super().__init__(logging.DEBUG)
        self.trace = trace
        self.clock = VirtualClock()
        self.events: list[Json] = []
        self.scripts: dict[tuple[str, str], list[Json]] = {
            (subject, what): [[entry, None] for entry in entries]
            for subject, scripts in trace["behaviour"].items()
            for what, entries in scripts.items()
        }
        self.nodes: defaultdict[str, linux.device_node] = defaultdict(linux.device_node)
        self.controllers = {each["id"]: self.controller(each) for each in trace["controllers"]}
        self.polls = {each["id"] for each in trace["controllers"] if self.has_timer(each)}
        self.clients = {each["id"]: self.client(each) for each in trace["clients"]}
        self.requests: dict[str, linux.mbox_request] = {}
        self.waits: dict[str, linux.mbox_wait] = {}
        self.results: dict[str, int] = {}
        self.threads: dict[str, Any] = {}
        self.blocked: list[str] = []
        self.pending = 0

    # -- the set-up

    @staticmethod
    def has_timer(given: Json) -> bool:
        """Tell whether the trace shows a poll timer of this controller."""
        return "poll" in (given["txdone"] or "") and "send_request" not in (given["ops"] or ())

    def controller(self, given: Json) -> linux.mbox_controller:
        """Make a controller whose ops follow the script."""
        txdone = (given["txdone"] or "").split("+")
        name = given["id"]
        device = linux.device(name, self.nodes[name])
        ops = None
        if given["ops"] is not None:
            ops = linux.mbox_chan_ops(**{op: self.op(op) for op in given["ops"]})
        return linux.mbox_controller(
            dev=None if given.get("no_device") else device,
            ops=ops,
            num_chans=given["num_chans"],
            txdone_irq="irq" in txdone,
            txdone_poll="poll" in txdone,
            txpoll_period=given.get("txpoll_period", 0),
            owner=ScriptedModule(self, name),
            clock=self.clock,
        )

    def op(self, op: str) -> Callable[..., Any]:
        """Make an op that notes its call and does what the script says."""

        def called(chan: linux.mbox_chan, *args: Any) -> Any:
            name = named(chan)
            entry = self.entry(name, op)
            result = entry.get("ret")
            if result is None:
                result = DEFAULTS.get(op, 0)
            event = {"ev": op, "chan": name}
            if op != "shutdown":
                event["ret"] = result
            if op == "send_data":
                event["msg"] = args[0]
            elif op == "send_request":
                event["req"] = self.name_of(args[0])
            elif op == "flush":
                event["timeout"] = args[0]
            self.note(event)
            self.act(entry, op)
            return number(result)

        return called

    def client(self, given: Json) -> linux.mbox_client:
        """Make a client whose callbacks follow the script."""
        name = given["id"]
        node = None
        if given.get("has_node", True):
            references = [
                linux.of_phandle_args(self.nodes[ctrl], [chan])
                for ctrl, chan in given.get("mboxes", ())
            ]
            node = linux.device_node(references, given.get("mbox_names", ()))
        return linux.mbox_client(
            dev=linux.device(name, node),
            tx_block=given["tx_block"],
            tx_tout=given["tx_tout"],
            knows_txdone=given["knows_txdone"],
            **{callback: self.callback(name, callback) for callback in given["callbacks"]},
        )

    def callback(self, client: str, callback: str) -> Callable[..., Any]:
        """Make a callback that notes its call and does what the script says."""

        def called(cl: linux.mbox_client, msg: Any, *status: int) -> None:
            event = {"ev": callback, "client": client, "msg": msg}
            if status:
                event["status"] = named(status[0])
            self.note(event)
            self.act(self.entry(client, callback), callback)

        return called

    # -- what the script says

    def entry(self, subject: str, what: str) -> Json:
        """Take the next entry for an op or callback."""
        entries = self.scripts.get((subject, what))
        if not entries:
            return {}
        entry, left = entries[0]
        if not isinstance(entry, dict):
            entry = {"ret": entry}
        left = entry.get("times", 1) if left is None else left
        if left == 1:
            entries.pop(0)
        elif left != TIMES_FOR_EVER:
            entries[0][1] = left - 1
        return entry

    def act(self, entry: Json, by: str) -> None:
        """Spend the time and run the ops of an entry."""
        self.clock.jump(entry.get("spin", 0) * MS)
        self.run_all(entry.get("do", ()), by)

    def run_all(self, ops: Json, by: str) -> None:
        """Run ops one after the other, with an event at the start and the end of each."""
        for op in ops:
            self.note({"ev": "call", "by": by, "op": op})
            result = self.run_op(op)
            self.note({"ev": "return", "by": by, "op": op["op"], "ret": result})

    def run_op(self, op: Json) -> Json:
        """Run one op and return its result as it stands in a trace."""
        return named(getattr(self, "do_" + op["op"])(op))

    # -- the ops

    def do_register(self, op: Json) -> int:
        return linux.mbox_controller_register(None if op.get("null") else self.ctrl(op))

    def do_unregister(self, op: Json) -> None:
        linux.mbox_controller_unregister(None if op.get("null") else self.ctrl(op))

    def do_devm_register(self, op: Json) -> int:
        return linux.devm_mbox_controller_register(self.ctrl(op).dev, self.ctrl(op))

    def do_devm_unregister(self, op: Json) -> None:
        linux.devm_mbox_controller_unregister(self.ctrl(op).dev, self.ctrl(op))

    def do_device_remove(self, op: Json) -> None:
        self.ctrl(op).dev.remove()

    def do_bind(self, op: Json) -> int:
        return linux.mbox_bind_client(self.chan(op), self.clients[op["client"]])

    def do_request(self, op: Json) -> Any:
        return linux.mbox_request_channel(self.clients[op["client"]], op["index"])

    def do_request_byname(self, op: Json) -> Any:
        return linux.mbox_request_channel_byname(self.clients[op["client"]], op["name"])

    def do_free(self, op: Json) -> None:
        linux.mbox_free_channel(self.chan(op))

    def do_send(self, op: Json) -> int:
        return linux.mbox_send_message(self.chan(op), op["msg"])

    def do_client_txdone(self, op: Json) -> None:
        linux.mbox_client_txdone(self.chan(op), number(op["status"]))

    def do_peek(self, op: Json) -> bool:
        return linux.mbox_client_peek_data(self.chan(op))

    def do_flush(self, op: Json) -> int:
        return linux.mbox_flush(self.chan(op), op["timeout"])

    def do_send_request(self, op: Json) -> int:
        request = self.request(op["req"])
        if request is not None:
            request.wait, request.tx = self.wait(op["wait"]), op.get("msg")
        self.results[op["req"]] = linux.mbox_send_request(self.chan(op), request)
        return self.results[op["req"]]

    def do_wait_request(self, op: Json) -> int:
        error = self.results[op["err_of"]] if "err_of" in op else number(op["err"])
        return linux.mbox_wait_request(error, self.wait(op["wait"]))

    def do_chan_txdone(self, op: Json) -> None:
        linux.mbox_chan_txdone(self.chan(op), number(op["status"]))

    def do_received(self, op: Json) -> None:
        linux.mbox_chan_received_data(self.chan(op), op["msg"])

    def do_complete(self, op: Json) -> None:
        linux.mbox_request_complete(self.request(op["req"]), number(op["status"]))

    def do_advance(self, op: Json) -> None:
        self.clock.advance(op["ms"] * MS)

    def do_at(self, op: Json) -> None:
        self.pending += 1

        def fire() -> None:
            self.pending -= 1
            with linux.interrupt_context():
                self.run_all(op["do"], "at")

        self.clock.call_at(self.clock.now_ns() + op["after"] * MS, fire, LATE_TIMER)

    def do_spawn(self, op: Json) -> None:
        name = op["thread"]

        def run() -> None:
            try:
                self.run_all(op["do"], f"thread:{name}")
            except Exception as error:
                self.note({"ev": "exception", "by": f"thread:{name}", "error": repr(error)})
            finally:
                self.blocked.remove(name)

        self.blocked.append(name)
        self.threads[name] = self.clock.spawn(run, name)

    def ctrl(self, op: Json) -> Any:
        """Return the controller that an op names."""
        return self.controllers[op["ctrl"]]

    def chan(self, op: Json) -> Any:
        """Return the channel that an op names."""
        if op["chan"] is None:
            return None
        ctrl, index = op["chan"].split("/")
        return self.controllers[ctrl].chans[int(index)]

    def request(self, name: str | None) -> Any:
        """Return a request, which comes into being when it is named first."""
        return None if name is None else self.requests.setdefault(name, linux.mbox_request())

    def wait(self, name: str | None) -> Any:
        """Return a wait, which comes into being when it is named first."""
        if name is None:
            return None
        return self.waits.setdefault(name, linux.mbox_wait(clock=self.clock))

    def name_of(self, request: linux.mbox_request) -> str | None:
        """Return what the trace calls a request."""
        return next((name for name, each in self.requests.items() if each is request), None)

    # -- what is seen

    def now_ms(self) -> float:
        """Return the time as it stands in a trace."""
        now = self.clock.now_ns()
        return now / MS if now % MS else now // MS

    def note(self, event: Json) -> None:
        """Record an event."""
        self.events.append({"t": self.now_ms(), **event})

    def emit(self, record: logging.LogRecord) -> None:
        """Record what the framework logs."""
        code = getattr(record, "code", None)
        if code is not None:
            self.note({"ev": "log", "level": LEVELS[record.levelno], "code": code})
        elif record.exc_info:
            self.note({"ev": "exception", "error": repr(record.exc_info[1])})

    def state(self) -> Json:
        """Describe all controllers."""
        return {name: self.state_of(name, each) for name, each in self.controllers.items()}

    def state_of(self, name: str, mbox: linux.mbox_controller) -> Json:
        """Describe one controller."""
        state: Json = {
            "registered": mbox.registered,
            "module_refs": mbox.owner.refcount,
            "chans": [self.state_of_channel(chan) for chan in mbox.chans],
        }
        if name in self.polls:
            due = mbox.poll_due_ns
            state["poll_timer"] = None if due is None else due / MS
        return state

    def state_of_channel(self, chan: linux.mbox_chan) -> Json:
        """Describe one channel; null without an owner."""
        if chan.cl is None:
            return None
        state = {"client": chan.cl.dev.name}
        if chan.mbox.ops.send_request is None:
            active = chan.active_req
            state["txdone"] = chan.txdone_method.value  # type: ignore[union-attr]
            state["queued"] = chan.msg_count
            state["active"] = None if active is linux.MBOX_NO_MSG else active
        return state

    # -- from the first step to the last

    def replay(self) -> None:
        """Run every step. Raises `Mismatch` at the first difference."""
        state = blocked = None
        for index, step in enumerate(self.trace["steps"]):
            expect = step["expect"]
            self.events.clear()
            where = f"step {index} ({step['op']})"
            if "outcome" in expect:  # of the faults only: whoever gets here did not crash
                raise Mismatch(f"{where}: expected {expect['outcome']}, seen to go on")
            try:
                result = self.run_op(step)
            except Exception as error:
                wanted = json.dumps(expect["ret"])
                raise Mismatch(f"{where}, ret: expected {wanted}, raised {error!r}") from error
            self.clock.let_run()
            if "state" in expect:
                state, blocked = expect["state"], expect.get("blocked", [])
            pairs = zip_longest(expect["events"], self.events)
            for position, (wanted, seen) in enumerate(pairs):
                check(f"{where}, event {position}", wanted, seen)
            check(f"{where}, ret", expect["ret"], result)
            check(f"{where}, t", expect["t"], self.now_ms())
            check(f"{where}, state", state, self.state())
            check(f"{where}, blocked", blocked, self.blocked)
        final = self.trace.get("final")
        if final is not None:
            check("final, t", final["t"], self.now_ms())
            check("final, blocked_threads", final["blocked_threads"], self.blocked)
            check("final, pending_at", final["pending_at"], self.pending)

    def clean_up(self) -> None:
        """Leave nothing behind: unregistering wakes who blocks, and then every thread ends."""
        self.scripts.clear()
        for mbox in self.controllers.values():
            if mbox.registered:
                linux.mbox_controller_unregister(mbox)
        for thread in self.threads.values():
            self.clock.join(thread, 1e6)


def same(expected: Json, seen: Json) -> bool:
    """Compare, where true is not 1 and false is not 0."""
    if isinstance(expected, dict) and isinstance(seen, dict):
        return expected.keys() == seen.keys() and all(same(expected[k], seen[k]) for k in seen)
    if isinstance(expected, list) and isinstance(seen, list):
        return len(expected) == len(seen) and all(map(same, expected, seen))
    return isinstance(expected, bool) == isinstance(seen, bool) and expected == seen


def check(where: str, expected: Json, seen: Json) -> None:
    """Compare."""
    if not same(expected, seen):
        raise Mismatch(f"{where}: expected {json.dumps(expected)}, seen {json.dumps(seen)}")


@contextmanager
def run_of(trace: Json) -> Iterator[Run]:
    """Set a trace up, and clean up after it."""
    run = Run(trace)
    logger = logging.getLogger("mboxio")
    before = logger.level, logger.propagate
    logger.addHandler(run)
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    try:
        yield run
    finally:
        run.clean_up()
        logger.removeHandler(run)
        logger.level, logger.propagate = before


def mismatch_of(trace: Json) -> str | None:
    """Replay a trace; return the first difference, or None."""
    try:
        with run_of(trace) as run:
            run.replay()
    except Mismatch as mismatch:
        return str(mismatch)
    except Exception as error:  # reported as the mismatch that it is
        return f"raised {error!r}"
    return None


# -- files


class NoTrace(Exception):
    """A file, or a line of one, is no trace."""


def texts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield where each trace of a file stands, and its text. Raises `NoTrace`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise NoTrace(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NoTrace(f"{path}: no text, so no trace") from None
    if not text.strip():
        raise NoTrace(f"{path}: empty, no trace in it")
    if path.suffix != ".jsonl":
        yield str(path), text
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", line


def read(where: str, text: str) -> Json:
    """Turn a text into a trace. Raises `NoTrace`."""
    try:
        trace = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoTrace(f"{where}: no JSON: {error}") from None
    found = trace.get("format") if isinstance(trace, dict) else None
    if found != FORMAT:
        raise NoTrace(f"{where}: no trace: its format is {json.dumps(found)}, not {FORMAT!r}")
    for key, kind in KEYS.items():
        if not isinstance(trace.get(key), kind):
            raise NoTrace(f"{where}: a damaged trace: {key!r} is missing or wrong")
    steps = trace["steps"]
    if not all(isinstance(step, dict) and isinstance(step.get("expect"), dict) for step in steps):
        raise NoTrace(f"{where}: a damaged trace: a step without 'expect'")
    if "final" not in trace and not any("outcome" in step["expect"] for step in steps):
        raise NoTrace(f"{where}: a damaged trace: it has no end ('final')")
    return trace


def traces(path: Path) -> Iterator[Json]:
    """Yield the traces of a file. Raises `NoTrace`."""
    for where, text in texts(path):
        yield read(where, text)


def main(paths: list[str]) -> int:
    """Replay all files; returns how many traces failed. What is no trace has failed."""
    counts: Counter[str] = Counter()
    for path in paths:
        try:
            found = list(texts(Path(path)))
        except NoTrace as error:
            print(error)
            counts["failed"] += 1
            continue
        for where, text in found:
            counts[outcome(where, text)] += 1
    if counts["skipped"]:
        print(f"{counts['skipped']} traces with kernel_bug skipped: they show faults, not truth")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return counts["failed"]


def outcome(where: str, text: str) -> str:
    """Replay one trace and print a line if it differs; returns what it counts as."""
    try:
        trace = read(where, text)
    except NoTrace as error:
        print(error)
        return "failed"
    if "kernel_bug" in trace:
        return "skipped"
    mismatch = mismatch_of(trace)
    if mismatch is None:
        return "passed"
    quirk = f" (quirk: {trace['quirk']})" if "quirk" in trace else ""
    print(f"{trace['name']}{quirk}: {mismatch}")
    return "failed"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: replay.py FILE...")
    sys.exit(1 if main(sys.argv[1:]) else 0)
