#include "failure.h"

#include <string.h>

#include "json.h"
#include "program.h"

#define SENTENCE_MAX 4096

/* What no exit status of ours is, is a signal's. */
static const char *kind_of(int status)
{
	switch ((enum status)status) {
	case STATUS_FINE:
	case STATUS_LOST: return "failed";
	case STATUS_USAGE: return "usage";
	case STATUS_UNREACHABLE: return "unreachable";
	case STATUS_REFUSED: return "login_refused";
	case STATUS_NO_SECRET: return "not_secure";
	case STATUS_NOT_PROTOCOL: return "not_the_protocol";
	}
	return "interrupted";
}

void failure_json(FILE *f, const char *schema, int status, const struct failure_reach *reach, const char *detail)
{
	char sentence[SENTENCE_MAX];
	size_t len = strlen(detail);
	struct json j;

	if (len > 0 && detail[len - 1] == '.')
		len--;
	snprintf(sentence, sizeof(sentence), "%.*s", (int)len, detail);
	json_begin(&j, f);
	json_text(&j, "schema", schema);
	json_text(&j, "type", "error");
	json_open(&j, "error");
	json_text(&j, "kind", kind_of(status));
	json_text(&j, "phase", reach ? phase_keys[reach->phase] : NULL);
	if (reach)
		json_real(&j, "after_s", reach->after_s);
	else
		json_null(&j, "after_s");
	json_text(&j, "detail", sentence);
	json_close(&j);
	json_integer(&j, "status", status);
	json_end(&j);
}

void failure_say(const struct options *o, enum status status, const char *sentence)
{
	program_say(ECHOC, "%s", sentence);
	if (o->json || o->json_stream)
		failure_json(stdout, options_schema(o->mode), (int)status, NULL, sentence);
}
