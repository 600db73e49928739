/* What GCC calls for bit operations that rv64imac has no instruction for; libgcc itself has another float ABI. */
#include "abi/types.h"

int __ctzdi2(u64 x);
int __clzdi2(u64 x);
int __popcountdi2(u64 x);

int __popcountdi2(u64 x)
{
	x -= x >> 1 & 0x5555555555555555ull;
	x = (x & 0x3333333333333333ull) + (x >> 2 & 0x3333333333333333ull);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (int)(x * 0x0101010101010101ull >> 56);
}

int __ctzdi2(u64 x)
{
	return __popcountdi2((x & -x) - 1);
}

int __clzdi2(u64 x)
{
	for (unsigned shift = 1; shift < 64; shift *= 2)
		x |= x >> shift;
	return 64 - __popcountdi2(x);
}
