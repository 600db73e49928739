/* What can be said of a share from a sample, and of a sample from its order. */
#ifndef CLI_STATISTICS_H
#define CLI_STATISTICS_H

#include "abi/types.h"

struct interval {
	double low, high;
};

/*
 * The interval of Wilson (1927) that contains, with a confidence of 95 %, the share of which `hits` of `count` are a sample.
 * Without a sample, all of 0 to 1.
 */
struct interval statistics_wilson(u64 hits, u64 count);

/*
 * The largest share with which `hits` or fewer of `count` still come with a probability of 5 %: the one-sided upper bound
 * of Clopper and Pearson (1934) at 95 %. Of no hits at all it is about 3 / count, the rule of three. 1 without a sample.
 */
double statistics_upper_bound(u64 hits, u64 count);

/* Sorts a sample, the least first. */
void statistics_sort(double *sample, size_t count);

/*
 * The least value of the sorted sample that at least the share `p` of it does not exceed (nearest rank). 0 without a
 * sample.
 */
double statistics_percentile(const double *sorted, size_t count, double p);

#endif
