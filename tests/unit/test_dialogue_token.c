/* The dialogue's tokens: OPTS TOKEN and RESUME, and the answers that came with them. */
#include "dialogue_talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "must.h"

#define RESUME "RESUME " TOKEN_1

static void test_resume(void **state)
{
	static const struct transcript scripts[] = {
	    SAYS(RESUME "\n", RESUMED),
	    SAYS("rEsUmE " TOKEN_1 "\r\n", RESUMED),
	    /* what follows is echo data, as behind PASS */
	    SAYS(RESUME "\nhello\n", RESUMED "hello\n"),
	    SAYS("NOOP\nFEAT\n" RESUME "\r\n\0\xff QUIT\r\n" RESUME "\n",
	         R_200 R_211 RESUMED "\0\xff QUIT\r\n" RESUME "\n"),
	    /* a USER line before it is not meant any more */
	    SAYS("USER other\n" RESUME "\nhi", "[name other]" R_331 RESUMED "hi"),
	    SAYS("USER newt\n" RESUME "\nhi", "[name newt]" R_332("newt") RESUMED "hi"),
	    /* no whole line yet */
	    SAYS(RESUME, ""),
	    SAYS(RESUME "\r", ""),
	};

	(void)state;
	talk_play_all(scripts, array_size(scripts));
}

/* Whatever is no good token is refused alike, and what follows is commands. */
static void test_refused(void **state)
{
	static const struct transcript scripts[] = {
	    SAYS("RESUME wrong\nUSER anna\nPASS correct horse\nhi",
	         "[resume wrong]" R_530_TOKEN ASKED_ANNA IN_AS_ANNA "hi"),
	    SAYS("RESUME wrong\n" RESUME "\nhi", "[resume wrong]" R_530_TOKEN RESUMED "hi"),
	    SAYS("USER anna\nRESUME wrong\nPASS correct horse\n", ASKED_ANNA "[resume wrong]" R_530_TOKEN R_503),
	    SAYS("RESUME\nRESUME \n" RESUME " \nNOOP\n",
	         "[resume ]" R_530_TOKEN "[resume ]" R_530_TOKEN "[resume " TOKEN_1 " ]" R_530_TOKEN R_421_ERRORS),
	    SAYS("RESUME a\0b\n"
	         "RESUME a\rb\n"
	         "RESUME \xff\n",
	         "[resume a\0b]" R_530_TOKEN "[resume a\rb]" R_530_TOKEN "[resume \xff]" R_530_TOKEN R_421_ERRORS),
	    /* strikes count together */
	    SAYS("RESUME wrong\nXYZZY\nPASS x\n", "[resume wrong]" R_530_TOKEN R_500 R_503 R_421_ERRORS),
	    SAYS("RESUMES " TOKEN_1 "\n", R_500),
	};

	(void)state;
	talk_play_all(scripts, array_size(scripts));
}

static void test_out_of_reach(void **state)
{
	static const struct transcript scripts[] = {
	    SAYS("RESUME down\n" RESUME "\nhi", "[resume down]" R_451 RESUMED "hi"),
	    SAYS("USER anna\nRESUME down\nPASS correct horse\n", ASKED_ANNA "[resume down]" R_451 R_503),
	    SAYS("RESUME busy\nNOOP\n", "[resume busy]" R_421_BUSY),
	    /* what no keeper says: in without a name, or a password wanted */
	    SAYS("RESUME nobody\nNOOP\n", "[resume nobody]" R_451 R_200),
	    SAYS("RESUME mad!\nPASS correct horse\n", "[resume mad!]" R_451 R_503),
	};

	(void)state;
	talk_play_all(scripts, array_size(scripts));
}

static void test_opts_token(void **state)
{
#define IN_WITH_TOKEN "[secret correct horse]230-" NEWS "\r\n230-TOKEN " TOKEN_2 " " EXPIRES "\r\n" R_230("anna")
	static const struct transcript scripts[] = {
	    SAYS("OPTS TOKEN\nUSER anna\nPASS correct horse\nhi", R_200_TOKEN ASKED_ANNA IN_WITH_TOKEN "hi"),
	    SAYS("USER anna\nopts token\r\nPASS correct horse\n", ASKED_ANNA R_200_TOKEN IN_WITH_TOKEN),
	    SAYS("OPTS TOKEN\nOPTS TOKEN\n" RESUME "\n", R_200_TOKEN R_200_TOKEN RESUMED),
	    SAYS("OPTS TOKEN\nUSER newt\nPASS long enough\n", R_200_TOKEN
	         "[name newt]" R_332("newt") "[secret long enough]230-TOKEN " TOKEN_2 " " EXPIRES "\r\n" R_230("newt")),
	    SAYS("OPTS TOKENS\nOPTS TOKEN \nOPTS\n", R_501_OPTION R_501_OPTION R_501_OPTION R_421_ERRORS),
	};

	(void)state;
	talk_play_all(scripts, array_size(scripts));
}

/* No secret on this path: neither is looked at, and neither is an error of the client's. */
static void test_no_token_in_clear(void **state)
{
	static const struct transcript scripts[] = {
	    SAYS_IN_CLEAR("OPTS TOKEN\n" RESUME "\nRESUME\nOPTS TOKEN\nNOOP\n",
	                  R_534_TOKEN R_534_TOKEN R_534_TOKEN R_534_TOKEN R_200),
	    SAYS_IN_CLEAR(RESUME "\nUSER anna\nOPTS KEEPALIVE OFF\n", R_534_TOKEN R_534 R_200_OFF),
	};

	(void)state;
	talk_play_all(scripts, array_size(scripts));
}

static void test_limits_are_told(void **state)
{
	static const struct transcript scripts[] = {
	    SAYS("USER newmany\nPASS long enough\nhi",
	         "[name newmany]" R_332("newmany") "[secret long enough]" R_421_NEW),
	    SAYS("USER newpenal\nPASS long enough\nhi",
	         "[name newpenal]" R_332("newpenal") "[secret long enough]" R_421_PENALTY),
	    SAYS("USER newfull\nPASS long enough\nPASS long enough\n",
	         "[name newfull]" R_332("newfull") "[secret long enough]" R_451_FULL R_503),
	};

	(void)state;
	talk_play_all(scripts, array_size(scripts));
}

static void test_token_is_wiped(void **state)
{
	static const struct transcript scripts[] = {
	    SAYS(RESUME "\nhello", RESUMED "hello"),
	    SAYS("NOOP\nNOOP\nFEAT\n" RESUME "\r\n", R_200 R_200 R_211 RESUMED),
	    SAYS("RESUME 0123456789abcdef\nNOOP\n", "[resume 0123456789abcdef]" R_530_TOKEN R_200),
	    SAYS("RESUME down\nNOOP\n", "[resume down]" R_451 R_200),
	};

	(void)state;
	for (size_t i = 0; i < array_size(scripts); i++) {
		struct transcript script = scripts[i];
		script.checks_wiping = true;
		talk_play(&script);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_resume),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_out_of_reach),
	    cmocka_unit_test(test_opts_token),
	    cmocka_unit_test(test_no_token_in_clear),
	    cmocka_unit_test(test_limits_are_told),
	    cmocka_unit_test(test_token_is_wiped),
	};

	talk_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
