# Our platform for OpenSBI's build (see mk/warden.mk): which objects it has, and how BearSSL's are made.

platform-cppflags-y =
platform-cflags-y =
platform-asflags-y =
platform-genflags-y = -I$(OUTLIVE_ROOT)

# Every tick of the M-mode timer comes to watchdog.c first.
platform-ldflags-y = -Wl,--wrap=sbi_timer_process

# One line of ours instead of OpenSBI's banner and tables (SBI_SCRATCH_NO_BOOT_PRINTS).
FW_OPTIONS = 0x1
FW_DYNAMIC = y

warden_objs = platform.o duty.o pristine.o update.o hart.o found.o guest.o stub.o stop.o life.o watchdog.o call.o native.o
warden_objs += $(addprefix private/,ask.o pool.o vm.o table.o launch.o measure.o report.o place.o port.o rings.o)
warden_objs += $(addprefix private/,vcpu.o exit.o ecall.o enter.o switch.o)
platform-objs-y += $(warden_objs)

# Our own files are clean under more warnings than OpenSBI's headers, which count as the system's here.
$(addprefix $(platform_build_dir)/,$(warden_objs)): platform-cflags-y += -Wextra -Wshadow -Wconversion \
	-Wstrict-prototypes -Wmissing-prototypes -isystem $(include_dir) -isystem $(libsbiutils_dir)/libfdt

# SHA-2 and ECDSA are BearSSL's, compiled where it lies.
bearssl_src = $(src_dir)/../bearssl/src
include $(OUTLIVE_ROOT)/warden/bearssl.mk
platform-objs-y += $(BEARSSL_WARDEN:%=bearssl/%.o)

bearssl_headers = -I$(OUTLIVE_ROOT)/mk/freestanding -I$(bearssl_src)/../inc
$(platform_build_dir)/bearssl/%.o: platform-cflags-y += $(bearssl_headers) -I$(bearssl_src) -DBR_USE_UNIX_TIME=0 \
	-DBR_USE_URANDOM=0 -DBR_USE_GETENTROPY=0
# Kernels are measured: OpenSBI's memcpy goes byte by byte, which would be a tenth of the work.
$(platform_build_dir)/bearssl/hash/sha2big.o: platform-cflags-y += -Dmemcpy=port_memcpy
bearssl_users = pristine update call duty $(patsubst %.o,%,$(filter private/%,$(warden_objs)))
$(foreach name,$(bearssl_users),$(addprefix $(platform_build_dir)/$(name),.o .dep)): platform-cflags-y += $(bearssl_headers)
$(platform_build_dir)/bearssl/%.o: $(src_dir)/../bearssl/src/%.c
	$(call compile_cc,$@,$<)

# Loads and stores are decoded as the hypervisor does it.
platform-objs-y += arch/riscv64/decode.o
$(platform_build_dir)/arch/%.o: platform-cflags-y += -include $(OUTLIVE_ROOT)/warden/contract.h
$(platform_build_dir)/arch/%.o: $(OUTLIVE_ROOT)/arch/%.c
	$(call compile_cc,$@,$<)
