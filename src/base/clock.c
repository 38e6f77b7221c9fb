#include "clock.h"

#include <stdio.h>
#include <time.h>

uint64_t clock_coarse_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int64_t clock_wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static size_t format(char *text, int64_t wall_us, int with_fraction)
{
	time_t s = wall_us / 1000000;
	int us = (int)(wall_us % 1000000);
	struct tm tm;

	if (us < 0) {
		us += 1000000;
		s--;
	}
	if (!gmtime_r(&s, &tm) || tm.tm_year < -1900 || tm.tm_year > 8099) {
		s = 0;
		gmtime_r(&s, &tm);
	}
	size_t n = strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	if (with_fraction)
		n += (size_t)snprintf(text + n, CLOCK_TEXT_MAX - n, ".%06dZ", us);
	else
		n += (size_t)snprintf(text + n, CLOCK_TEXT_MAX - n, "Z");
	return n;
}

size_t clock_format(char text[CLOCK_TEXT_MAX], int64_t wall_us)
{
	return format(text, wall_us, 1);
}

size_t clock_format_s(char text[CLOCK_TEXT_MAX], int64_t wall_us)
{
	return format(text, wall_us, 0);
}
