"""A remote that lies: in each field by itself, at random everywhere, and in its replies."""

import asyncio
import threading
from collections.abc import Iterator
from random import Random

import pytest

import mboxio
from mboxio import MailboxError, QueueFull, RemoteError, RemoteGone, RequestTimeout
from mboxio._queue.window import NONCE_BITS
from mboxio.controllers.shm import SharedMemory
from mboxio.remote import Faults, Remote
from tests.shm.support import Traffic, answer, numbered, until

DEPTH, BYTES = 8, 64


@pytest.fixture
def remote(caplog: pytest.LogCaptureFixture) -> Iterator[Remote]:
    """A remote in a thread; on channel ``mute`` it takes everything and answers nothing."""
    # A record that is kept keeps an error, its traceback and with it the memory of a connection.
    caplog.set_level("CRITICAL", "mboxio.remote")
    made = Remote("t")
    for name in ("a", "b", "c", "mute"):
        made.channel(name, depth=DEPTH, message_bytes=BYTES)
        made.handler(name)((lambda message: None) if name == "mute" else answer)
    with made:
        yield made


def recovers(client: mboxio.Client, message: bytes = b"recovered") -> None:
    """The channel works again after `Remote.restart`, as soon as that is noticed."""
    replies: list[bytes] = []

    def works() -> bool:
        try:
            replies.append(client.request(message, timeout_s=20, queue_timeout_s=20))
        except (RemoteGone, RemoteError):
            return False
        return True

    until(works, "the channel works again")
    assert replies == [answer(message)]


LIES = [
    ("front", DEPTH + 1),
    ("front", 0x7FFFFFFF),
    ("front", 0xFFFFFFFF),
    ("front", 5),  # in range, but there is nothing in the slots
    ("rear", DEPTH + 1),
    ("rear", 0xFFFFFFFF),
    ("rear", 5),  # in range, but nothing was sent that could have been taken
    ("length", BYTES + 1),
    ("length", 0xFFFFFF),
    ("kind", 0),
    ("kind", 5),
    ("kind", 255),
    ("kind", 4),  # an error without a status
]


@pytest.mark.parametrize(("field", "value"), LIES)
def test_a_lie_stops_its_queue_only(remote, field, value):
    with mboxio.connect("shm:t") as connection:
        victim = connection.client("mute", timeout_s=None)
        pending = victim.submit(b"pending")
        victim.flush(20)
        with Traffic(
            connection, ("a", "b"), (("a", "c"),), tolerate=(RemoteGone,), queue_timeout_s=20
        ) as traffic:
            traffic.advance(5, "a", "b", "c")
            assert remote.lie("mute", field, value) == 1
            error = pending.exception()
            assert type(error) is RemoteError
            assert (error.stage, error.handed_over) == ("reply", "yes")
            assert "lied" in str(error)
            for verb in (victim.submit, victim.post, victim.request, victim.send):
                with pytest.raises(RemoteError, match="lied"):
                    verb(b"x")
            traffic.advance(20, "a", "b", "c")
            assert not traffic.errors
            counts = connection.stats()["mute"]
            assert (counts.failed, len(counts.held_tags)) == (1, 1)
            remote.channels["mute"].handler = answer
            remote.restart()
            recovers(victim)
            traffic.advance(5, "a", "b", "c")
        assert connection.stats()["mute"].held_tags == ()
        assert remote.stats().lies == 0


@pytest.mark.parametrize("tag", [0, 2, 4, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])
def test_a_reply_to_nothing_is_counted(remote, tag):
    with mboxio.connect("shm:t") as connection:
        client = connection.client("a")
        for number in range(3):
            assert client.request(numbered(number)) == answer(numbered(number))
        assert remote.lie("a", "tag", tag) == 1
        until(lambda: look(connection, "a"), "the reply to nothing")
        counts = connection.stats()["a"]
        assert counts.late + counts.unknown == 1
        assert client.request(b"12") == b"21"
        assert connection.stats()["a"].failed == 0


NONCE_SHIFT = NONCE_BITS + 1


@pytest.mark.parametrize("step", [0, 2, 1 << NONCE_SHIFT, (1 << NONCE_SHIFT) + 2])
def test_replies_that_were_there_before_their_questions(remote, step, monkeypatch):
    """Who has seen all numbers until now cannot name the next one."""
    drawn = Random(1)
    monkeypatch.setattr("mboxio._queue.window.urandom", drawn.randbytes)
    rounds = 20
    with mboxio.connect("shm:t") as connection:
        client = connection.client("a")
        tag = 1
        for number in range(rounds):
            assert remote.lie("a", "tag", tag + step & 0xFFFFFFFF) == 1
            request = client.submit(numbered(number))
            assert request.result() == answer(numbered(number))
            tag = request.handle & 0xFFFFFFFF
        until(lambda: look(connection, "a") == rounds, "the last lie")
        counts = connection.stats()["a"]
        assert (counts.done, counts.failed) == (rounds, 0)


def test_a_reply_that_was_guessed_is_believed(remote, monkeypatch):
    """What is left to a liar: one chance in 32,768 with each reply that it has lying there."""
    monkeypatch.setattr("mboxio._queue.window.urandom", bytes)  # an unlucky life: all bits are 0
    with mboxio.connect("shm:t") as connection:
        assert remote.lie("a", "tag", 1) == 1
        assert connection.client("a").request(numbered(1)) == b""


def look(connection: mboxio.Connection, channel: str) -> int:
    connection._host.pump.look()
    counts = connection.stats()[channel]
    return counts.late + counts.unknown


def test_others_still_sleep_and_hear_after_a_deadline_on_a_stopped_queue(remote):
    remote.channels["b"].handler = lambda message: None
    with mboxio.connect("shm:t") as connection:
        victim = connection.client("a", timeout_s=0.3)
        remote.channels["a"].handler = lambda message: None
        pending = victim.submit(b"x")
        assert remote.lie("a", "front", 0xFFFF) == 1
        assert not isinstance(pending.exception(), RequestTimeout)
        other = connection.client("b", timeout_s=None)
        request = other.submit(b"x")
        other.flush(20)
        assert not request.wait(0.4)  # until the deadline of the victim is over
        remote.restart()
        assert request.wait(5)
        assert isinstance(request.exception(), RemoteGone)


@pytest.mark.parametrize("waits", ["blocking", "async", "unattended"])
def test_a_lie_right_before_sleeping(remote, waits):
    class Unlucky(SharedMemory):
        lies = 1

        def arm(self, queue: object) -> bool:
            if self.lies and queue.slots_used + queue.credits_used:  # type: ignore[attr-defined]
                self.lies -= 1
                remote.lie("mute", "front", 0xFFFF)
            return super().arm(queue)  # type: ignore[arg-type]

    with mboxio.Connection(Unlucky("t")) as connection:
        if waits == "async":

            async def ask() -> None:
                async with connection.async_client("mute", timeout_s=20) as client:
                    with pytest.raises(RemoteError, match="lied") as raised:
                        await client.request(b"x")
                    assert raised.value.handed_over == "yes"

            asyncio.run(ask())
            return
        client = connection.client("mute", timeout_s=20)
        request = client.submit(b"x")
        if waits == "unattended":
            over = threading.Event()
            request.add_done_callback(lambda _: over.set())
            assert over.wait(10)
        error = request.exception()
        assert type(error) is RemoteError
        assert error.handed_over == "yes"


def test_a_lie_while_waiters_stand_in_line(remote):
    remote.silence()
    ended: list[MailboxError] = []
    with mboxio.connect("shm:t") as connection:
        client = connection.client("a", backlog=4, timeout_s=None)
        requests = [client.submit(numbered(number)) for number in range(DEPTH + 4)]

        def wait() -> None:
            try:
                client.request(b"in line")
            except MailboxError as error:
                ended.append(error)

        waiters = [threading.Thread(target=wait) for _ in range(3)]
        for waiter in waiters:
            waiter.start()
        until(lambda: connection.stats()["a"].queued == 7, "all stand in line")
        assert remote.lie("a", "rear", 0xFFFF) == 1
        for waiter in waiters:
            waiter.join(20)
        errors = [request.exception() for request in requests] + ended
        assert [type(error) for error in errors] == [RemoteError] * (DEPTH + 7)
        assert [error.handed_over for error in errors] == ["yes"] * DEPTH + ["no"] * 7  # type: ignore[union-attr]
        remote.silence(False)
        remote.restart()
        recovers(client)


# -- random words


def test_random_words_between_requests(remote):
    """Nothing is under way when a word changes, so every reply must be the right one."""
    random = Random(1)
    ends = {"reply": 0, "error": 0}
    stages: set[str | None] = set()
    with mboxio.connect("shm:t") as connection:
        clients = [connection.client(name, timeout_s=0.05) for name in ("a", "b", "c")]
        for number in range(3000):
            remote.scribble(random)
            connection._host.pump.look()
            client = clients[number % 3]
            message = numbered(number)
            try:
                reply = client.request(message, queue_timeout_s=20)
            except (RemoteError, RemoteGone, RequestTimeout) as error:
                ends["error"] += 1
                stages.add(error.stage)
                if not isinstance(error, RemoteGone):
                    remote.restart()
            else:
                ends["reply"] += 1
                assert reply == answer(message)
        remote.restart()
        for client in clients:
            recovers(client)
        for counts in connection.stats().values():
            assert (counts.in_flight, counts.queued, counts.held_tags) == (0, 0, ())
    assert ends["reply"] > 500
    assert "queue" not in stages  # every new life was found


@pytest.mark.parametrize("seed", range(2))
def test_random_words_in_traffic(firmware, seed):
    """Anything may come of a request but a hang, a crash or a reply that no slot could hold."""
    channels = dict.fromkeys(("a", "b", "c"), (DEPTH, BYTES))
    remote = firmware("t", channels)
    ends = {"reply": 0, "error": 0}
    stop = threading.Event()
    strange: list[object] = []
    with mboxio.connect("shm:t") as connection:
        connection.client("c").on_request(lambda message: message)
        messages = connection.client("c").subscribe(limit=16)

        def work(name: str) -> None:
            with connection.client(name, timeout_s=0.05, queue_timeout_s=1) as client:
                while not stop.is_set():
                    buffer = bytearray(BYTES + 64)
                    try:
                        size = client.request(numbered(ends["reply"], BYTES), into=buffer)
                        ends["reply"] += 1
                        if size > BYTES or any(buffer[size:]):
                            strange.append((size, buffer))
                    except (RemoteGone, RemoteError, RequestTimeout):
                        ends["error"] += 1
                    except BaseException as error:
                        strange.append(error)
                        return

        threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b", "c", "c")]
        for thread in threads:
            thread.start()
        try:
            part = 0
            while part < 40 or (part < 400 and not all(ends.values())):  # chance brings errors
                remote.do("scribble", 1000 * seed + part, 100)
                remote.do("restart")
                part += 1
        finally:
            stop.set()
            for thread in threads:
                thread.join(20)
        assert not any(thread.is_alive() for thread in threads)
        assert not strange
        assert ends["reply"]
        assert ends["error"]
        assert len(messages.waiting) <= 16
        for queue in connection._host.queues:
            assert len(queue.window.aside) <= DEPTH
            assert len(queue.answers) <= 64 + DEPTH
        remote.kill()
        firmware("t", channels)
        with Traffic(
            connection,
            ("a", "b"),
            (("c",),),
            tolerate=(RemoteGone, RemoteError),
            queue_timeout_s=20,
        ) as traffic:
            traffic.advance(20, "a", "b", "c")
        for counts in connection.stats().values():
            assert (counts.in_flight, counts.queued, counts.held_tags) == (0, 0, ())


# -- replies that go wrong


def settled(connection: mboxio.Connection, late: int) -> bool:
    connection._host.pump.look()
    counts = connection.stats()["a"]
    return counts.late >= late and not counts.held_tags


def test_duplicates_are_counted_late(remote):
    remote.faults = Faults(duplicate_probability=1)
    count = 200
    with mboxio.connect("shm:t") as connection:
        client = connection.client("a", timeout_s=20)
        for number in range(count):
            assert client.request(numbered(number)) == answer(numbered(number))
        until(lambda: settled(connection, count), "the last duplicate")
        counts = connection.stats()["a"]
        assert (counts.done, counts.late, counts.unknown) == (count, count, 0)


def test_missing_replies_hold_their_credits_until_a_new_life(remote):
    remote.faults = Faults(missing_probability=1)
    with mboxio.connect("shm:t") as connection:
        client = connection.client("a", timeout_s=0.05)
        requests = [client.submit(numbered(number)) for number in range(DEPTH)]
        for request in requests:
            with pytest.raises(RequestTimeout) as raised:
                request.result()
            assert raised.value.handed_over == "yes"
        until(lambda: settled_slots(connection), "TX done of all")
        with pytest.raises(QueueFull) as full:
            client.submit(b"x")
        assert (full.value.reason, len(full.value.held_tags)) == ("credits", DEPTH)  # type: ignore[attr-defined]
        client.send(b"one-way messages need none")
        remote.faults = None
        remote.restart()
        recovers(client)
        counts = connection.stats()["a"]
        assert counts.freed_by["epoch"] == DEPTH
        assert (counts.held_tags, counts.late) == ((), 0)


def settled_slots(connection: mboxio.Connection) -> bool:
    connection._host.pump.look()
    return not connection.stats()["a"].held_slots


def test_late_replies_free_what_their_requests_held(remote):
    remote.faults = Faults(late_probability=1, late_s=0.3)
    with mboxio.connect("shm:t") as connection:
        client = connection.client("a", timeout_s=0.02)
        requests = [client.submit(numbered(number)) for number in range(DEPTH)]
        assert all(isinstance(request.exception(), RequestTimeout) for request in requests)
        remote.faults = None
        until(lambda: settled(connection, DEPTH), "the late replies")
        counts = connection.stats()["a"]
        assert (counts.timed_out, counts.late, counts.unknown) == (DEPTH, DEPTH, 0)
        assert counts.freed_by["reply"] == DEPTH
        assert client.request(b"12", timeout_s=20) == b"21"


def test_a_late_reply_is_found_when_the_numbers_have_come_round(remote):
    remote.faults = Faults(late_probability=1, late_s=0.3)
    with mboxio.connect("shm:t") as connection:
        client = connection.client("a", timeout_s=20)
        old = client.submit(b"old", timeout_s=0.01)
        assert isinstance(old.exception(), RequestTimeout)
        until(lambda: settled_slots(connection), "TX done")
        remote.faults = None
        (queue,) = (each for each in connection._host.queues if each.window.used)
        queue.window.next_seq += 1 << 40
        queue.tx_head += 1 << 40
        for number in range(4 * DEPTH):
            assert client.request(numbered(number)) == answer(numbered(number))
        until(lambda: settled(connection, 1), "the late reply")
        assert connection.stats()["a"].freed_by["reply"] == 1


def test_reordered_replies_find_their_requests(remote):
    remote.faults = Faults(seed=7, reorder_probability=0.4)
    with mboxio.connect("shm:t") as connection:
        client = connection.client("a", backlog=200, timeout_s=20, queue_timeout_s=20)
        requests = [client.submit(numbered(number)) for number in range(200)]
        assert [request.result() for request in requests] == [
            answer(numbered(number)) for number in range(200)
        ]
        counts = connection.stats()["a"]
        assert (counts.done, counts.late, counts.unknown) == (200, 0, 0)
    assert remote.stats().reordered > 20


def test_everything_at_once_adds_up(remote):
    remote.faults = Faults(
        seed=3,
        late_probability=0.1,
        late_s=0.05,
        duplicate_probability=0.2,
        missing_probability=0.02,
        reorder_probability=0.2,
    )
    ends = {"done": 0, "timed out": 0, "full": 0}
    with mboxio.connect("shm:t") as connection:
        client = connection.client("a", timeout_s=0.02, queue_timeout_s=0.2)
        for number in range(300):
            message = numbered(number)
            try:
                assert client.request(message) == answer(message)
                ends["done"] += 1
            except RequestTimeout as error:
                if error.stage == "queue":  # all credits are held by replies that never come
                    ends["full"] += 1
                    remote.restart()
                else:
                    ends["timed out"] += 1
            except RemoteGone:
                ends["full"] += 1
        counts = connection.stats()["a"]
        assert counts.done == ends["done"]
        assert counts.unknown == 0
        # On a busy machine replies are late that nobody delayed.
        assert counts.done + counts.late <= remote.stats().replies
        assert counts.timed_out + counts.failed == 300 - ends["done"]
        remote.faults = None
        remote.restart()
        recovers(client)


def test_an_oversize_reply_is_a_lie(remote):
    remote.channels["a"].faults = Faults(oversize_probability=1)
    with mboxio.connect("shm:t") as connection:
        client = connection.client("a", timeout_s=20)
        with Traffic(
            connection, ("b",), (("c",),), tolerate=(RemoteGone,), queue_timeout_s=20
        ) as traffic:
            traffic.advance(5, "b", "c")
            with pytest.raises(RemoteError, match="length"):
                client.request(b"x", into=bytearray(BYTES))
            traffic.advance(5, "b", "c")
            assert not traffic.errors
            remote.channels["a"].faults = None
            remote.restart()
            recovers(client)
