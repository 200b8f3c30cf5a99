"""How things look at a prompt, and what a star brings in."""

import builtins

import mboxio


def test_stats_show_what_is_not_zero() -> None:
    with mboxio.connect("loopback:?channels=1") as connection:
        stats = connection.stats()
        assert repr(stats) == "{'0': ChannelStats()}"
        connection.client(0).request(b"x")
        assert repr(connection.stats()["0"]) == "ChannelStats(sent=1, done=1)"


def test_a_star_hides_no_built_in() -> None:
    assert not [name for name in mboxio.__all__ if hasattr(builtins, name)]
    assert "open" in dir(mboxio)
    assert mboxio.open is not open  # type: ignore[comparison-overlap]
