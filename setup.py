"""Compile the hot modules with Cython: every .pyx, and every .py that has a .pxd beside it.

``MBOXIO_PURE=1`` builds the package without them. All products lie under build/: an editable
package runs from src and is also pure Python. ``MBOXIO_OPTIMIZE=-O0`` compiles in half the time,
for builds that need not be fast; they lie in folders of their own, and their stamp says so.
``MBOXIO_WITHOUT="mboxio.virtio"`` leaves out packages, for a first look at the others.
"""

import itertools
import os
import re
import runpy
import shlex
import shutil
import sys
import sysconfig
import tomllib
import zlib
from pathlib import Path
from types import SimpleNamespace

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError, PlatformError

PACKAGE = Path("src/mboxio")
C_FILES = Path("build/cython")
STAMP = C_FILES / "_stamp.py"
JOBS = min(len(os.sched_getaffinity(0)), 8)
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "annotation_typing": False,
    "embedsignature": True,
    # Nothing that is compiled can be pickled: it belongs to its process.
    "auto_pickle": False,
}
# What Cython would write into each module again, its own kind of function above all.
SHARED = "mboxio._cython"
# Methods without bindings are as the interpreter's own, which it calls faster; `inspect` does not
# see their defaults, which their docstrings tell.
UNBOUND = {"mboxio._base.request", "mboxio.client.sending"}
# Every message passes these, and they are compiled for speed;
HOT = {
    *("mboxio._base.native", "mboxio._base.recycled", "mboxio._base.request"),
    *("mboxio._pump.spinner", "mboxio._queue.held", "mboxio.client.mapping"),
    *("mboxio.client.sending", "mboxio.controllers.ring_shortcut", "mboxio.ring.compiled"),
    *("mboxio.virtio.memory_words", "mboxio.virtio.ring", "mboxio.rpmsg.link"),
    "mboxio.controllers.virtio_rpmsg.shortcut",
}
# these are passed by few, or as small cost a message at most a handful of instructions more.
COLD = {
    *("mboxio._base.clock", "mboxio._base.completion", "mboxio._base.counts"),
    *("mboxio._base.tap", "mboxio._base.timeouts", "mboxio._host.flush"),
    *("mboxio._host.subscriptions", "mboxio._host.waited", "mboxio._pump.loops"),
    *("mboxio._pump.sleepers", "mboxio._pump.turns", "mboxio._queue.answers"),
    *("mboxio._queue.backlog", "mboxio._queue.ends", "mboxio._queue.line"),
    *("mboxio._queue.order", "mboxio.driver.base_channel", "mboxio.driver.services"),
    *("mboxio.controllers.grpc.traffic", "mboxio.driver.shortcut", "mboxio.far.head"),
    *("mboxio.far.reader", "mboxio.gateway.flights", "mboxio.recording.ring"),
    *("mboxio.remote.channel", "mboxio.remote.serving.rounds", "mboxio.remote.stats"),
    "mboxio.ring.contract",
}
# A simulated message costs the core and the interpreter 67,000 instructions; this adds 900.
SIMULATED = "mboxio.sim."

PURE = os.environ.get("MBOXIO_PURE") == "1" or "editable_wheel" in sys.argv
FASTEST = "-O2"
OPTIMIZE = os.environ.get("MBOXIO_OPTIMIZE", FASTEST)
# Their Python files are left out as well: interpreted, they may need what compiled modules hide.
WITHOUT = tuple(f"{each}." for each in os.environ.get("MBOXIO_WITHOUT", "").split())
# They take the compiler a sixth of its time at -O0, and would say what the other builds say.
WARNINGS = [
    "-Wall",
    "-Wno-sign-compare",  # Cython's constants are signed
    "-Wno-array-bounds",  # gcc takes an object for no longer than its head
]
# Python's own flags ask for debug information, five times the size of the rest, and only debuggers
# and C++ unwind through the modules. A build with CFLAGS of its own, like the sanitizers', decides.
SMALL = [] if "CFLAGS" in os.environ else ["-g0", "-fno-asynchronous-unwind-tables"]
LINK = re.compile(r"(!?)(\[(?:[^\[\]]|\[[^\]]*\])*\])\((?![a-z]+:|#)([^)\s]+)\)")

_build = SimpleNamespace(**runpy.run_path(str(PACKAGE / "_build.py")))


def level(name: str) -> str:
    """Return how much the compiler is to do for a module."""
    if OPTIMIZE != FASTEST:
        return OPTIMIZE
    is_cold = name in COLD or name.startswith(SIMULATED)
    return "-O3" if name in HOT else "-Os" if is_cold else FASTEST


def wanted(name: str) -> bool:
    """Return whether a module or package is to be built."""
    return not f"{name}.".startswith(WITHOUT)


def extensions() -> list[Extension]:
    headers = sorted(PACKAGE.rglob("*.h"))
    return [
        Extension(
            name,
            [str(PACKAGE / file)],
            include_dirs=sorted({str(header.parent) for header in headers}),
            depends=[str(header) for header in headers],
            extra_compile_args=[
                level(name),
                *(["-w"] if OPTIMIZE == "-O0" else WARNINGS),
                *SMALL,
            ],
            extra_link_args=["-Wl,--strip-all", "-Wl,-z,noseparate-code"] if SMALL else [],
        )
        for name, file in {**_build.modules(str(PACKAGE)), SHARED: "_cython.c"}.items()
        if wanted(name)
    ]


def index_page() -> str:
    """Return the README with links that also lead somewhere from the page of a package index."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]

    def absolute(found: re.Match[str]) -> str:
        kind = "raw" if found[1] else "blob"  # a picture, a page
        place = f"{project['urls']['Repository']}/{kind}/v{project['version']}/{found[3]}"
        return f"{found[1]}{found[2]}({place})"

    return LINK.sub(absolute, Path("README.md").read_text())


def tell(text: str, end: str = "\n") -> None:
    """Write a line for those who wait; in a terminal it takes the place of the one before."""
    before = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{before}mboxio: {text}", end=end, file=sys.stderr, flush=True)


def require_compiler() -> None:
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        missing = f"the C compiler {compiler!r} is missing: apt-get install gcc"
    elif not Path(sysconfig.get_path("include"), "Python.h").exists():
        missing = "Python.h is missing: apt-get install python3-dev"
    else:
        return
    raise PlatformError(f"{missing} (MBOXIO_PURE=1 builds without compiled modules)")


class BuildPython(build_py):
    def finalize_options(self) -> None:
        super().finalize_options()
        self.packages = [each for each in self.packages if wanted(each)]

    def run(self) -> None:
        """Copy the package, without what an earlier build left of modules that are gone."""
        build_ext = self.get_finalized_command("build_ext")
        keep = {
            Path(self.build_lib, build_ext.get_ext_filename(each.name)) for each in extensions()
        }
        for path in Path(self.build_lib).rglob("*"):
            if path.is_file() and path not in keep:
                path.unlink()
        super().run()


class BuildExtensions(build_ext):
    def finalize_options(self) -> None:
        if self.inplace:
            raise PlatformError("compiled modules would lie in src: use `pip install .`")
        super().finalize_options()
        self.parallel = self.parallel or JOBS

    def run(self) -> None:
        """Compile what changed, and leave the stamp that mboxio/_build.py checks."""
        require_compiler()
        import Cython

        # One C file serves all Pythons; what is made of it lies in folders that name the Python.
        recipe = zlib.crc32(Cython.__version__.encode() + Path(__file__).read_bytes())

        def current() -> dict[str, int]:
            found = {**_build.checksums(str(PACKAGE)), SHARED: recipe}
            return {each.name: found[each.name] for each in self.extensions}

        checksums = current()
        sources = _build.sources(str(PACKAGE))
        before = runpy.run_path(str(STAMP)) if STAMP.exists() else {}
        known = before["MODULES"] if before.get("RECIPE") == recipe else {}
        unchanged = {each: crc for each, crc in checksums.items() if known.get(each) == crc}

        # Cython goes by time stamps, but a file that was restored may be older than the build. The
        # copies of the headers lie there too; a changed header changes every checksum.
        if not unchanged:
            shutil.rmtree(C_FILES, ignore_errors=True)
        for each, file in _build.modules(str(PACKAGE)).items():
            if each not in unchanged:
                (C_FILES / PACKAGE / file).with_suffix(".c").unlink(missing_ok=True)

        def write_stamp(done: dict[str, int]) -> None:
            C_FILES.mkdir(parents=True, exist_ok=True)
            STAMP.write_text(
                f"CYTHON = {Cython.__version__!r}\nRECIPE = {recipe}\nMODULES = {done!r}\n"
                f"SOURCES = {sources!r}\n"
            )

        write_stamp(unchanged)
        self.translated = set(unchanged)
        super().run()
        if current() != checksums:
            raise CompileError("a source file changed during the build: build again")
        write_stamp(checksums)
        installed = Path(self.build_lib, "mboxio", STAMP.name)
        installed.write_text(f"{STAMP.read_text()}OPTIMIZE = {OPTIMIZE!r}\n")

    def build_extension(self, extension: Extension) -> None:
        super().build_extension(extension)
        if sys.stderr.isatty():
            tell(f"compiled {next(self.count)} of {len(self.extensions)} modules", end="")

    def build_extensions(self) -> None:
        from Cython.Build import cythonize
        from Cython.Compiler.Errors import CompileError as CythonError

        generated: list[Extension] = []
        self.count = itertools.count(1)
        named = {each.name for each in self.extensions}
        unknown = (UNBOUND | HOT | COLD) - _build.modules(str(PACKAGE)).keys()
        if unknown:
            raise CompileError(f"setup.py names {unknown}, which are no compiled modules")
        # Cython would go by the time stamps of its own declarations as well, and they are younger
        # where another Python was given its Cython later.
        files = {
            each.name: (C_FILES / each.sources[0]).with_suffix(".c") for each in self.extensions
        }
        done = {
            name: [str(file)]
            for name, file in files.items()
            if name in self.translated and file.exists()
        }
        tell(f"translating {len(named - done.keys())} modules to C")
        try:
            for names, binding in ((named - UNBOUND, True), (UNBOUND, False)):
                generated += cythonize(
                    [each for each in self.extensions if each.name in names - done.keys()],
                    build_dir=str(C_FILES),
                    include_path=[str(PACKAGE.parent)],
                    compiler_directives={**DIRECTIVES, "binding": binding},
                    shared_utility_qualified_name=SHARED,
                    nthreads=JOBS,
                    quiet=True,
                )
        except CythonError as error:
            raise CompileError(f"Cython refuses {error}, see above") from None
        sources = {each.name: each.sources for each in generated} | done
        for extension in self.extensions:
            extension.sources = sources[extension.name]
        tell(f"compiling {len(named)} modules with {OPTIMIZE}")
        super().build_extensions()
        tell(f"compiled {len(self.extensions)} modules")


# From Python 3.14 on, the processes that run Cython begin with this file, too.
if __name__ == "__main__":
    C_FILES.mkdir(parents=True, exist_ok=True)
    setup(
        ext_modules=[] if PURE else extensions(),
        cmdclass={"build_py": BuildPython, "build_ext": BuildExtensions},
        options={
            "build": {
                "build_base": "build" if OPTIMIZE == FASTEST else f"build/optimize{OPTIMIZE}"
            },
            "egg_info": {"egg_base": "build"},
        },
        long_description=index_page(),
        long_description_content_type="text/markdown",
    )
