/*
 * Integer types and address kinds shared by everything.
 *
 * Each kind of address is a one-member struct, so that a guest physical address cannot be passed where a
 * host physical one is meant.  They cost nothing: the ABI passes them in a register.
 */
#ifndef ABI_TYPES_H
#define ABI_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

/* Host physical: what the machine's bus sees. */
typedef struct {
	u64 a;
} hpa_t;

/* Guest physical: what a VM takes for its machine's bus. */
typedef struct {
	u64 a;
} gpa_t;

/* Guest virtual: an address under a guest's own (VS-stage) translation. */
typedef struct {
	u64 a;
} gva_t;

#define HPA(x) ((hpa_t){ .a = (x) })
#define GPA(x) ((gpa_t){ .a = (x) })
#define GVA(x) ((gva_t){ .a = (x) })

#define KIB(n) ((u64)(n) << 10)
#define MIB(n) ((u64)(n) << 20)
#define GIB(n) ((u64)(n) << 30)

#define PAGE_SIZE  KIB(4)
#define BLOCK_SIZE MIB(2)

#define ARRAY_SIZE(a)	 (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a)	 (((x) + (a)-1) & ~((a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((a)-1))

#endif
