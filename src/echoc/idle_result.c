#include "idle_result.h"

#define SERVER_GRAIN_MS 1000 /* the server tells its limit in whole seconds */

const char *const idle_note_keys[IDLE_NOTES] = {
    "not_done",   "server_cut",       "server_limit", "server_limit_unknown", "server_keepalive_unknown",
    "not_always", "fewer_connections"};
const char *const idle_outcome_keys[] = {"survived", "cut_fin", "cut_reset", "cut_silent"};

/* Whether the cut is where the server's own limit is; a server that cuts says so with a FIN or a reset. */
static bool is_server_cut(const struct idle_result *r)
{
	const struct idle_finding *cut = idle_search_cut(r->search);
	uint64_t limit = r->server_limit_s * 1000, grain = r->options->resolution_ms;

	if (!cut || limit == 0 || cut->outcome == IDLE_CUT_SILENT)
		return false;
	if (grain < SERVER_GRAIN_MS)
		grain = SERVER_GRAIN_MS;
	return cut->idle_ms + grain >= limit && cut->idle_ms <= limit + grain;
}

bool idle_result_notes(const struct idle_result *r, enum idle_note note)
{
	switch (note) {
	case IDLE_NOTE_NOT_DONE: return !idle_search_is_done(r->search);
	case IDLE_NOTE_SERVER_CUT: return is_server_cut(r);
	case IDLE_NOTE_SERVER_LIMIT: return r->server_limit_s > 0 && r->server_limit_s * 1000 < r->options->max_ms;
	case IDLE_NOTE_LIMIT_UNKNOWN:
	case IDLE_NOTE_KEEPALIVE_UNKNOWN: return !r->keepalive_off;
	case IDLE_NOTE_NOT_ALWAYS: return idle_search_beyond_ms(r->search) > 0;
	case IDLE_NOTE_FEWER_CONNECTIONS: return r->connections < r->options->connections;
	case IDLE_NOTES: break;
	}
	return false;
}
