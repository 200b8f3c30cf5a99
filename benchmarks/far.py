"""The far side of a peer that has it in Python: ``python -m benchmarks.far SETTING WHERE``."""

import sys
from importlib import import_module

from benchmarks.setting import Setting


def main(text: str, where: str) -> None:
    """Serve until killed."""
    setting = Setting.from_json(text)
    peer = import_module(f"benchmarks.peers.{setting.peer}")
    peer.serve(setting, where)


if __name__ == "__main__":
    main(*sys.argv[1:])
