/* Extensions of the root VM's harts: see root_isa.h. */
#include "core/root/root_isa.h"
#include "abi/estate.h"
#include "core/estate/estate.h"
#include "core/lib/string.h"

/* Single letters that a guest may have; v only with MACHINE_ISA_V. */
static const char letters[] = "imafdcbv";

/*
 * Longer names: no CSR, no state beyond the registers that a vCPU record has, no bit of henvcfg that we leave clear.
 * `need`: only if the machine record has this, because a vCPU's record or henvcfg depends on it.
 */
static const struct {
	const char *name;
	u32 need;
} known[] = {
	{ "zicsr", 0 },
	{ "zifencei", 0 },
	{ "zicntr", 0 },
	{ "zihintpause", 0 },
	{ "zihintntl", 0 },
	{ "zicond", 0 },
	{ "zicbom", 0 },
	{ "zicbop", 0 },
	{ "zmmul", 0 },
	{ "zaamo", 0 },
	{ "zalrsc", 0 },
	{ "zacas", 0 },
	{ "zabha", 0 },
	{ "zba", 0 },
	{ "zbb", 0 },
	{ "zbc", 0 },
	{ "zbs", 0 },
	{ "zbkb", 0 },
	{ "zbkc", 0 },
	{ "zbkx", 0 },
	{ "zknd", 0 },
	{ "zkne", 0 },
	{ "zknh", 0 },
	{ "zksed", 0 },
	{ "zksh", 0 },
	{ "zkt", 0 },
	{ "zfh", 0 },
	{ "zfhmin", 0 },
	{ "zfa", 0 },
	{ "zca", 0 },
	{ "zcb", 0 },
	{ "zcd", 0 },
	{ "svinval", 0 },
	{ "svnapot", 0 },
	{ "svade", 0 },
	{ "svvptc", 0 },
	{ "ssccptr", 0 },
	{ "sstvala", 0 },
	{ "sstvecd", 0 },
	{ "ssu64xl", 0 },
	{ "sstc", MACHINE_ISA_SSTC },
	{ "zicboz", MACHINE_ISA_ZICBOZ },
};

static bool is_allowed(const char *name, size_t length)
{
	u32 isa = estate.machine.isa;

	if (length == 1)
		return strchr(letters, name[0]) && (name[0] != 'v' || (isa & MACHINE_ISA_V));
	/* Everything of the vector extension's family works on its registers. */
	if (length > 2 && name[0] == 'z' && name[1] == 'v')
		return isa & MACHINE_ISA_V;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strlen(known[i].name) == length && !strncmp(known[i].name, name, length))
			return !(known[i].need & ~isa);
	}
	return false;
}

/* Appends if there is room for it and an end. */
static bool append(char *to, size_t *used, const char *text, size_t length)
{
	if (length >= ROOT_ISA_SIZE - *used)
		return false;
	memcpy(to + *used, text, length);
	*used += length;
	to[*used] = 0;
	return true;
}

/* Length of the name at `at`, up to the next '_' or the end. */
static size_t name_length(const char *at)
{
	size_t length = 0;

	while (at[length] && at[length] != '_')
		length++;
	return length;
}

bool root_isa_string(const char *isa, char *to)
{
	size_t used = 0, first = name_length(isa);

	to[0] = 0;
	/* "rv64", then letters; a longer name may follow them without '_' only behind a 'z', 's' or 'x'. */
	if (first < 4 || !append(to, &used, isa, 4))
		return false;
	for (size_t i = 4; i < first; i++) {
		if (strchr("zsx", isa[i]))
			break;
		if (is_allowed(&isa[i], 1) && !append(to, &used, &isa[i], 1))
			return false;
	}
	for (isa += first; *isa == '_'; isa += first) {
		isa++;
		first = name_length(isa);
		if (first && is_allowed(isa, first) &&
		    (!append(to, &used, "_", 1) || !append(to, &used, isa, first)))
			return false;
	}
	return true;
}

bool root_isa_list(const char *list, size_t size, char *to, size_t *used)
{
	const char *end = list + size;

	*used = 0;
	while (list < end) {
		size_t length = strlen(list);

		if (is_allowed(list, length)) {
			if (!append(to, used, list, length) || *used + 1 >= ROOT_ISA_SIZE)
				return false;
			(*used)++;
		}
		list += length + 1;
	}
	return true;
}
