/* Shares and percentiles against values that are known from elsewhere; drawings are XML. */
#include "cli/statistics.h"
#include "cli/svg.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(double value, double expected, double by)
{
	if (fabs(value - expected) > by)
		fail_msg("%.6f is not %.6f", value, expected);
}

/* Newcombe (1998), table I: the score method without continuity correction. */
static void test_wilson(void **state)
{
	static const struct {
		u64 hits, count;
		double low, high;
	} known[] = {
		{ 81, 263, 0.2553, 0.3662 }, { 15, 148, 0.0624, 0.1605 }, { 0, 20, 0.0000, 0.1611 },
		{ 1, 29, 0.0061, 0.1718 },   { 29, 29, 0.8830, 1.0000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		struct interval share = statistics_wilson(known[i].hits, known[i].count);

		assert_near(share.low, known[i].low, 0.00006);
		assert_near(share.high, known[i].high, 0.00006);
	}
	assert_near(statistics_wilson(0, 0).low, 0, 0);
	assert_near(statistics_wilson(0, 0).high, 1, 0);
}

static void test_upper_bound(void **state)
{
	(void)state;
	/* Of none, 1 - 0.05^(1/n); of more, quantiles of the beta distribution. */
	assert_near(statistics_upper_bound(0, 100), 1 - pow(0.05, 0.01), 1e-9);
	assert_near(statistics_upper_bound(0, 1000000), 2.9957e-6, 1e-9);
	assert_near(statistics_upper_bound(1, 10), 0.39416, 1e-5);
	assert_near(statistics_upper_bound(3, 100), 0.07571, 1e-5);
	assert_near(statistics_upper_bound(10, 10), 1, 0);
	assert_near(statistics_upper_bound(0, 0), 1, 0);
}

static void test_percentiles(void **state)
{
	double sample[100], two[] = { 4, 2 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sample); i++)
		sample[i] = (double)(37 * i % 100 + 1);
	statistics_sort(sample, ARRAY_SIZE(sample));
	assert_near(statistics_percentile(sample, 100, 0.5), 50, 0);
	assert_near(statistics_percentile(sample, 100, 0.99), 99, 0);
	assert_near(statistics_percentile(sample, 100, 1), 100, 0);
	assert_near(statistics_percentile(sample, 100, 0), 1, 0);
	statistics_sort(two, 2);
	assert_near(statistics_percentile(two, 2, 0.5), 2, 0);
	assert_near(statistics_percentile(two, 2, 0.51), 4, 0);
	assert_near(statistics_percentile(NULL, 0, 0.5), 0, 0);
}

static void test_svg(void **state)
{
	static const struct svg_point points[] = { { 1, 2 }, { 3, 4.5 } };
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	svg_begin(to, 100, 50, "a <b> & \"c\"", "d");
	svg_text(to, 1, 2, SVG_END, "ink", "%d %% < \x01\xff", 7);
	svg_rect(to, 1, 2, 3, 4, "s0", "e & f");
	svg_path(to, points, 2, "s1");
	svg_end(to);
	fclose(to);
	assert_non_null(strstr(text, "<title>a &lt;b&gt; &amp; &quot;c&quot;</title>"));
	assert_non_null(strstr(text, ">7 % &lt; ?</text>"));
	assert_non_null(strstr(text, "<title>e &amp; f</title></rect>"));
	assert_non_null(strstr(text, "d=\"M1.00 2.00L3.00 4.50\""));
	assert_string_equal(text + size - 7, "</svg>\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wilson),
		cmocka_unit_test(test_upper_bound),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_svg),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
