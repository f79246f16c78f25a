# Shiplock. Everything made lands under $(B). `make help` lists the targets.
SHELL := /bin/bash
B ?= build
# One name for one folder: what was made under another would not know what it was made from.
override B := $(patsubst $(CURDIR)/%,%,$(abspath $(B)))
prefix ?= /usr/local
bindir = $(prefix)/bin
mandir = $(prefix)/share/man
unitdir = $(prefix)/lib/systemd/system
sharedir = $(prefix)/share/shiplock
CC ?= gcc
VERSION ?= 0.1.0

# Layers of pkg/, lowest first: a folder may include only folders that stand on an earlier line.
LAYERS := \
	base:0 \
	yaml:1 git:1 ssh:1 loop:1 codec:1 objects:1 \
	plan:2 job:2 web:2 http:2 \
	store:3 creds:3 \
	sim:4 policy:4 telemetry:4 kube:4 \
	saga:5 providers:6 steps:7 fleet:8
WORKER_ONLY := yaml git ssh
layer_of = $(word 2,$(subst :, ,$(filter $(1):%,$(LAYERS))))
FOLDERS := $(foreach l,$(LAYERS),$(if $(wildcard pkg/$(firstword $(subst :, ,$(l)))/*.c),$(firstword $(subst :, ,$(l)))))
PROGRAMS := $(patsubst cmd/%/main.c,%,$(wildcard cmd/*/main.c))
MAN_PAGES := $(wildcard cmd/*/*.[1-8])

PKGS := glib-2.0 jansson libcurl libsystemd sqlite3 libmicrohttpd libcrypto
WORKER_PKGS := libfyaml libgit2 libssh2 libseccomp
WARN := -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith \
	-Wwrite-strings -Wvla -Wimplicit-fallthrough -Wno-unused-parameter -Wno-missing-field-initializers
CFLAGS ?= -O2 -g
BASE_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DSL_VERSION='"$(VERSION)"' -Ipkg $(WARN) $(PKG_CFLAGS)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) $(WORKER_PKGS) 2>/dev/null)
LIBS := -Wl,--as-needed $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm
WORKER_LIBS := $(LIBS) $(shell pkg-config --libs $(WORKER_PKGS) 2>/dev/null)
SAN := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

# Short lines; V=1 shows the commands.
say = $(if $(filter 1,$(V)),,@printf '  %s %s\n' $(1) $(2:$(CURDIR)/%=%);)

# Two builds from the same sources: plain ($(B)/obj) and with sanitizers ($(B)/san).
srcs_of = $(filter-out pkg/$(1)/test-% pkg/$(1)/fuzz-% pkg/$(1)/bench-%,$(wildcard pkg/$(1)/*.c))
tests_of = $(wildcard pkg/$(1)/test-*.c)
reverse = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
LIB_FOLDERS := $(filter-out $(WORKER_ONLY),$(FOLDERS))
archives = $(foreach f,$(call reverse,$(LIB_FOLDERS)),$(1)/pkg/$(f).a)
worker_archives = $(foreach f,$(call reverse,$(filter $(WORKER_ONLY),$(FOLDERS))),$(1)/pkg/$(f).a)

# $(call upto,FOLDER): the folders that a test of FOLDER may link, highest first.
layer_le = $(shell test $(call layer_of,$(1)) -le $(call layer_of,$(2)) && echo $(1))
upto = $(call reverse,$(foreach f,$(LIB_FOLDERS),$(if $(filter $(f),$(1)),,$(call layer_le,$(f),$(1)))) $(1))

.PHONY: help all deps bench-build demo demo-run demo-keep test test-build slow-build test-run check check-long e2e range bench lint asan man install clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(foreach p,$(PROGRAMS),$(B)/$(p))

help:
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | column -t -s "$$(printf '\t')"

clean: ## remove what was made
	rm -rf $(B)

define compile_rules
$(B)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)$$(CC) $$(BASE_CFLAGS) $(2) -MMD -MP -c -o $$@ $$<
endef
$(eval $(call compile_rules,obj,$$(CFLAGS)))
$(eval $(call compile_rules,san,$$(SAN)))

define folder_rules
$(B)/$(1)/pkg/$(2).a: $(patsubst %.c,$(B)/$(1)/%.o,$(call srcs_of,$(2)))
	@mkdir -p $$(@D)
	@rm -f $$@
	@$$(AR) rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rules,obj,$(f)))$(eval $(call folder_rules,san,$(f))))

# Tests and fuzz replays: built with sanitizers (make test runs those) and plain (for deadlines and benches).
define test_rules
$(B)/san/test/$(1)-$(2): $(B)/san/pkg/$(1)/test-$(2).o $(foreach f,$(call upto,$(1)),$(B)/san/pkg/$(f).a)
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)$$(CC) $$(SAN) -o $$@ $$^ $$(if $$(filter $(1),$$(WORKER_ONLY)),$$(WORKER_LIBS),$$(LIBS))
$(B)/obj/test/$(1)-$(2): $(B)/obj/pkg/$(1)/test-$(2).o $(foreach f,$(call upto,$(1)),$(B)/obj/pkg/$(f).a)
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)$$(CC) -o $$@ $$^ $$(if $$(filter $(1),$$(WORKER_ONLY)),$$(WORKER_LIBS),$$(LIBS))
TEST_PROGRAMS += $(B)/san/test/$(1)-$(2)
test-$(1): $(B)/san/test/$(1)-$(2)
endef
$(foreach f,$(FOLDERS),$(foreach t,$(call tests_of,$(f)),$(eval $(call test_rules,$(f),$(patsubst pkg/$(f)/test-%.c,%,$(t))))))

# Programs that measure: bench-x.c of a folder becomes $(B)/bench-x.
define bench_rules
$(B)/bench-$(2): $(B)/obj/pkg/$(1)/bench-$(2).o $(foreach f,$(call upto,$(1)),$(B)/obj/pkg/$(f).a)
	$$(call say,LD,$$@)$$(CC) -o $$@ $$^ $$(LIBS)
BENCHES += $(B)/bench-$(2)
endef
$(foreach f,$(LIB_FOLDERS),$(foreach t,$(wildcard pkg/$(f)/bench-*.c),$(eval $(call bench_rules,$(f),$(patsubst pkg/$(f)/bench-%.c,%,$(t))))))

TEST_ENV = G_SLICE=always-malloc ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 SHIPLOCK_BUILD=$(abspath $(B)) SHIPLOCK_SRC=$(CURDIR)
.PHONY: $(foreach f,$(FOLDERS),test-$(f))
$(foreach f,$(FOLDERS),test-$(f)):
	@.ci/run-tests $(filter $(B)/san/test/$(patsubst test-%,%,$@)-%,$(TEST_PROGRAMS))

define program_rules
$(B)/$(1): $(patsubst %.c,$(B)/obj/%.o,$(filter-out cmd/$(1)/test-%.c cmd/$(1)/fuzz-%.c,$(wildcard cmd/$(1)/*.c))) $(if $(filter shiplock-worker,$(1)),$(call worker_archives,$(B)/obj)) $(call archives,$(B)/obj)
	$$(call say,LD,$$@)$$(CC) -o $$@ $$^ $(if $(filter shiplock-worker,$(1)),$$(WORKER_LIBS),$$(LIBS))
$(B)/san/$(1): $(patsubst %.c,$(B)/san/%.o,$(filter-out cmd/$(1)/test-%.c cmd/$(1)/fuzz-%.c,$(wildcard cmd/$(1)/*.c))) $(if $(filter shiplock-worker,$(1)),$(call worker_archives,$(B)/san)) $(call archives,$(B)/san)
	$$(call say,LD,$$@)$$(CC) $$(SAN) -o $$@ $$^ $(if $(filter shiplock-worker,$(1)),$$(WORKER_LIBS),$$(LIBS))
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rules,$(p))))

# What a machine with nothing but make and Debian's packages still needs.
DEPS := gcc pkg-config libc6-dev libcurl4-openssl-dev libgit2-dev libfyaml-dev libjansson-dev libssh2-1-dev \
	libsystemd-dev libglib2.0-dev libmicrohttpd-dev libsqlite3-dev libseccomp-dev libssl-dev clang-format mandoc \
	git openssh-server openssh-client nginx-light fcgiwrap nghttp2-server openssl python3 curl \
	prometheus prometheus-alertmanager redis-server util-linux bsdextrautils ca-certificates debootstrap strace \
	containerd runc containernetworking-plugins conntrack iptables iproute2 ethtool socat
deps: ## install what is missing of the packages that building and testing need
	@missing=$$(for p in $(DEPS); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	[ -z "$$missing" ] || { echo "installing:" $$missing; \
		sudo=$$([ $$(id -u) -eq 0 ] || echo sudo); export DEBIAN_FRONTEND=noninteractive; \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null; }

test: deps ## unit, simulation and wire tests, with sanitizers
	@$(MAKE) --no-print-directory -j2 all test-build
	@$(MAKE) --no-print-directory test-run

test-build: $(TEST_PROGRAMS)

# Those that `check` and `check-long` run in full (-m slow), without sanitizers.
slow-build: $(addprefix $(B)/obj/test/,saga-crash fleet-crash-fleet fleet-kubeadm-crash fleet-schedule fleet-notice fleet-results)

test-run: all $(TEST_PROGRAMS)
	@$(TEST_ENV) .ci/run-tests .ci/test-lint $(TEST_PROGRAMS)

asan: all $(foreach p,$(PROGRAMS),$(B)/san/$(p)) ## the programs with sanitizers, under $(B)/san

# A skip is allowed only while the condition behind it is true.
define SKIP_OK
range *|! command -v go
range *apt in a Debian root needs root|[ "$$(id -u)" -ne 0 ]
range *apt in a Debian root needs debootstrap|! command -v debootstrap
* only root can be somebody else|[ "$$(id -u)" -ne 0 ]
* only root can give itself a resolver|[ "$$(id -u)" -ne 0 ]
range *systemd-analyze is not installed|! command -v systemd-analyze
range *true nodes need root|[ "$$(id -u)" -ne 0 ]
range *true nodes need namespaces*|! unshare -m -u -i -n -p -f --mount-proc true
range *true nodes need cgroup v1*|! grep -q ' cgroup .*pids' /proc/mounts
steps-drain-range *|[ -z "$$SHIPLOCK_RANGE_KUBECONFIG" ]
endef
export SKIP_OK
check: deps ## everything that must pass before a submission
	@B=$(B) .ci/check

FAULT ?= error-rate-rise@3
demo: deps ## watch a simulated fleet of five go up, with a failure that rolls back; FAULT=none, FAULT=operator-never-available@2
	@$(MAKE) --no-print-directory -j2 all >/dev/null
	@$(MAKE) --no-print-directory demo-run

demo-run:
	@SHIPLOCK_BUILD=$(abspath $(B)) FAULT=$(FAULT) e2e/demo

demo-keep: deps ## the same, and daemon and fleet stay for a look around
	@$(MAKE) --no-print-directory -j2 all >/dev/null
	@SHIPLOCK_BUILD=$(abspath $(B)) FAULT=$(FAULT) KEEP=1 e2e/demo

lint: $(foreach f,$(FOLDERS),$(B)/obj/pkg/$(f).a) ## format, limits, banned calls, layers, headers, wording
	@.ci/lint --build $(B)

man: $(B)/man/shiplock.5 $(MAN_PAGES) ## the manual pages; that of the documents is made from the schema
	@mandoc -T lint -W warning $^

$(B)/man/shiplock.5: $(B)/shiplock
	@mkdir -p $(@D)
	$< schema --man >$@

install: all $(B)/man/shiplock.5 ## programs, manual pages and the unit; DESTDIR and prefix are honoured
	install -d $(addprefix $(DESTDIR),$(bindir) $(unitdir) $(sharedir) $(mandir)/man1 $(mandir)/man5 $(mandir)/man8)
	install $(foreach p,$(PROGRAMS),$(B)/$(p)) $(DESTDIR)$(bindir)
	install -m 644 $(filter %.1,$(MAN_PAGES)) $(DESTDIR)$(mandir)/man1
	install -m 644 $(filter %.8,$(MAN_PAGES)) $(DESTDIR)$(mandir)/man8
	install -m 644 $(B)/man/shiplock.5 $(DESTDIR)$(mandir)/man5
	sed 's|/usr/local/bin|$(bindir)|' cmd/shiplockd/shiplockd.service >$(DESTDIR)$(unitdir)/shiplockd.service
	chmod 644 $(DESTDIR)$(unitdir)/shiplockd.service
	install -m 644 cmd/shiplockd/*.yaml $(DESTDIR)$(sharedir)

bench: deps ## measure, print a table, write $(B)/bench.json; BENCH=kubeadm: on true nodes, as root
	@$(MAKE) --no-print-directory -j2 all bench-build
	@SHIPLOCK_BUILD=$(abspath $(B)) e2e/bench

bench-build: $(BENCHES)

# What takes longer, in parts: crash (every point of the crash matrices, 1,100 random fleets, plain build), repeat (all tests ten times).
PART ?= crash
long_needs = $(if $(filter kubeadm-%,$(PART)),all,all slow-build test-build)
check-long: deps ## PART=crash: crash matrices and 1,100 fleets in full; repeat: every test ten times; kubeadm-... (e2e/run --list): true nodes
	@$(MAKE) --no-print-directory -j2 $(long_needs)
	@date -u; git rev-parse --short HEAD 2>/dev/null || :; $(TEST_ENV) .ci/check-long $(PART) $(B)

range: ## build the Kubernetes, etcd and Argo CD servers of the tests, once, into a cache
	@e2e/range/build

e2e: all range ## the tests on real servers
	@e2e/run

-include $(shell find $(B) -name '*.d' 2>/dev/null)
