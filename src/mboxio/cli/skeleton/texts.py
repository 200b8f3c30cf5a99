"""The files of a driver package that are not Python."""

__all__ = ["PYPROJECT", "README"]

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "acme-k7"
version = "0.1.0"
description = "A controller for mboxio: acme_k7"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["mboxio"]

[project.optional-dependencies]
test = ["mypy>=1.18", "pytest>=8"]

# With this, an address may begin with acme_k7:
[project.entry-points."mboxio.controllers"]
acme_k7 = "acme_k7:AcmeK7"

# Nodes of a device tree that are driven by it; mboxio list --dtb FILE then names it.
[project.entry-points."mboxio.compatible"]
"acme-k7,mailbox" = "acme_k7:AcmeK7"

[tool.setuptools.packages.find]
where = ["src"]

[tool.setuptools.package-data]
acme_k7 = ["py.typed"]

[tool.mypy]
strict = true
files = ["src", "tests"]
mypy_path = "src"

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["src"]
filterwarnings = ["error"]
"""

README = """\
# acme-k7

A controller for mboxio. It drives a mailbox with a FIFO of 32-bit words in each direction. That
mailbox is an example: replace it with yours.

    pip install -e ".[test]"
    pytest                # the conformance suite, on a model of the hardware
    mypy
    mboxio info           # lists acme_k7:
    mboxio request "acme_k7:/words?at=uio:acme_k7/0" --word 0x1 --out word

| File | What to do there |
|---|---|
| `src/acme_k7/driver.py` | your registers, and what `open`, `send` and `look` do with them |
| `src/acme_k7/model.py` | what the hardware does when these registers are accessed |
| `tests/test_driver.py` | what the model can be made to do; more abilities mean more checks |
| `pyproject.toml` | the `compatible` of your node in device trees |

Change the model first, then the driver, and run `pytest` after each step. mboxio's page "Writing
a controller" explains every op and every report, and has a table of common mistakes.
"""
