/* Offsets of structures for the assembler: compiled to text, from which the build makes offsets.h. */
#include "abi/estate.h"
#include "abi/image.h"
#include "abi/warden.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/hart.h"
#include "arch/riscv64/slot.h"

#define DEFINE(name, value) __asm__ volatile("\n->" #name " %0" ::"i"((u64)(value)))

void offsets(void);
void offsets(void)
{
#define X(n, name) DEFINE(VCPU_X_##name, offsetof(struct vcpu_record, x[n]));
	VCPU_GPRS(X)
#undef X
#define X(field, reset, what) DEFINE(VCPU_##field, offsetof(struct vcpu_record, field));
	VCPU_TRAP_CSRS(X)
#undef X
	DEFINE(VCPU_HART, offsetof(struct vcpu_record, volatile_hart));
	DEFINE(VCPU_ENTRY, offsetof(struct vcpu_record, volatile_entry));
	DEFINE(HART_TRAP_VECTOR, offsetof(struct hart, trap_vector));
	DEFINE(VCPU_fcsr, offsetof(struct vcpu_record, fcsr));
	DEFINE(VCPU_vstart, offsetof(struct vcpu_record, vstart));
	DEFINE(VCPU_vcsr, offsetof(struct vcpu_record, vcsr));
	DEFINE(VCPU_vl, offsetof(struct vcpu_record, vl));
	DEFINE(VCPU_vtype, offsetof(struct vcpu_record, vtype));
	DEFINE(VCPU_F, offsetof(struct vcpu_record, f));
	DEFINE(VCPU_V, offsetof(struct vcpu_record, v));
	DEFINE(HART_HIDELEG_, HART_HIDELEG);
	DEFINE(HART_STACK, offsetof(struct hart, stack));
	DEFINE(HART_EMERGENCY_STACK, offsetof(struct hart, emergency_stack));
	DEFINE(HART_TRAP_T6, offsetof(struct hart, trap_t6));
	DEFINE(HART_CURRENT, offsetof(struct hart, current));
	DEFINE(HART_SIZE, sizeof(struct hart));
	DEFINE(SLOT_STACK_TOP_0, SLOT_STACKS + SLOT_STACK_STRIDE);
	DEFINE(SLOT_STACK_STRIDE_, SLOT_STACK_STRIDE);
	DEFINE(IMAGE_HEIR_ENTRY_, IMAGE_HEIR_ENTRY);
	DEFINE(ESTATE_VERSION_, ESTATE_VERSION);
	DEFINE(ESTATE_OLDEST_, ESTATE_OLDEST);
	DEFINE(WARDEN_EXT_, WARDEN_EXT);
	DEFINE(WARDEN_CRASH_, WARDEN_CRASH);
	DEFINE(LIFE_TRAP_, LIFE_TRAP);
}
