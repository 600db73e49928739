/*
 * Every call of abi/private.h: its handler and what must hold before that is run. In this order: a precondition may use what
 * one before it has found. When one does not hold, the call answers its error and has changed nothing. The table in
 * docs/confidential-calls.md is made from this file (tools/private-calls.py).
 *
 * WHEN(precondition, argument): the number is that of the call's argument that it looks at.
 */

#ifndef PRECONDITION
#define PRECONDITION(name, error, text)
#endif
#ifndef CALL
#define CALL(name, handler, ...)
#endif

PRECONDITION(VM, INVALID_PARAM,
	     "a VM's number; no other hart is in a call for it (else ALREADY_STARTED: again)")
PRECONDITION(VM_UNLOCKED, INVALID_PARAM, "a VM's number")
PRECONDITION(STATE_NONE, INVALID_STATE, "there is no such VM")
PRECONDITION(STATE_LAUNCH, INVALID_STATE, "it is not final")
PRECONDITION(STATE_ALIVE, INVALID_STATE, "it is final and does not end")
PRECONDITION(STATE_LIVE, INVALID_STATE, "it exists and does not end")
PRECONDITION(STATE_ANY, INVALID_STATE, "it exists")
PRECONDITION(CONFIG, INVALID_PARAM, "a sane configuration in ordinary RAM")
PRECONDITION(BLOCK, INVALID_ADDRESS, "a block of the pool, at a multiple of 2 MiB, not the warden's own")
PRECONDITION(BLOCK_FREE, INVALID_STATE, "no VM has it")
PRECONDITION(BLOCK_OWNED, DENIED, "the VM has it")
PRECONDITION(BLOCK_LEAVES, INVALID_STATE, "alive: none of its pages is in use; ending: no vCPU is in a hart")
PRECONDITION(ADDRESS, INVALID_PARAM, "a page of its RAM, private or shared")
PRECONDITION(PRIVATE, INVALID_PARAM, "a page of its RAM, private")
PRECONDITION(SHARED, INVALID_PARAM, "a page of its RAM, shared")
PRECONDITION(LEVEL_TABLE, INVALID_PARAM, "1 or 2")
PRECONDITION(LEVEL_LEAF, INVALID_PARAM, "0 or 1; the address is a multiple of the leaf's size")
PRECONDITION(LEVEL_PAGE, INVALID_PARAM, "0")
PRECONDITION(LEVEL_ANY, INVALID_PARAM, "0, 1 or 2")
PRECONDITION(EMPTY, INVALID_STATE, "the tables above the entry are there, and it is empty")
PRECONDITION(TABLE_EMPTY, INVALID_STATE, "the entry leads to a table without an entry")
PRECONDITION(TABLE_FULL, INVALID_STATE,
	     "the entry of 2 MiB leads to a table of 512 private leaves, a block of the pool in its order")
PRECONDITION(TABLE_THERE, INVALID_STATE, "there is a table of that level")
PRECONDITION(LEAF, INVALID_STATE, "the entry is a leaf")
PRECONDITION(HUGE, INVALID_STATE, "a leaf of 2 MiB is over it")
PRECONDITION(MAPPED, INVALID_STATE, "its private page is there")
PRECONDITION(NOT_SHARED, INVALID_STATE, "no page of it is there as shared")
PRECONDITION(NOT_PRIVATE, INVALID_STATE, "it is not there as private")
PRECONDITION(ASKED, DENIED, "a vCPU that waits for the answer has asked to share all of it")
PRECONDITION(PAGE, INVALID_ADDRESS, "a page of a block that the VM has")
PRECONDITION(PAGE_UNUSED, INVALID_STATE, "it is unused")
PRECONDITION(PAGES_UNUSED, INVALID_STATE, "all pages of the leaf are a VM's own, in one block, and unused")
PRECONDITION(HOST_PAGE, INVALID_ADDRESS, "a page of ordinary RAM")
PRECONDITION(HOST_USES, INVALID_ADDRESS, "512 bytes of ordinary RAM")
PRECONDITION(HOST_BYTES, INVALID_ADDRESS, "ordinary RAM; the next argument: 1 to 4096 bytes of it")
PRECONDITION(HOST_REQUEST, INVALID_ADDRESS, "a struct private_request in ordinary RAM")
PRECONDITION(HOST_REPORT, INVALID_ADDRESS, "room for a struct private_report in ordinary RAM")
PRECONDITION(VCPU, INVALID_PARAM, "the number of one of its vCPUs")
PRECONDITION(VCPU_NONE, INVALID_STATE, "it has not been made")
PRECONDITION(VCPUS, INVALID_STATE, "all its vCPUs have been made")
PRECONDITION(EVEN, INVALID_PARAM, "an even address")

CALL(INFO, pool_info)
CALL(CREATE, vm_create, WHEN(VM, 0), WHEN(STATE_NONE, 0), WHEN(BLOCK, 1), WHEN(CONFIG, 2),
     WHEN(BLOCK_FREE, 1))
CALL(DONATE, vm_donate, WHEN(VM, 0), WHEN(STATE_LIVE, 0), WHEN(BLOCK, 1), WHEN(BLOCK_FREE, 1))
CALL(RECLAIM, vm_reclaim, WHEN(VM, 0), WHEN(STATE_ANY, 0), WHEN(BLOCK, 1), WHEN(BLOCK_OWNED, 1),
     WHEN(BLOCK_LEAVES, 1))
CALL(END, vm_end, WHEN(VM, 0), WHEN(STATE_ANY, 0))
CALL(LINK, table_link, WHEN(VM, 0), WHEN(STATE_LIVE, 0), WHEN(ADDRESS, 1), WHEN(LEVEL_TABLE, 2),
     WHEN(EMPTY, 1), WHEN(PAGE, 3), WHEN(PAGE_UNUSED, 3))
CALL(UNLINK, table_unlink, WHEN(VM, 0), WHEN(STATE_LIVE, 0), WHEN(ADDRESS, 1), WHEN(LEVEL_TABLE, 2),
     WHEN(TABLE_EMPTY, 1))
CALL(SET, table_set, WHEN(VM, 0), WHEN(STATE_LIVE, 0), WHEN(PRIVATE, 1), WHEN(LEVEL_LEAF, 2), WHEN(EMPTY, 1),
     WHEN(NOT_SHARED, 1), WHEN(PAGE, 3), WHEN(PAGES_UNUSED, 3))
CALL(CLEAR, table_clear, WHEN(VM, 0), WHEN(STATE_LIVE, 0), WHEN(PRIVATE, 1), WHEN(LEVEL_LEAF, 2),
     WHEN(LEAF, 1), WHEN(ASKED, 1))
CALL(SPLIT, table_split, WHEN(VM, 0), WHEN(STATE_LIVE, 0), WHEN(PRIVATE, 1), WHEN(HUGE, 1), WHEN(PAGE, 2),
     WHEN(PAGE_UNUSED, 2))
CALL(MERGE, table_merge, WHEN(VM, 0), WHEN(STATE_LIVE, 0), WHEN(PRIVATE, 1), WHEN(TABLE_FULL, 1))
CALL(SHARE, table_share, WHEN(VM, 0), WHEN(STATE_LIVE, 0), WHEN(SHARED, 1), WHEN(LEVEL_PAGE, 2),
     WHEN(EMPTY, 1), WHEN(NOT_PRIVATE, 1), WHEN(HOST_PAGE, 3))
CALL(UNSHARE, table_unshare, WHEN(VM, 0), WHEN(STATE_LIVE, 0), WHEN(SHARED, 1), WHEN(LEVEL_PAGE, 2),
     WHEN(LEAF, 1))
CALL(READ_TABLE, table_read, WHEN(VM, 0), WHEN(STATE_LIVE, 0), WHEN(ADDRESS, 1), WHEN(LEVEL_ANY, 2),
     WHEN(TABLE_THERE, 1), WHEN(HOST_PAGE, 3))
CALL(READ_BLOCK, pool_read_block, WHEN(VM, 0), WHEN(STATE_ANY, 0), WHEN(BLOCK, 1), WHEN(BLOCK_OWNED, 1),
     WHEN(HOST_USES, 2))
CALL(LOAD, launch_load, WHEN(VM, 0), WHEN(STATE_LAUNCH, 0), WHEN(PRIVATE, 1), WHEN(MAPPED, 1),
     WHEN(HOST_BYTES, 2))
CALL(FINAL, launch_final, WHEN(VM, 0), WHEN(STATE_LAUNCH, 0), WHEN(VCPUS, 0), WHEN(EVEN, 1))
CALL(REPORT, report_call, WHEN(VM, 0), WHEN(STATE_ALIVE, 0), WHEN(HOST_REQUEST, 1), WHEN(HOST_REPORT, 2))
CALL(VCPU, launch_vcpu, WHEN(VM, 0), WHEN(STATE_LAUNCH, 0), WHEN(VCPU, 1), WHEN(VCPU_NONE, 1), WHEN(PAGE, 2),
     WHEN(PAGE_UNUSED, 2))
CALL(ENTER, vcpu_enter, WHEN(VM_UNLOCKED, 0))
CALL(VCPU_STATE, vcpu_state, WHEN(VM, 0), WHEN(STATE_LIVE, 0), WHEN(VCPU, 1))
CALL(TAKE, rings_take, WHEN(VM, 0), WHEN(STATE_ALIVE, 0))
CALL(COMPLETE, rings_complete, WHEN(VM, 0), WHEN(STATE_ALIVE, 0))

#undef PRECONDITION
#undef CALL
#undef WHEN
