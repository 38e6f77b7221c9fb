/*
 * What a terminal sends, taken apart, and wide characters: whatever comes, and however it is cut, no byte is lost,
 * added or moved but the brackets of what is pasted. The first byte says into what steps the rest is cut.
 */
#include "fuzz.h"

#include "typing.h"
#include "wide.h"

#define BEGIN    "\033[200~"
#define END      "\033[201~"
#define MARK_LEN (sizeof(BEGIN) - 1)

struct bytes {
	size_t len;
	uint8_t *data;
};

static void add(struct bytes *to, const void *data, size_t len)
{
	if (len > 0)
		memcpy(to->data + to->len, data, len);
	to->len += len;
}

/* The same in the plainest way: a bracket counts where it is one. */
static FUZZ_PLAIN void take_brackets_off(struct bytes *to, const uint8_t *data, size_t len)
{
	const char *mark = BEGIN;

	for (size_t i = 0; i < len;) {
		if (len - i >= MARK_LEN && memcmp(data + i, mark, MARK_LEN) == 0) {
			mark = strcmp(mark, BEGIN) == 0 ? END : BEGIN;
			i += MARK_LEN;
			continue;
		}
		add(to, data + i++, 1);
	}
}

static void add_char(struct bytes *to, wchar_t c)
{
	size_t len;
	char *back = wide_to_bytes(&c, 1, &len);
	wchar_t again;

	if (!back)
		abort();
	CHECK(len > 0);
	size_t used = wide_next(back, len, &again);
	CHECK(used == 0 || (used == len && again == c)); /* 0: a stray byte that something else stood behind */
	add(to, back, len);
	free(back);
}

static void take_events(struct typing *t, struct bytes *out)
{
	wchar_t c;

	for (;;) {
		switch (typing_next(t, &c)) {
		case TYPING_MORE: return;
		case TYPING_CHAR: add_char(out, c); continue;
		case TYPING_TEXT:
			CHECK(!memchr(t->pasted, '\n', t->pasted_len) && !memchr(t->pasted, '\r', t->pasted_len));
			CHECK(!memchr(t->pasted, '\0', t->pasted_len));
			add(out, t->pasted, t->pasted_len);
			continue;
		case TYPING_BLOCK:
			CHECK(t->pasted_len > 0 && t->pasted_len <= TYPING_PASTE_MAX);
			add(out, t->pasted, t->pasted_len);
			continue;
		}
	}
}

static void check_typing(struct typing *t, const uint8_t *data, size_t len, size_t step)
{
	struct bytes out = {.data = malloc(len + 1)}, want = {.data = malloc(len + 1)};
	uint8_t *to;

	if (!out.data || !want.data)
		abort();
	memset(t, 0, sizeof(*t));
	for (size_t at = 0; at < len;) {
		size_t room = typing_room(t, &to), n = len - at < step ? len - at : step;
		CHECK(room > 0);
		n = n < room ? n : room;
		memcpy(to, data + at, n);
		typing_put(t, n);
		at += n;
		take_events(t, &out);
	}
	/* What it still waits for more of. */
	if (t->pasting)
		add(&out, t->pasted, t->pasted_len);
	CHECK(t->len - t->at < MARK_LEN);
	add(&out, t->bytes + t->at, t->len - t->at);
	take_brackets_off(&want, data, len);
	CHECK(out.len == want.len && memcmp(out.data, want.data, out.len) == 0);
	free(out.data);
	free(want.data);
}

static void check_wide(const char *text, size_t len)
{
	wchar_t *wide = wide_from_bytes(text, len);
	size_t count = 0, back_len;

	if (!wide)
		abort();
	for (size_t at = 0; at < len; count++) {
		wchar_t c;
		size_t n = wide_next(text + at, len - at, &c);
		CHECK(c == wide[count] && at + n <= len);
		at += n ? n : 1;
	}
	CHECK(wide[count] == L'\0');
	char *back = wide_to_bytes(wide, count, &back_len);
	CHECK(back && back_len == len && (len == 0 || memcmp(back, text, len) == 0));
	free(back);
	free(wide);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct typing typing;

	if (len == 0)
		return 0;
	check_typing(&typing, data + 1, len - 1, data[0] + 1U);
	check_wide((const char *)data + 1, len - 1);
	return 0;
}
