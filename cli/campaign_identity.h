/* What makes one campaign's runs comparable with another's: the programs that they run. */
#ifndef CLI_CAMPAIGN_IDENTITY_H
#define CLI_CAMPAIGN_IDENTITY_H

#include "cli/campaign_lines.h"

/*
 * Fills in build, warden, guest and qemu of a head. `qemu` is the program, or NULL. 0, or -ENOENT with the error printed if one of
 * them is not there.
 */
int campaign_identify(struct campaign_head *head, const char *qemu);

/* The build id of an image that was linked with one, in hexadecimal. False, and "" in `to`, if there is none. */
bool campaign_build_id(const u8 *image, size_t count, char *to, size_t size);

#endif
