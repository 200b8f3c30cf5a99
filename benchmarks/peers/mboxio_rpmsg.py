"""mboxio over RPMsg's rings: a host that drives them itself, and a processor in Python."""

import mboxio
from benchmarks.peers.mboxio_shm import SPIN_S, time_clients
from benchmarks.processes import python_far_side
from benchmarks.setting import Setting
from mboxio.remote.rpmsg import RpmsgRemote


def serve(setting: Setting, where: str) -> None:
    """Echo."""
    remote = RpmsgRemote(
        "peer:bench", num=setting.depth, spin_s={"spin": SPIN_S, "sleep": 0.0}.get(setting.way)
    )
    remote.service("echo")
    with remote:
        print("ready", flush=True)
        remote._thread.join()  # type: ignore[union-attr]


def near(setting: Setting, where: str) -> list[float]:
    """Measure with a blocking client."""
    with python_far_side(setting, where), mboxio.connect(address(setting)) as connection:
        return time_clients(setting, [connection.client("echo", backlog=setting.in_flight)])


def address(setting: Setting) -> str:
    """Return where to connect."""
    usual = f"virtio-rpmsg:?at=peer:bench&replies={setting.replies}&timeout_s=30"
    if setting.way == "usual":
        return usual
    return f"{usual}&spin_s={SPIN_S if setting.way == 'spin' else 0}"
