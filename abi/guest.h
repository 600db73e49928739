/*
 * What Outlive offers its guests beyond SBI 2.0: an extension in the firmware-specific range (SBI 2.0, chapter 4).
 *
 * a7 = GUEST_EXT, a6 = function; result in a0 (SBI error) and a1 (value). Addresses are guest physical, lengths bytes.
 */
#ifndef ABI_GUEST_H
#define ABI_GUEST_H

#define GUEST_EXT     0x0a4f4c47
#define GUEST_VERSION 1

/* Also for the assembler. */

/* () -> GUEST_VERSION. */
#define GUEST_INFO 0
/*
 * (bytes, address low, address high) -> bytes taken: text for the pmsg zone of the host's black box, as the DBCN's
 * console write has its arguments. 0 bytes taken: the VM has used up its share, which grows
 * again with time. SBI_ERR_NOT_SUPPORTED: the host has none.
 */
#define GUEST_PMSG_WRITE 1

/*
 * Root VM only; SBI_ERR_DENIED for every other, which is counted and logged. No arguments.
 *
 * PREPARE: a crash of the root is under way. Its value is the id of the boot hart, so that a crash on another one can be
 * carried on there. It may be repeated, from any vCPU.
 * SUSPEND: every other vCPU, of this VM and of all others, is taken off its hart; the caller's goes on. Value 0.
 * SBI_ERR_FAILED: not after PREPARE.
 * DEVIRTUALISE: returns behind the request in HS-mode on the bare machine, with the guest's supervisor registers; a0 and
 * a1 are 0. SBI_ERR_DENIED, with the hart's id: not from the vCPU of the boot hart. SBI_ERR_FAILED: not after this vCPU's
 * SUSPEND, or it cannot be done; the host's log says why.
 *
 * A request that fails has changed nothing.
 */
#define GUEST_ROOT_PREPARE	2
#define GUEST_ROOT_SUSPEND	3
#define GUEST_ROOT_DEVIRTUALISE 4

/*
 * Confidential VMs only; SBI_ERR_DENIED for every other. (guest physical address, bytes), both multiples of 4 KiB, inside its
 * RAM, at most 2 MiB. SHARE: the contents are gone, and the pages are to be reached at the address with PRIVATE_SHARED_BIT
 * (abi/private.h), where host and devices see them. UNSHARE: private again, of zeroes. SBI_ERR_INVALID_PARAM: no such range, or
 * not in that state throughout; SBI_ERR_FAILED: the host has no page for it; nothing has changed. GUEST_SHARE's value: the bit.
 */
#define GUEST_SHARE   5
#define GUEST_UNSHARE 6
/*
 * Confidential VMs only. (address of PRIVATE_NONCE_SIZE bytes, address for a struct private_report), private, each within a
 * page: the warden's signed word for what this guest is.
 */
#define GUEST_REPORT 7

#endif
