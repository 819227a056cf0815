# sidespan: a sidecar tracing proxy for JSON-RPC. One makefile, one object tree per variant.
#
#   make        build build/release/sidespan      make asan    tests with address and UB sanitizer
#   make demo   see a trace                       make fuzz    every fuzz target, FUZZ_SECONDS each
#   make test   unit tests, corpora, system tests make bench   the table in README.md

VERSION := 0.1.0

PREFIX  ?= /usr/local
DESTDIR ?=
PYTHON  ?= python3
CC      ?= cc
CLANG   ?= clang
VARIANT ?= release
B       := build/$(VARIANT)

PACKAGES := libevent_core yajl libcurl zlib libcrypto

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wwrite-strings -Wpointer-arith -Wcast-qual -Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough \
	-Wdouble-promotion -Wnull-dereference -Wconversion -Wno-sign-conversion -Wswitch-enum

CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2
CFLAGS_asan    := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_tsan    := -O1 -fsanitize=thread -fno-omit-frame-pointer
CFLAGS_fuzz    := -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
LDFLAGS_asan   := -fsanitize=address,undefined
LDFLAGS_tsan   := -fsanitize=thread
LDFLAGS_fuzz   := -fsanitize=address,undefined,fuzzer

CPPFLAGS += -I. -I$(B)/gen -D_GNU_SOURCE -DSIDESPAN_VERSION='"$(VERSION)"'
CFLAGS   += -std=c11 -g $(WARNINGS) -fstack-protector-strong -fPIE $(CFLAGS_$(VARIANT)) \
	$(shell pkg-config --cflags $(PACKAGES) 2>/dev/null) -pthread
LDFLAGS  += -pie -Wl,-z,relro,-z,now $(LDFLAGS_$(VARIANT)) -pthread
LDLIBS   += $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

SOURCES  := $(wildcard w3c/*.c config/*.c exporter/*.c proxy/*.c proxy/*/*.c)
OBJECTS  := $(SOURCES:%.c=$(B)/%.o) $(B)/gen/embedded.o
EMBEDDED := $(sort $(wildcard config/environments/*.json config/profiles/*.json))
MODULES  := $(filter-out $(B)/proxy/main.o,$(OBJECTS))

UNIT     := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
FUZZ     := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAY   := $(FUZZ:%=$(B)/tests/fuzz/replay_%)
PROGRAMS := $(patsubst %.c,$(B)/%,$(wildcard tests/demo/*.c tests/bench/*.c))

WRAP     := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup

.PHONY: all
all: $(B)/sidespan

$(B)/sidespan: $(OBJECTS)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/modules.a: $(MODULES)
	rm -f $@
	$(AR) rcs $@ $^

# The folders are named too: their times change when a file comes or goes.
$(B)/gen/embedded.c: config/embed.sh $(EMBEDDED) $(wildcard config/environments config/profiles)
	@mkdir -p $(@D)
	sh config/embed.sh $(EMBEDDED) >$@.new
	mv $@.new $@

$(B)/gen/embedded.o: $(B)/gen/embedded.c
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(UNIT): $(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/tests/unit/unit.o $(B)/modules.a
	$(CC) $(LDFLAGS) $(WRAP) -o $@ $^ $(LDLIBS) $(shell pkg-config --libs check)

$(REPLAY): $(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(B)/modules.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(PROGRAMS): $(B)/%: $(B)/%.o
	$(CC) $(LDFLAGS) -o $@ $< $(LDLIBS)

.PHONY: unit
unit: $(UNIT)
	@set -e; for t in $(UNIT); do $$t; done

.PHONY: corpus
corpus: $(REPLAY)
	@set -e; for f in $(FUZZ); do $(B)/tests/fuzz/replay_$$f tests/fuzz/corpus/$$f/*; done

.PHONY: test
test: unit corpus

.PHONY: clean
clean:
	rm -rf build

.SECONDARY:
-include $(shell find build -name '*.d' 2>/dev/null)
