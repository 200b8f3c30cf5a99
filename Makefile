# `make demo` and `make test` need nothing done before: they set up .venv and build into it.

PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEPS := $(VENV)/.deps
BENCH := $(VENV)/.bench
BUILT := $(VENV)/.built
# The folders are named too: a file that went away changes only its folder.
SOURCES := $(shell find src -name __pycache__ -prune -o -print)
# The tools of a release, in an environment of their own.
RELEASE := build/release
SANITIZED := build/sanitized
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# What runs on other machines.
TESTS_i386 := tests/guarantees tests/kernel tests/ring tests/shm tests/unit
TESTS_arm64 := tests/guarantees tests/shm/test_promise.py tests/shm/test_traffic.py \
    $(addprefix tests/ring/test_,access.py model.py promise.py region.py threads.py two_sides.py)
WHEELS_i386 := manylinux2014_i686
WHEELS_arm64 := manylinux2014_aarch64
# make test ARGS="-k ring -x"
ARGS ?=
QUICKLY = CC=$$(command -v clang || echo gcc) MBOXIO_OPTIMIZE=-O0
# What is installed into VENV, of the groups in pyproject.toml.
GROUP ?= dev

export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: test venv build demo test-compiled test-once test-each test-pure test-pythons build-linux test-linux \
    build-i386 build-arm64 i386 arm64 fuzz recovery interrupts hostile swarm deadlines netem lives check lint types docs format clean bench study study-real wheels release sanitize sanitize-threads
.NOTPARALLEL:

test: test-compiled test-pure

venv: $(DEPS)

build: $(BUILT)

# With this tree's build if there is one. Else, for a first look, with the least that it takes, compiled
# quickly: that lies in folders of its own, runs from there, and is never measured. RPMsg, simulations and gateways have
# commands of their own.
demo: NOT_SHOWN := mboxio.controllers.grpc mboxio.controllers.virtio_rpmsg mboxio.far mboxio.gateway \
    mboxio.remote.rpmsg mboxio.rpmsg mboxio.sim mboxio.virtio
demo:
ifneq ($(wildcard $(BUILT)),)
	@$(MAKE) --no-print-directory build
	$(BIN)/mboxio demo
else
	@PIP_COMPILE=0 $(MAKE) --no-print-directory VENV=build/demo GROUP=demo venv
	@echo "compiling what the demo shows into build/demo, as quickly as it goes"
	@$(QUICKLY) MBOXIO_WITHOUT="$(NOT_SHOWN)" flock build/.lock \
	    build/demo/bin/python setup.py --quiet build --build-lib build/demo/lib/built
	PYTHONPATH=$(CURDIR)/build/demo/lib/built build/demo/bin/python -m mboxio demo
endif

test-compiled: $(BUILT)
	MBOXIO_EXPECT_BUILD=compiled $(BIN)/pytest $(ARGS)

# Its two halves, without the real kernel, which has a target of its own.
test-once test-each: $(BUILT)
	MBOXIO_EXPECT_BUILD=compiled $(BIN)/pytest --ignore=tests/linux_kernel -m "$(if $(filter test-each,$@),not )once" $(ARGS)

# Without what says the same as with the compiled build.
test-pure: $(BUILT)
	MBOXIO_EXPECT_BUILD=pure PYTHONPATH=$(CURDIR)/src PYTHONPYCACHEPREFIX=$(CURDIR)/build/pycache \
	    $(BIN)/pytest -m "not once" $(ARGS)

# The compiled build on each other Python of this machine that can build it, in a VENV of its own. What
# differs is the interface of that Python: the compiler need not do anything, and clang does it in less time.
test-pythons:
	for version in $$(tools/pythons.sh $(PYTHON)); do $(MAKE) test-on-$$version || exit; done

ON = PYTHON="$$(tools/pythons.sh --path $*)" VENV=build/python$* GROUP=test

venv-on-%:
	$(MAKE) $(ON) venv

build-on-%:
	$(QUICKLY) $(MAKE) $(ON) build

test-on-%:
	$(QUICKLY) $(MAKE) $(ON) test-each

# Inside a real Linux, which is built once, in build/linux or where MBOXIO_LINUX_CACHE says: RPMsg through its
# own drivers. make test-linux LINUX=linux-source-6.1
LINUX := linux-source-6.12

build-linux: $(DEPS)
	$(BIN)/python -m tests.linux_kernel.build $(LINUX)

test-linux: $(BUILT) build-linux
	MBOXIO_LINUX=$(LINUX) MBOXIO_EXPECT_TOOLS=1 MBOXIO_EXPECT_BUILD=compiled \
	    $(BIN)/pytest tests/linux_kernel $(ARGS)

# With Debian's Python for another machine and all modules compiled: what depends on the size of a word,
# on 32-bit x86, and what depends on the instructions, on an emulated ARM. This machine's own build goes
# first and writes the C files, which takes an emulated Cython many minutes. What a compiler may do to
# them in passing is tested there; here it need not do anything.
i386 arm64: %: build/%/.built
	PATH="$(CURDIR)/build/$*/bin:$$PATH" PYTHONPATH=$(CURDIR)/build/$*/lib/built \
	    MBOXIO_EXPECT_BUILD=compiled build/$*/bin/python -m pytest $(TESTS_$*) $(ARGS)

build-i386 build-arm64: build-%: build/%/.built

build/i386/.built build/arm64/.built: build/%/.built: $(BUILT) build/%/.deps
	MBOXIO_OPTIMIZE=-O0 CC=build/$*/bin/compile LDSHARED="build/$*/bin/gcc -shared" \
	    build/$*/bin/python setup.py --quiet build --build-lib build/$*/lib/built
	touch $@

build/i386/.deps build/arm64/.deps: build/%/.deps: $(DEPS) tools/foreign_python.sh
	tools/foreign_python.sh $* build/$*
	$(PIP) install --group test --only-binary=:all: --upgrade --platform $(WHEELS_$*) \
	    --python-version "$$(build/$*/bin/python -c 'import platform; print(platform.python_version())')" \
	    --target "$$(build/$*/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	touch $@

# What a hardware queue brings, in virtual time: docs/is-a-queue-worth-it.md with its data and pictures, and the
# simulation against queueing theory. It takes minutes; the real clock has a target of its own.
study: $(BUILT)
	$(BIN)/python -m benchmarks.worth $(ARGS)
	$(BIN)/python -m benchmarks.worth --theory $(ARGS)

study-real: $(BUILT)
	$(BIN)/python -m benchmarks.worth --real $(ARGS)

# A million words of an SRAM and of RPMsg rings change while traffic runs over them, and whatever texts QEMU and debuggers may
# send; `test` does it for a moment.
fuzz: $(BUILT)
	MBOXIO_EXPECT_BUILD=compiled $(BIN)/python -m tests.acpm.fuzz 1000000
	MBOXIO_EXPECT_BUILD=compiled $(BIN)/python -m tests.rpmsg.fuzz 1000000
	MBOXIO_EXPECT_BUILD=compiled $(BIN)/python -m tests.firmware_rings.fuzz 1000000
	MBOXIO_EXPECT_BUILD=compiled MBOXIO_TEXTS=20000 \
	    $(BIN)/pytest --override-ini=timeout=1800 -k whatever tests/io/test_hostile_texts.py

# ACPM firmware is killed a hundred times in each mode; `test` does it a few times.
recovery: $(BUILT)
	MBOXIO_EXPECT_BUILD=compiled MBOXIO_ACPM_KILLS=100 MBOXIO_RPMSG_KILLS=100 $(BIN)/pytest -k killed \
	    tests/acpm/test_recovery.py tests/rpmsg/test_served.py
	MBOXIO_EXPECT_BUILD=compiled MBOXIO_LIVES=500 $(BIN)/pytest --override-ini=timeout=3600 \
	    -k "firmware_dies or change" tests/firmware_rings/test_lives.py tests/mcu/test_controller.py
	MBOXIO_EXPECT_BUILD=compiled MBOXIO_LIVES=1500 $(BIN)/pytest --override-ini=timeout=3600 \
	    -k host_dies tests/firmware_rings/test_lives.py tests/mcu/test_controller.py

# A hundred thousand signals at random on each build; `test` does it for a moment.
interrupts:
	MBOXIO_INTERRUPTS=100000 $(MAKE) test ARGS=tests/hardening/test_random_interrupts.py

# Thousands of lives with an enemy on either side, everything under sanitizers; `test` does it for a moment.
# MBOXIO_HOSTILE_SEED=N begins at life N.
hostile:
	MBOXIO_HOSTILE_LIVES=$${MBOXIO_HOSTILE_LIVES:-2000} \
	    MBOXIO_HOSTILE_SEED=$${MBOXIO_HOSTILE_SEED:-$$(date +%s)} \
	    MBOXIO_HOSTILE_CFLAGS="-O1 -g $(SANITIZERS)" $(MAKE) sanitize ARGS=tests/hostile

# Ten million requests on boards with faults, in virtual time on all processors; `test` does it for a moment.
REQUESTS := 10000000
SEED := 1
swarm: $(BUILT)
	MBOXIO_EXPECT_BUILD=compiled $(BIN)/mboxio sim --seed $(SEED) --requests $(REQUESTS) $(ARGS)

# A gateway behind a line that delays packets and loses some, in network namespaces of its own.
netem: $(BUILT)
	MBOXIO_EXPECT_BUILD=compiled $(BIN)/python -m tests.lab.netem $(ARGS)

# A gateway that is killed a hundred times and frozen ten times with requests in flight, and how soon they end;
# `test` does it a few times. make lives ARGS=20
lives: $(BUILT)
	MBOXIO_EXPECT_BUILD=compiled $(BIN)/python -m tests.lab.lives $(ARGS)

# How late deadlines come in each hostile situation, and what the host keeps: figures of this machine.
deadlines: $(BUILT)
	MBOXIO_EXPECT_BUILD=compiled $(BIN)/python -m tests.hostile.deadlines $(ARGS)

# The tests come last: their summary is what a reader of the log looks for.
check: lint types test

lint: $(DEPS)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

# The types of the command need those of what it uses.
types: $(BUILT)
	$(BIN)/mypy
	$(BIN)/pyright

# Every example, command and link in the documents; `test` runs these, too.
docs: $(BUILT)
	MBOXIO_EXPECT_BUILD=compiled $(BIN)/pytest tests/docs

# The peers, the limit in C and all tables; make bench ARGS="--quick" or ARGS=--write-docs
bench: $(BUILT) $(BENCH)
	$(BIN)/python -m benchmarks $(ARGS)

# What a release uploads, into dist/: built from its own sources, for each Python of this machine and for an
# emulated ARM where its tools are, and each file tried where it lands.
wheels:
	$(MAKE) VENV=$(RELEASE) GROUP=release venv
	if command -v aarch64-linux-gnu-gcc && command -v qemu-aarch64-static; then \
	    $(MAKE) VENV=$(RELEASE) GROUP=release build/arm64/.deps; fi
	tools/wheels.sh $(RELEASE)/bin $(PYTHON)
	$(RELEASE)/bin/python tools/check_dist.py dist

# Whether this tree can be released, and what is left to do by hand: nothing is uploaded.
release:
	$(MAKE) VENV=$(RELEASE) GROUP=release venv
	$(RELEASE)/bin/python tools/release.py before
	$(RELEASE)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(RELEASE)/bin/check-jsonschema --builtin-schema vendor.github-issue-forms \
	    .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/driver.yml
	$(MAKE) wheels
	$(RELEASE)/bin/python tools/release.py after

# The compiled build and all tests under AddressSanitizer and UndefinedBehaviorSanitizer. Built from a
# copy: the ordinary products know nothing of these options. Leaks are looked for by the tests.
sanitize: $(DEPS)
	rm -rf $(SANITIZED)
	mkdir -p $(SANITIZED)/tree
	cp -r src setup.py pyproject.toml README.md LICENSE $(SANITIZED)/tree
	CC=gcc CFLAGS="-O1 -g $(SANITIZERS)" LDFLAGS="$(SANITIZERS)" \
	    $(PIP) install --no-build-isolation --no-deps --target $(SANITIZED)/site $(SANITIZED)/tree
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	    ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc \
	    MBOXIO_EXPECT_BUILD=compiled PYTHONPATH=$(CURDIR)/$(SANITIZED)/site \
	    $(BIN)/pytest --override-ini=timeout=600 $(ARGS)

# The header between two threads in C, under ThreadSanitizer; `test` runs this, too.
sanitize-threads: $(DEPS)
	MBOXIO_EXPECT_TOOLS=1 PYTHONPATH=$(CURDIR)/src PYTHONPYCACHEPREFIX=$(CURDIR)/build/pycache \
	    $(BIN)/pytest tests/ring/test_threads.py $(ARGS)

format: $(DEPS)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf build dist $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

$(DEPS): pyproject.toml
	tools/doctor.sh $(PYTHON)
	@echo "making $(VENV), with the group $(GROUP) of pyproject.toml"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'
	$(PIP) install --group $(GROUP)
	touch $@

$(BENCH): $(DEPS)
	$(PIP) install --group bench
	touch $@

$(BUILT): $(DEPS) setup.py $(SOURCES)
	tools/doctor.sh $(BIN)/python
	mkdir -p build
	@echo "compiling mboxio into $(VENV)"
	flock build/.lock $(BIN)/python setup.py --quiet build
	flock build/.lock $(PIP) install --no-build-isolation '.[cli]'
	touch $@

# The recording of the demo in the README.
pictures: $(BUILT)
	$(BIN)/python tools/picture.py docs/demo.svg $(BIN)/mboxio demo
	$(BIN)/python tools/in_flight.py docs/in-flight.svg

# The documentation as a web site, build/site/index.html. A broken link or reference fails it. Its tools
# have an environment of their own.
SITE := build/site-tools

.PHONY: pictures site
site: $(SITE)/.deps
	PYTHONPATH=$(CURDIR)/src PYTHONPYCACHEPREFIX=$(CURDIR)/build/pycache \
	    $(SITE)/bin/python -m sphinx --quiet --fail-on-warning --keep-going \
	    --conf-dir docs/site --doctree-dir build/site-trees . build/site

$(SITE)/.deps: pyproject.toml
	$(PYTHON) -m venv $(SITE)
	$(SITE)/bin/python -m pip --disable-pip-version-check --quiet install --upgrade 'pip>=25.1'
	$(SITE)/bin/python -m pip --disable-pip-version-check --quiet install --group site
	touch $@
