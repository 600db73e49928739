/* Shares and percentiles: see statistics.h. */
#include "cli/statistics.h"
#include <math.h>
#include <stdlib.h>

/* The normal distribution's quantile at 97.5 %. */
#define Z 1.959963984540054

struct interval statistics_wilson(u64 hits, u64 count)
{
	double n = (double)count, p, middle, half;

	if (!count)
		return (struct interval){ 0, 1 };
	p = (double)hits / n;
	middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n);
	half = Z / (1 + Z * Z / n) * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n));
	/* Exact at the ends, where rounding would leave a crumb. */
	return (struct interval){ hits ? fmax(middle - half, 0) : 0,
				  hits < count ? fmin(middle + half, 1) : 1 };
}

/* Probability of at most `hits` of `count` if each has the probability p, 0 < p < 1. */
static double at_most(u64 hits, u64 count, double p)
{
	double n = (double)count, sum = 0;

	for (u64 i = 0; i <= hits; i++) {
		double k = (double)i;

		sum += exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) +
			   (n - k) * log1p(-p));
	}
	return sum;
}

double statistics_upper_bound(u64 hits, u64 count)
{
	double low = 0, high = 1;

	if (hits >= count)
		return 1;
	for (int i = 0; i < 60; i++) {
		double middle = (low + high) / 2;

		if (at_most(hits, count, middle) > 0.05)
			low = middle;
		else
			high = middle;
	}
	return high;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void statistics_sort(double *sample, size_t count)
{
	if (count)
		qsort(sample, count, sizeof(*sample), by_value);
}

double statistics_percentile(const double *sorted, size_t count, double p)
{
	size_t rank;

	if (!count)
		return 0;
	/* 0.99 * 100 is a little more than 99. */
	rank = (size_t)ceil(p * (double)count - 1e-9);
	return sorted[rank < 1 ? 0 : rank > count ? count - 1 : rank - 1];
}
