# SPDX-License-Identifier: GPL-2.0
#
# The front door. `make help` lists what there is.

KDIR ?= /lib/modules/$(shell uname -r)/build
KERNEL ?= stock
PREFIX ?= /usr/local
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= /usr/lib/systemd/system
ARGS ?=
CPUS ?= 1 4
SOAK_SECONDS ?= 600
FUZZ_SECONDS ?= 60
JOBS := $(shell nproc)
ROOT := $(CURDIR)

.DEFAULT_GOAL := all
.PHONY: help all modules tools install clean demo test soak fuzz miri weaken mutants check bench docs

help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST))

## relayfs: make TARGET
##   all          build the module and the samples for KDIR (default: the running kernel), and the
##                command relay with the host's cargo, if there is one
##   install      install them into /lib/modules and PREFIX, manual pages into MANDIR, and a unit that
##                mounts relayfs at boot into UNITDIR (after `all`, as root)
all: modules tools

modules:
	$(MAKE) -C $(KDIR) M=$(ROOT) -j$(JOBS) modules

# With the host's cargo, for this machine. Without one there is only the module.
tools:
	@command -v cargo >/dev/null || { echo "no cargo on this host: the command relay is left out"; exit 0; }; \
		cd tools && cargo build --release --locked

install:
	$(MAKE) -C $(KDIR) M=$(ROOT) modules_install
	@tools/install "$(DESTDIR)" "$(PREFIX)" "$(MANDIR)"
	install -D -m 644 -t $(DESTDIR)$(MANDIR)/man5 Documentation/man/relayfs.5
	install -D -m 644 -t $(DESTDIR)$(UNITDIR) systemd/sys-kernel-relay.mount

##   demo         boot a stock kernel in QEMU and watch relayfs at work (ARGS=-i: get a shell)
demo:
	@tools/demo/run $(ARGS)

##   test         unit tests on the host, then the selftests in QEMU
##                (KERNEL=debug: with KASAN, lockdep, kmemleak; KERNEL=kcsan: data races;
##                CPUS="1 4": one guest with one processor, one with four)
test:
	@CPUS="$(CPUS)" tests/run $(KERNEL)

##   soak         writers in every context against readers of every kind, SOAK_SECONDS=600 (KERNEL=stock)
soak:
	@SOAK_SECONDS="$(SOAK_SECONDS)" tests/soak $(KERNEL)

##   fuzz         operations on the ring that a fuzzer thinks of, FUZZ_SECONDS=60
fuzz:
	@tests/fuzz/run "$(FUZZ_SECONDS)"

##   miri         unit tests on the host under miri, where there is one
miri:
	@tests/miri

##   weaken       one memory ordering after another taken away, and which models of loom fail without it
##                (hours; ARGS="LABEL...": of these labels)
weaken:
	@tests/ring/weaken $(ARGS)

##   mutants      the ring changed in one place after another, and what no test on the host sees of that
##                (hours, and needs cargo-mutants; ARGS="ring/claim.rs": in these files)
mutants:
	@tests/ring/mutants $(ARGS)

##   check        formatting, lints, checkpatch, allowed symbols
check:
	@tests/check/run

##   bench        instructions per record written and read, beside the kernel's relay and ftrace
bench:
	@bench/run

##   docs         Documentation/ and the manual pages as HTML, and rustdoc of the tools where there is cargo
docs:
	@tools/build/docs

##   clean        remove what was built in the tree
clean:
	@find . \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \
		-o -name '*_generated.rs' -o -name modules.order -o -name Module.symvers \) -delete
