# What the fragments share: places, compilers, flags, and how sources are found. BUILD can be another
# folder, for a second build beside the first.

BUILD ?= build
export BUILD
CACHE := $(shell tools/fetch.sh --cache)
CROSS := riscv64-linux-gnu-
HOSTCC := gcc
CLANG := clang

# Products of "make all", and programs that tests/run runs.
ALL :=
TEST_PROGRAMS :=

# "make V=1" shows the commands; otherwise one line for each file.
ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(2)'
endif

# Every file below some folders whose name matches; folders that do not exist yet count as empty.
sources = $(sort $(shell find $(1) -name '$(2)' -type f 2>/dev/null))

# Own code is clean under these, third-party code is compiled without them. Files name headers from the
# root of the repository ("core/estate/estate.h").
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
LANGUAGE := -std=gnu17 -fno-common -fno-strict-aliasing
PATHS := -I. -ffile-prefix-map=$(CURDIR)/= -ffile-prefix-map=$(CACHE)/src/=third/
DEPENDENCIES = -MMD -MP -MF $(@:.o=.d)

# libfdt, from the sources of the device tree compiler: the target, the host's tests and the fuzzers use
# the same. Only the parts that we call get linked, because it becomes an archive.
FDT_DIR := $(CACHE)/src/dtc/libfdt
FDT_NAMES := fdt fdt_addresses fdt_check fdt_empty_tree fdt_overlay fdt_ro fdt_rw fdt_strerror fdt_sw fdt_wip

# LZ4, of which the hypervisor uses the compressor of single blocks (core/lib/compress.h). Freestanding: it has no heap and
# no C library, and the table of its state is small enough to be cleared for each block. Its own warnings are its own.
LZ4_DIR := $(CACHE)/src/lz4/lib
LZ4_FLAGS := -isystem $(LZ4_DIR) -DLZ4_FREESTANDING=1 -DLZ4_MEMORY_USAGE=13 -DLZ4_memcpy=__builtin_memcpy \
	-DLZ4_memmove=__builtin_memmove -DLZ4_memset=__builtin_memset
