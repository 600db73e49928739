/*
 * What the fault campaign reads from a machine that may have gone mad: packets of a gdb stub (if the first byte is 0), or a line
 * that a guest has printed.
 */
#include "cli/campaign_guest.h"
#include "cli/gdb_packet.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_packets(const uint8_t *data, size_t size)
{
	static struct gdb_decoder decoder;
	u8 bytes[64];

	decoder = (struct gdb_decoder){ 0 };
	for (size_t i = 0; i < size; i++) {
		const char *text = decoder.data;

		if (gdb_decode(&decoder, data[i]) != GDB_PACKET)
			continue;
		if (decoder.fill > GDB_PACKET_MAX || decoder.data[decoder.fill])
			abort();
		if (gdb_bytes(decoder.data, bytes, sizeof(bytes)) > (long)sizeof(bytes))
			abort();
		gdb_number(&text);
		if (text > decoder.data + 16)
			abort();
	}
}

static void take_line(const uint8_t *data, size_t size)
{
	struct guest_line line;
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	if (guest_line_read(&line, text) &&
	    (line.vcpus > GUEST_VCPUS_MAX || !memchr(line.boot, 0, sizeof(line.boot))))
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && !data[0])
		take_packets(data + 1, size - 1);
	else
		take_line(data, size);
	return 0;
}
