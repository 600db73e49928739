/* The boot pack: what is taken, and each thing that can be wrong with one. */
#include "abi/estate.h"
#include "core/lib/crc32c.h"
#include "core/lib/errno.h"
#include "core/vm/pack.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define VMS   2
#define ITEMS 3

/* A pack as the command writes it: tables, then the items' bytes. */
struct image {
	struct pack_header header;
	struct pack_item item[ITEMS];
	struct vm_config vm[VMS];
	u8 tables_pad[2 * PAGE_SIZE - sizeof(struct pack_header) - ITEMS * sizeof(struct pack_item) -
		      VMS * sizeof(struct vm_config)];
	u8 bytes[ITEMS][PAGE_SIZE];
};

static struct image *image;
static struct pack pack;
static char why[128];

static void seal(void)
{
	image->header.crc = 0;
	image->header.crc = crc32c(0, image, offsetof(struct image, tables_pad));
}

static int set_up(void **state)
{
	static const char *const names[] = { "Image", "initrd.gz", "bench.bin" };

	(void)state;
	image = aligned_alloc(PAGE_SIZE, sizeof(*image));
	memset(image, 0, sizeof(*image));
	image->header = (struct pack_header){ .magic = PACK_MAGIC,
					      .version = PACK_VERSION,
					      .header_size = sizeof(struct pack_header),
					      .total_size = sizeof(*image),
					      .item_count = ITEMS,
					      .vm_count = VMS };
	for (unsigned i = 0; i < ITEMS; i++) {
		image->item[i].offset = offsetof(struct image, bytes) + i * PAGE_SIZE;
		image->item[i].size = PAGE_SIZE - i;
		strcpy(image->item[i].name, names[i]);
		memset(image->bytes[i], (int)i + 1, PAGE_SIZE);
	}
	for (unsigned i = 0; i < VMS; i++) {
		struct vm_config *vm = &image->vm[i];

		(void)snprintf(vm->name, sizeof(vm->name), "vm%u", i);
		vm->memory = MIB(64);
		vm->vcpus = 2;
		vm->initrd_item = i ? VM_NO_ITEM : 1;
		vm->kernel_item = i ? 2 : 0;
		vm->devices[0].kind = VM_DEV_BLK;
		vm->devices[0].flags = VM_DEV_READONLY;
		vm->devices[1].kind = VM_DEV_NET;
		vm->devices[1].flags = VM_DEV_UPLINK;
	}
	seal();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(image);
	return 0;
}

static int open_image(void)
{
	return pack_open(&pack, image, sizeof(*image), why, sizeof(why));
}

static void a_good_pack_opens(void **state)
{
	u64 size;
	const u8 *bytes;

	(void)state;
	assert_int_equal(open_image(), 0);
	assert_string_equal(why, "");
	assert_ptr_equal(pack.vms, image->vm);
	for (u32 i = 0; i < ITEMS; i++) {
		bytes = pack_item_bytes(&pack, i, &size);
		assert_ptr_equal(bytes, image->bytes[i]);
		assert_int_equal(size, PAGE_SIZE - i);
		assert_string_equal(pack_item_name(&pack, i), image->item[i].name);
	}
	assert_null(pack_item_bytes(&pack, ITEMS, &size));
	assert_null(pack_item_bytes(&pack, VM_NO_ITEM, &size));
	assert_int_equal(size, 0);
	assert_string_equal(pack_item_name(&pack, VM_NO_ITEM), "");
}

/* One change that makes the pack bad, and words that the complaint has. */
static void fill(void *at, size_t bytes)
{
	memset(at, 'x', bytes);
}

#define WRONG(change, words)                                                             \
	do {                                                                             \
		tear_down(NULL);                                                         \
		set_up(NULL);                                                            \
		change;                                                                  \
		seal();                                                                  \
		assert_int_equal(open_image(), -EINVAL);                                 \
		if (!strstr(why, words))                                                 \
			fail_msg("%s: \"%s\" does not say \"%s\"", #change, why, words); \
		assert_null(pack.header);                                                \
	} while (0)

/* Makes it the root VM, with two windows of the machine. */
static struct vm_config *make_root(struct vm_config *vm)
{
	vm->flags = VM_ROOT;
	memset(vm->devices, 0, sizeof(vm->devices));
	vm->devices[0] = (struct vm_device_config){ .kind = VM_DEV_PASS, .host_unit = 7 };
	vm->devices[1] = (struct vm_device_config){ .kind = VM_DEV_PASS, .host_unit = 6 };
	return vm;
}

static void a_pack_may_have_one_root_vm(void **state)
{
	(void)state;
	make_root(&image->vm[1]);
	seal();
	assert_int_equal(open_image(), 0);
}

static void a_pack_may_have_confidential_vms(void **state)
{
	(void)state;
	image->header.pool = MIB(256);
	image->vm[0].flags = VM_CONFIDENTIAL;
	image->vm[1].flags = VM_CONFIDENTIAL;
	seal();
	assert_int_equal(open_image(), 0);
}

static void each_wrong_field_is_named(void **state)
{
	struct pack_header *h;
	struct vm_config *vm;

	(void)state;
#define H (h = &image->header, h)
#define V (vm = &image->vm[1], vm)
	WRONG(H->magic++, "no boot pack");
	WRONG(H->version++, "of version");
	WRONG(H->header_size--, "header of");
	WRONG(H->total_size++, "truncated");
	WRONG(H->total_size = 100, "tables need");
	WRONG(H->crash_policy = 4, "crash policy");
	WRONG(H->flags = 2, "unknown flags");
	WRONG(H->reserved[2] = 1, "reserved");
	WRONG(H->evidence.dump_disk = 33, "evidence on disk 32");
	WRONG(H->evidence.dump_disk = 2, "0 dumps to be kept");
	WRONG(H->evidence.dump_keep = 2, "2 dumps to be kept");
	WRONG((H->evidence.dump_disk = 2, h->evidence.dump_keep = 17), "17 dumps");
	WRONG((H->evidence.dump_disk = 1, h->evidence.dump_keep = 1), "disk 0 is the host's own");
	WRONG(H->evidence.blackbox_disk = 2, "black box with zones of 0, 0, 0 and 0 bytes");
	WRONG((H->evidence.blackbox_disk = 2, h->evidence.blackbox_kmsg = 4097), "black box with zones");
	WRONG((H->evidence.blackbox_disk = 2, h->evidence.blackbox_kmsg = -4096u,
	       h->evidence.blackbox_pmsg = 8192),
	      "black box with zones");
	WRONG((H->evidence.blackbox_disk = 1, h->evidence.blackbox_kmsg = 4096), "disk 0 is the host's own");
	WRONG((H->evidence.blackbox_disk = 2, h->evidence.dump_disk = 2, h->evidence.blackbox_kmsg = 4096),
	      "on the same disk, 1");
	WRONG(H->evidence.reserved = 1, "reserved words of the evidence");
	WRONG(image->item[1].name[0] = 0, "item 1: bad name");
	WRONG(fill(image->item[2].name, sizeof(image->item[2].name)), "item 2: bad name");
	WRONG(image->item[0].name[1] = '\n', "item 0: bad name");
	WRONG(image->item[0].offset += 8, "item 0 (Image): offset");
	WRONG(image->item[0].offset = 0, "outside");
	WRONG(image->item[2].size = PAGE_SIZE + 1, "item 2 (bench.bin): outside");
	WRONG(image->item[2].offset = -(u64)PAGE_SIZE, "outside");
	WRONG(image->item[2].size = ~0ull, "outside");
	WRONG(fill(V->name, sizeof(vm->name)), "VM 1: bad name");
	WRONG(V->name[0] = 0, "VM 1: bad name");
	WRONG(strcpy(V->name, "vm0"), "two VMs are named vm0");
	WRONG(fill(V->cmdline, sizeof(vm->cmdline)), "VM vm1: command line");
	WRONG(V->memory = 0, "memory of 0 bytes");
	WRONG(V->memory += PAGE_SIZE, "memory of");
	WRONG(V->memory = VM_MEMORY_MAX + BLOCK_SIZE, "memory of");
	WRONG(V->vcpus = 0, "0 vCPUs");
	WRONG(V->vcpus = MAX_VCPU_ID + 1, "4097 vCPUs");
	WRONG(V->kernel_item = ITEMS, "kernel is item 3 of 3");
	WRONG(V->initrd_item = ITEMS, "initrd is item 3 of 3");
	WRONG(V->autostart = 2, "autostart");
	WRONG(V->on_crash = 2, "unknown action");
	WRONG(V->extent_count = 1, "extents");
	WRONG(V->extents[3].size = 1, "extents");
	WRONG(V->devices[7].kind = 7, "device 7: unknown kind 7");
	WRONG(V->flags = 4, "flags 4 are not supported");
	WRONG(V->flags = VM_CONFIDENTIAL, "there is no pool for it");
	WRONG((V->flags = VM_CONFIDENTIAL | VM_ROOT), "the root VM cannot be confidential");
	WRONG((H->pool = MIB(4), V->flags = VM_CONFIDENTIAL, vm->vcpus = 65), "65 vCPUs, a confidential");
	WRONG(H->pool = MIB(2), "pool of 2097152 bytes");
	WRONG(H->pool = MIB(6), "pool of 6291456 bytes");
	WRONG(V->kept.size = BLOCK_SIZE, "extents");
	WRONG(V->shared.gpa = 1, "extents");
	WRONG(V->devices[7].kind = VM_DEV_PASS, "to a VM that is not the root VM");
	WRONG(V->flags = VM_ROOT, "devices of the machine only");
	WRONG(make_root(&image->vm[1])->affinity = 1, "it has no affinity");
	WRONG(make_root(&image->vm[1])->devices[1].host_unit = 32, "window 32 cannot be passed through");
	WRONG(make_root(&image->vm[1])->devices[1].host_unit = 7, "window 7 is passed through twice");
	WRONG((make_root(&image->vm[0]), make_root(&image->vm[1])), "a host has one root VM");
	WRONG(V->devices[0].flags = VM_DEV_UPLINK, "device 0: unknown flags");
	WRONG(V->devices[1].mac[0] = 1, "device 1: a group address");
	WRONG(V->devices[2].reserved[1] = 1, "device 2: reserved");
	WRONG(fill(V->devices[0].serial, sizeof(vm->devices[0].serial)), "device 0: bad serial");
#undef H
#undef V
}

static void counts_that_are_too_large_are_refused_before_use(void **state)
{
	(void)state;
	image->header.item_count = PACK_MAX_ITEMS + 1;
	assert_int_equal(open_image(), -EINVAL);
	assert_non_null(strstr(why, "257 items"));
	image->header.item_count = ITEMS;
	image->header.vm_count = ~0u;
	assert_int_equal(open_image(), -EINVAL);
	assert_non_null(strstr(why, "VMs, at most 64"));
}

static void no_flipped_bit_of_the_tables_is_taken(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < offsetof(struct image, tables_pad) * 8; bit++) {
		((u8 *)image)[bit / 8] ^= (u8)(1u << bit % 8);
		assert_int_equal(open_image(), -EINVAL);
		((u8 *)image)[bit / 8] ^= (u8)(1u << bit % 8);
	}
	assert_int_equal(open_image(), 0);
}

static void no_truncation_is_taken(void **state)
{
	(void)state;
	for (size_t size = 0; size < sizeof(*image); size += size < PAGE_SIZE ? 8 : 512) {
		void *copy = malloc(size + 8);

		memcpy(copy, image, size);
		assert_int_equal(pack_open(&pack, copy, size, why, sizeof(why)), -EINVAL);
		free(copy);
	}
}

static void a_pack_at_an_odd_address_is_refused(void **state)
{
	(void)state;
	assert_int_equal(pack_open(&pack, (u8 *)image + 4, sizeof(*image) - 4, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "aligned"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_pack_opens),
		TEST(a_pack_may_have_one_root_vm),
		TEST(a_pack_may_have_confidential_vms),
		TEST(each_wrong_field_is_named),
		TEST(counts_that_are_too_large_are_refused_before_use),
		TEST(no_flipped_bit_of_the_tables_is_taken),
		TEST(no_truncation_is_taken),
		TEST(a_pack_at_an_odd_address_is_refused),
	};

	return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
