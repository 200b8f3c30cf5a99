"""Conversations out of captures, played again: to a remote, or in its place."""

from mboxio.see.replay.pace import Pace
from mboxio.see.replay.player import Player
from mboxio.see.replay.rerun import Rerun
from mboxio.see.replay.selection import Selection, Unplayable, select

__all__ = ["Pace", "Player", "Rerun", "Selection", "Unplayable", "select"]
