/* What blk_test tests, with a VM whose rings only the warden reads. */
#define DEVICES_CONFIDENTIAL
#include "tests/unit/blk_test.c" /* NOLINT(bugprone-suspicious-include): the same tests */
