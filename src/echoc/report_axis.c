#include "report_axis.h"

#include <math.h>

#include "must.h"

/* The smallest 1, 2 or 5 times a power of ten that is not less than x (> 0). */
static double nice_above(double x)
{
	static const double steps[] = {1, 2, 5, 10};
	double ten = pow(10, floor(log10(x)));

	for (size_t i = 0; i < array_size(steps); i++) {
		if (steps[i] * ten >= x * (1 - 1e-9))
			return steps[i] * ten;
	}
	return 10 * ten;
}

static double nice_below(double x)
{
	static const double steps[] = {5, 2, 1};
	double ten = pow(10, floor(log10(x)));

	for (size_t i = 0; i < array_size(steps); i++) {
		if (steps[i] * ten <= x * (1 + 1e-9))
			return steps[i] * ten;
	}
	return ten / 2;
}

static void add_tick(struct report_axis *a, double value)
{
	if (a->ticks < REPORT_TICKS_MAX)
		a->tick[a->ticks++] = value;
}

static void fit_linear(struct report_axis *a, double low, double high, size_t most)
{
	if (high <= low)
		high = low > 0 ? low * 1.5 : 1;
	a->step = nice_above((high - low) / (double)(most - 1));
	a->low = floor(low / a->step * (1 + 1e-12)) * a->step;
	a->high = ceil(high / a->step * (1 - 1e-12)) * a->step;
	unsigned steps = (unsigned)lround((a->high - a->low) / a->step);
	for (unsigned n = 0; n <= steps; n++)
		add_tick(a, a->low + n * a->step);
}

/* Every 1, 2, 5 where there is room, else every power of ten, or every so many of them. */
static void fit_log(struct report_axis *a, double low, double high, size_t most)
{
	a->low = nice_below(low);
	a->high = nice_above(high);
	if (a->high <= a->low * 1.5) {
		a->low = nice_below(a->low * 0.9);
		a->high = nice_above(a->high * 1.1);
	}
	double decades = log10(a->high / a->low);
	if (decades * 3 + 1 <= (double)most) {
		double at = a->low;
		while (at <= a->high * 1.01) {
			add_tick(a, at);
			at = nice_above(at * 1.5);
		}
		return;
	}
	int skip = (int)ceil((decades + 1) / (double)most), last = (int)floor(log10(a->high) + 1e-9);
	for (int n = (int)ceil(log10(a->low) - 1e-9); n <= last; n += skip)
		add_tick(a, pow(10, n));
}

void report_axis_fit(struct report_axis *a, double low, double high, bool is_log, size_t most)
{
	*a = (struct report_axis){.is_log = is_log};
	if (is_log)
		fit_log(a, low, high, most);
	else
		fit_linear(a, low, high, most);
}

void report_axis_fit_seconds(struct report_axis *a, double end_s, size_t most)
{
	static const double steps[] = {10,   20,   30,    60,    120,   300,   600,    900,    1800,
	                               3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000, 864000};
	size_t i = 0;

	*a = (struct report_axis){.high = end_s > 0 ? end_s : 1};
	double least = a->high / (double)(most - 1);
	while (i + 1 < array_size(steps) && steps[i] < least)
		i++;
	bool is_plain = least <= 5 || steps[i] < least;
	a->step = is_plain ? nice_above(least) : steps[i];
	unsigned count = (unsigned)(a->high * (1 + 1e-9) / a->step);
	for (unsigned n = 0; n <= count; n++)
		add_tick(a, n * a->step);
}

double report_axis_at(const struct report_axis *a, double value)
{
	double x = fmin(fmax(value, a->low), a->high);
	double share = a->is_log ? log(x / a->low) / log(a->high / a->low) : (x - a->low) / (a->high - a->low);

	return a->from + share * (a->to - a->from);
}
