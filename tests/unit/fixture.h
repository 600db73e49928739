/* The fixture lives in tests/lib, whose files are linked to every test. */
#include "tests/lib/fixture.h"
