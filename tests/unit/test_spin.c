/* Busy polling: when it spins and when it gives up, and that its waits are epoll_wait's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "must.h"
#include "spin.h"

#define MOST_NS 50000

static void spins_only_after_a_short_sleep(void **state)
{
	struct spin s;

	(void)state;
	spin_init(&s, MOST_NS);
	assert_false(spin_wants(&s));
	spin_slept(&s, 1000000000);
	assert_false(spin_wants(&s));
	spin_slept(&s, MOST_NS);
	assert_true(spin_wants(&s));
}

static void gives_up_after_a_few_spins_in_vain(void **state)
{
	struct spin s;
	unsigned vain = 0;

	(void)state;
	spin_init(&s, MOST_NS);
	spin_slept(&s, MOST_NS);
	spin_ended(&s, true);
	for (; spin_wants(&s); vain++) {
		assert_true(vain < 10);
		spin_ended(&s, false);
	}
	assert_true(vain > 1);
	spin_slept(&s, 1000000000);
	assert_false(spin_wants(&s));
}

/* Messages that come a little later than a spin lasts: short sleeps that promise what no spin keeps. */
static void tries_ever_less_where_tries_are_vain(void **state)
{
	struct spin s;
	unsigned vain = 0;

	(void)state;
	spin_init(&s, MOST_NS);
	for (unsigned i = 0; i < 100000; i++) {
		if (spin_wants(&s)) {
			vain++;
			spin_ended(&s, false);
		} else {
			spin_slept(&s, MOST_NS * 3 / 2);
		}
	}
	assert_true(vain > 1 && vain < 1000);
}

static void goes_on_while_it_finds(void **state)
{
	struct spin s;

	(void)state;
	spin_init(&s, MOST_NS);
	spin_slept(&s, MOST_NS);
	for (unsigned i = 0; i < 100; i++) {
		spin_ended(&s, i % 3 == 0); /* one that pays makes up for a few that do not */
		assert_true(spin_wants(&s));
	}
}

static void waits_as_epoll_wait_does(void **state)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(0), fd = eventfd(0, 0);
	struct spin s;

	(void)state;
	assert_true(epoll >= 0 && fd >= 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	spin_init(&s, MOST_NS);
	spin_slept(&s, 1);
	for (unsigned i = 0; i < 10; i++) /* it spins at first, and sleeps in the end */
		assert_int_equal(spin_wait(&s, epoll, &event, 1, 1), 0);
	assert_false(spin_wants(&s));
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_int_equal(spin_wait(&s, epoll, &event, 1, -1), 1);
	assert_int_equal(spin_wait(&s, epoll, &event, 1, -1), 1); /* what is ready is found again */
	close(fd);
	assert_int_equal(spin_wait(&s, epoll, &event, 1, 1), 0);
	close(epoll);
	assert_int_equal(spin_wait(&s, epoll, &event, 1, 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(spins_only_after_a_short_sleep),
	    cmocka_unit_test(gives_up_after_a_few_spins_in_vain),
	    cmocka_unit_test(tries_ever_less_where_tries_are_vain),
	    cmocka_unit_test(goes_on_while_it_finds),
	    cmocka_unit_test(waits_as_epoll_wait_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
