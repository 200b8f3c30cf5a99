"""A user's program forks in traffic: it goes on, and the child has one clear error and no hang."""

from collections import Counter

import pytest

from tests.far.processes import Python, gateway
from tests.shm.support import FirmwareProcess

FORKS = """
import gc, os, sys, threading, mboxio
address, way_out = sys.argv[1:]
going, asked = True, 0

def traffic():
    global asked
    while going:
        requests = [client.submit(b"abc") for _ in range(8)]
        assert [each.result() for each in requests] == [b"cba"] * 8
        asked += 1
        news.set()

def reach(goal):
    while asked < goal:
        news.clear()
        assert news.wait(30)

def child():
    for verb in (lambda: client.request(b"x"), lambda: messages.get(30), connection.stats,
                 lambda: connection.client("a"), lambda: mboxio.connect(address)):
        try:
            said = repr(verb())
        except Exception as error:
            said = type(error).__name__
        print(said, flush=True)
    connection.close()

with mboxio.connect(address) as connection, connection.client("a", timeout_s=30) as client:
    messages = client.subscribe()
    news = threading.Event()
    asking = threading.Thread(target=traffic)
    asking.start()
    reach(3)
    pid = os.fork()
    if pid == 0:
        child()
        if way_out == "at once":
            os._exit(0)
        if way_out == "forgets all":
            del connection, client, messages
            gc.collect()
        sys.exit(0)
    status = os.waitpid(pid, 0)[1]
    reach(asked + 3)
    going = False
    asking.join()
print("parent", status, flush=True)
"""


@pytest.mark.parametrize("way_out", ["at once", "in order", "forgets all"])
def test_the_parent_goes_on_and_the_child_is_told(folder: str, way_out: str) -> None:
    started: list[FirmwareProcess | Python] = [FirmwareProcess("t", {"a": (32, 64)})]
    try:
        started.append(gateway())
        address = f"grpc+unix:{folder}/gateway@grpc.sock/board"
        started.append(program := Python("-c", FORKS, address, way_out))
        said = Counter(iter(program.line, "parent 0"))
        assert said == {"ForkedError": 5}
    finally:
        for each in started:
            each.kill()
