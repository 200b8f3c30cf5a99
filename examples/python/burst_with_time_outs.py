"""Send a burst to firmware that loses replies and is then restarted: no board needed."""

import mboxio
from mboxio.remote import Faults, Remote

remote = Remote("lossy")
remote.handler("pmic")(bytes)
remote.faults = Faults(missing_probability=0.25, seed=3)


def main(count: int = 16) -> None:
    with remote, mboxio.connect("shm:lossy") as connection:
        client = connection.client("pmic", timeout_s=0.5, backlog=count)
        requests = [client.submit(bytes([number])) for number in range(count)]
        errors = [request.exception() for request in requests]  # each waits its own time
        lost = [error for error in errors if isinstance(error, mboxio.RequestTimeout)]
        print(f"{count - len(lost)} answered, {len(lost)} timed out")
        for stage, handed_over in sorted({(error.stage, error.handed_over) for error in lost}):
            print(f"they waited for the {stage}; handed over: {handed_over}")
        print(f"credits held for late replies: {connection.stats()['pmic'].held_credits}")
        remote.faults = None
        remote.silence()
        last = client.submit(b"?", timeout_s=None)
        remote.restart()  # nothing of the old life can come any more
        print(f"the watchdog bites: {type(last.exception()).__name__}")
        remote.silence(False)
        print(f"the next life: {client.request(b'hello', queue_timeout_s=5).decode()}", end=", ")
        print(f"held: {connection.stats()['pmic'].held_credits}")


if __name__ == "__main__":
    main()
