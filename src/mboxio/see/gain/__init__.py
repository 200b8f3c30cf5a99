"""What a deeper queue brings to a board, as numbers and as a picture."""

from mboxio.see.gain.chart import Curve, Panel, draw
from mboxio.see.gain.curves import gain_panel, gains

__all__ = ["Curve", "Panel", "draw", "gain_panel", "gains"]
