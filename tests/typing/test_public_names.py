"""What a user's objects show, in one table: a name that is added or goes is decided here."""

import ast
import asyncio
from pathlib import Path

import mboxio

ROOT = Path(__file__).parent.parent.parent

SHOWN = {
    "Client": """
        close depth flush map message_bytes name on_request post request resync ring send submit
        subscribe tx_done
    """,
    "Request": """
        add_done_callback cancel data done exception future handed_over handle over result stage
        status tag wait
    """,
    "Connection": """
        address async_client client close closed remote_restarted stats xlate
    """,
}


def test_names_are_those_of_the_table() -> None:
    async def names_of_async_client() -> set[str]:
        return names(connection.async_client(0))

    with mboxio.connect("loopback:") as connection:
        client = connection.client(0)
        blocking = names(client)
        assert blocking == promised("Client")
        assert names(client.submit(b"")) == promised("Request")
        assert names(connection) == promised("Connection")
        assert asyncio.run(names_of_async_client()) == blocking


def names(shown: object) -> set[str]:
    """Return the names that an editor offers."""
    return {name for name in dir(shown) if not name.startswith("_")}


def promised(kind: str) -> set[str]:
    """Return the names in the table."""
    return set(SHOWN[kind].split())


def test_editors_show_what_the_verbs_promise() -> None:
    """They look at the typed declarations, which repeat the docstrings of what runs."""
    client = ROOT / "src" / "mboxio" / "client"
    promised = docstrings(client / "sending.py")
    shown = docstrings(client / "verbs.py") | docstrings(client / "blocking.py")
    for verb in ("submit", "post", "request", "send"):
        assert shown[verb] == promised[verb]
        assert promised[verb]


def docstrings(path: Path) -> dict[str, str]:
    """Return the docstring of each function in a file, by its name."""
    functions = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef))
    return {each.name: text for each in functions if (text := ast.get_docstring(each))}
