"""Random scripts in the form of a trace, from a seed. What they show is for others to say."""

import random
from typing import Any

Json = Any
REFUSALS = ["EBUSY", "EAGAIN", "EIO"]
STATUSES = [0, 0, 0, 0, "EIO", "EPIPE", 3]


class Script:
    """A script with one or two controllers, and clients that are bound now and then.

    Nothing in it waits where nothing may, or calls back into a channel whose lock the kernel holds.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.chance = self.random.random
        self.kind = self.random.choice(["classic", "classic", "blocking", "nested", "requests"])
        self.ctrls = [self.controller(name) for name in "MN"[: self.random.choice([1, 1, 2])]]
        self.chans = [
            f"{ctrl['id']}/{index}" for ctrl in self.ctrls for index in range(ctrl["num_chans"])
        ]
        self.clients = [self.client(name) for name in "ABC"]
        self.messages = 0
        self.requests = 0
        self.threads = 0
        self.behaviour: Json = {}

    def trace(self) -> Json:
        """Make the script."""
        for chan in self.chans:
            self.behaviour[chan] = self.of_channel(chan)
        for client in self.clients:
            self.behaviour[client["id"]] = self.of_client()
        steps = [{"op": "register", "ctrl": ctrl["id"]} for ctrl in self.ctrls]
        owners = {chan: self.random.choice("ABC") for chan in self.chans}
        steps += [{"op": "bind", "chan": chan, "client": owners[chan]} for chan in self.chans]
        for _ in range(self.random.randint(8, 30)):
            steps += self.step()
        return {
            "name": "random",
            "controllers": self.ctrls,
            "clients": self.clients,
            "behaviour": self.behaviour,
            "steps": steps,
        }

    # -- the set-up

    def controller(self, name: str) -> Json:
        """Make a controller."""
        ops = [op for op in ("startup", "shutdown", "peek_data", "flush") if self.chance() < 0.7]
        given = {"id": name, "num_chans": self.random.randint(1, 3), "txdone": None}
        if self.kind == "requests":
            given["ops"] = ["send_request", *ops]
        else:
            given["txdone"] = self.random.choice(["irq", "poll", "poll", "ack"])
            given["ops"] = ["send_data", "last_tx_done", *ops]
            given["txpoll_period"] = self.random.choice([1, 2, 3, 5, 7, 10])
        return given

    def client(self, name: str) -> Json:
        """Make a client."""
        callbacks = ["tx_prepare", "tx_done", "rx_callback"]
        return {
            "id": name,
            "callbacks": [each for each in callbacks if self.chance() < 0.8],
            "tx_block": self.kind == "blocking",
            "tx_tout": self.random.choice([3, 5, 10, 20]),
            "knows_txdone": self.chance() < 0.25,
        }

    def some(self, make: Any, most: int = 8) -> list[Json]:
        """Make a list of entries."""
        return [make() for _ in range(self.random.randint(0, most))]

    def with_spin(self, entry: Json) -> Json:
        """Have a call take time now and then."""
        if self.chance() < 0.12:
            entry = entry if isinstance(entry, dict) else {"ret": entry}
            entry["spin"] = self.random.randint(1, 9)
        return entry

    def of_channel(self, chan: str) -> Json:
        """Script the ops of a channel."""
        pick, chance = self.random.choice, self.chance
        scripts = {
            "last_tx_done": self.some(lambda: self.with_spin(pick([True, False])), 20),
            "peek_data": self.some(lambda: self.with_do(pick([True, False]), self.calm)),
            "flush": self.some(lambda: self.with_do(pick([0, 2, "EIO", "ETIME"]), self.calm)),
            "startup": self.some(lambda: 0 if chance() < 0.8 else pick(["EIO", "ENXIO"]), 3),
            "send_data": self.some(
                lambda: self.with_spin(0 if chance() < 0.8 else pick(REFUSALS)), 12
            ),
            "send_request": self.some(self.of_send_request, 12),
        }
        if self.kind == "nested":
            after = self.chans[self.chans.index(chan) + 1 :]
            if after:  # the kernel holds the lock of this channel: only others, in one order
                scripts["send_data"] = self.some(
                    lambda: self.with_do(0, lambda: {**self.message(), "chan": pick(after)}), 12
                )
            scripts["startup"] = self.some(lambda: self.with_do(0, self.calm), 3)
            scripts["shutdown"] = self.some(lambda: self.with_do(None, self.calm), 3)
        return scripts

    def of_send_request(self) -> Json:
        """Script one call of send_request."""
        ret = self.random.choice([*["EINPROGRESS"] * 6, "ENOSPC", "EIO", 0, 4])
        if ret == "EINPROGRESS" and self.chance() < 0.4:
            return {"ret": ret, "do": [self.completion() for _ in range(self.random.randint(1, 2))]}
        return ret

    def of_client(self) -> Json:
        """Script the callbacks of a client."""
        if self.kind == "blocking":
            return {}
        if self.kind == "nested":
            return {"tx_prepare": self.some(lambda: self.with_spin({}))}
        return {
            "tx_done": self.some(lambda: self.with_do(None, self.calm), 12),
            "rx_callback": self.some(lambda: self.with_do(None, self.calm), 12),
            "tx_prepare": self.some(lambda: self.with_spin({})),
        }

    def with_do(self, ret: Json, make: Any) -> Json:
        """Have a call do something now and then."""
        entry: Json = {"ret": ret}
        if self.chance() < 0.5:
            entry["do"] = [make() for _ in range(self.random.randint(1, 2))]
        return self.with_spin(entry)

    # -- ops

    def message(self) -> Json:
        """Make an op: send."""
        self.messages += 1
        return {"op": "send", "chan": self.random.choice(self.chans), "msg": self.messages}

    def done(self) -> Json:
        """Make an op: TX done. No script says ETIME, which the kernel does not wake for."""
        op = self.random.choice(["chan_txdone", "client_txdone"])
        status = 0 if self.kind == "blocking" else self.random.choice(STATUSES)
        return {"op": op, "chan": self.random.choice(self.chans), "status": status}

    def calm(self) -> Json:
        """Make an op that waits nowhere."""
        chan = self.random.choice(self.chans)
        if self.kind == "requests":
            return self.completion()
        made = [
            self.message,
            self.done,
            lambda: {"op": "received", "chan": chan, "msg": self.random.randint(1, 9)},
            lambda: {"op": "peek", "chan": chan},
            lambda: {"op": "flush", "chan": chan, "timeout": 5},
        ]
        if self.kind == "blocking":
            made = made[1:2]
        weights = [6, 6, 2, 1, 1][: len(made)]
        op: Json = self.random.choices(made, weights)[0]()
        return op

    def completion(self) -> Json:
        """Make an op: a request is over, or just about to be, or long since."""
        req = f"r{self.random.randint(1, max(1, self.requests + 1))}"
        return {"op": "complete", "req": req, "status": self.random.choice(STATUSES)}

    def request(self) -> list[Json]:
        """Make ops: send a request, and wait for it."""
        self.requests += 1
        req, wait = f"r{self.requests}", f"w{self.requests}"
        chan = self.random.choice(self.chans)
        return [
            {"op": "send_request", "chan": chan, "req": req, "wait": wait},
            {"op": "wait_request", "wait": wait, "err_of": req},
        ]

    def step(self) -> list[Json]:
        """Make one step, or two that belong together."""
        pick, chance = self.random.choice, self.chance
        if chance() < 0.2:
            return [{"op": "advance", "ms": pick([0, 1, 2, 5, 10, 30])}]
        if chance() < 0.25:
            do = [self.calm() for _ in range(self.random.randint(1, 2))]
            return [{"op": "at", "after": pick([0, 1, 2, 5, 9, 10]), "do": do}]
        if self.kind == "requests":
            do = self.request()
            if chance() < 0.6:
                self.threads += 1
                return [{"op": "spawn", "thread": f"T{self.threads}", "do": do}]
            over = {**self.completion(), "req": do[0]["req"]}
            return [do[0], {"op": "at", "after": pick([0, 3]), "do": [over]}, do[1]]
        if self.kind == "blocking":
            if chance() < 0.5:
                self.threads += 1
                do = [self.message() for _ in range(self.random.randint(1, 3))]
                return [{"op": "spawn", "thread": f"T{self.threads}", "do": do}]
            return [self.message() if chance() < 0.5 else self.done()]
        if chance() < 0.1:
            return [{"op": "free", "chan": pick(self.chans)}]
        if chance() < 0.15:
            return [{"op": "bind", "chan": pick(self.chans), "client": pick("ABC")}]
        if chance() < 0.02:
            ctrl = pick(self.ctrls)["id"]
            return [{"op": "unregister", "ctrl": ctrl}, {"op": "register", "ctrl": ctrl}]
        return [self.calm()]
