/* What kind of file a guest's kernel is. */
#ifndef CLI_KERNEL_IMAGE_H
#define CLI_KERNEL_IMAGE_H

#include "abi/types.h"

enum kernel_kind {
	KERNEL_IMAGE_UNKNOWN,
	KERNEL_IMAGE_LINUX, /* Image or EFI-stub Image: magic "RSC\5" at 56 (Linux, Documentation/riscv/boot-image-header) */
	KERNEL_IMAGE_ELF, /* ELF64 for RISC-V, executable or position-independent */
};

#define KERNEL_IMAGE_HEAD 64

/*
 * Looks at the first bytes of a file (KERNEL_IMAGE_HEAD of them, fewer if it is shorter). For KERNEL_IMAGE_UNKNOWN
 * *why says what it seems to be and what to do; it is a constant text, after which comes no full stop.
 */
enum kernel_kind kernel_image_kind(const void *head, size_t bytes, const char **why);

/* RAM that a Linux Image wants for itself with its .bss, from its header; 0 if it does not say. */
u64 kernel_image_memory(const void *head, size_t bytes);

#endif
