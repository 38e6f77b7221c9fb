#include "status.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"

static void put_number(FILE *f, const char *key, uint64_t value, const char *end)
{
	fprintf(f, "\"%s\": %llu%s", key, (unsigned long long)value, end);
}

/* How many descriptors, or threads, a process of ours has; 0 where it cannot be known. */
static uint64_t count_open(DIR *folder)
{
	uint64_t n = 0;

	if (!folder)
		return 0;
	rewinddir(folder);
	for (struct dirent *entry; (entry = readdir(folder));)
		n += entry->d_name[0] != '.';
	return n;
}

static uint64_t count_entries(pid_t pid, const char *what)
{
	char path[64];

	if (pid <= 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, what);
	DIR *folder = opendir(path);
	uint64_t n = count_open(folder);
	if (folder)
		closedir(folder);
	return n;
}

static void put_descriptors(FILE *f, const struct run *run)
{
	fputs("\"descriptors\": {", f);
	uint64_t own = count_entries(getpid(), "fd");
	put_number(f, "parent", own ? own - 1 : 0, ", "); /* less the folder's own */
	put_number(f, "front", count_open(run->front.descriptors), ", ");
	put_number(f, "keeper", count_open(run->keeper.descriptors), "}, ");
}

static void put_threads(FILE *f, const struct run *run)
{
	fputs("\"threads\": {", f);
	put_number(f, "parent", count_entries(getpid(), "task"), ", ");
	put_number(f, "front", count_entries(run->front.pid, "task"), ", ");
	put_number(f, "keeper", count_entries(run->keeper.pid, "task"), "}, ");
}

/* What a child says of itself, which is taken as nothing but a number (sandbox/sandbox.h). */
static const char *walls_name(uint64_t walls)
{
	static const char *const name[] = {"none", "landlock", "seccomp", "seccomp+landlock"};

	return name[walls & 3];
}

static void put_sandbox(FILE *f, const struct run *run)
{
	const struct counters *c = run->counters;

	fprintf(f, "\"sandbox\": {\"front\": \"%s\", \"keeper\": \"%s\"}", walls_name(counters_get(&c->sandbox_front)),
	        walls_name(counters_get(&c->sandbox_keeper)));
}

static uint64_t sum(const struct run *run, size_t offset)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < run->options.workers; i++)
		n += counters_get((_Atomic uint64_t *)(void *)((char *)&run->counters->worker[i] + offset));
	return n;
}

#define SUM(run, member) sum(run, offsetof(struct worker_counters, member))

static void put_server(FILE *f, const struct run *run)
{
	char when[CLOCK_TEXT_MAX];

	clock_format(when, run->started_us);
	fprintf(f, "{\"schema\": \"echod.status/1\", \"version\": \"%s\", \"pid\": %ld, \"started\": \"%s\", ",
	        ECHOD_VERSION, (long)getpid(), when);
	fputs("\"listen\": [", f);
	for (uint32_t i = 0; i < run->listeners; i++) {
		fputs(i ? ", " : "", f);
		json_string(f, run->listener[i].text);
	}
	fprintf(f, "], \"draining\": %s, \"keeper_ready\": %s, ", run->phase >= RUN_DRAINING ? "true" : "false",
	        run->keeper.ready ? "true" : "false");
	fputs("\"restarts\": {", f);
	put_number(f, "front", run->front.restarts, ", ");
	put_number(f, "keeper", run->keeper.restarts, "}, ");
}

static void put_connections(FILE *f, const struct run *run)
{
	const struct counters *c = run->counters;

	fputs("\"connections\": {", f);
	put_number(f, "open", counters_get(&c->open), ", ");
	put_number(f, "proxy", SUM(run, in_stage[STAGE_PROXY]), ", ");
	put_number(f, "tls", SUM(run, in_stage[STAGE_TLS]), ", ");
	put_number(f, "login", SUM(run, in_stage[STAGE_LOGIN]), ", ");
	put_number(f, "echo", SUM(run, in_stage[STAGE_ECHO]), ", ");
	put_number(f, "closing", SUM(run, in_stage[STAGE_CLOSING]), ", ");
	put_number(f, "max", counters_get(&c->max_connections), "}, ");
	put_number(f, "login_slots", counters_get(&c->login_slots), ", ");
	put_number(f, "addresses", counters_get(&c->addresses), ", ");
	put_number(f, "accepted", counters_get(&c->accepted), ", ");
	put_number(f, "accept_errors", counters_get(&c->accept_errors), ", ");
	put_number(f, "refused", counters_get(&c->refused), ", ");
	put_number(f, "logins", SUM(run, logins), ", ");
	fputs("\"closed\": {", f);
	for (int i = 0; i < CLOSE_REASON_COUNT; i++) {
		size_t offset = offsetof(struct worker_counters, closed) + (size_t)i * sizeof(c->worker[0].closed[0]);
		put_number(f, counters_reason_name((enum close_reason)i), sum(run, offset),
		           i + 1 < CLOSE_REASON_COUNT ? ", " : "}, ");
	}
}

static void put_work(FILE *f, const struct run *run)
{
	const struct counters *c = run->counters;
	uint64_t in = SUM(run, bytes_in), held = SUM(run, held_bytes), dropped = SUM(run, bytes_dropped);

	put_number(f, "bytes_in", in, ", ");
	/* A login's held replies are counted in held, so the difference may pass zero for a moment. */
	put_number(f, "bytes_out", in > held + dropped ? in - held - dropped : 0, ", ");
	put_number(f, "chunks_held", SUM(run, holding), ", ");
	put_number(f, "bytes_held", held, ", ");
	put_number(f, "bytes_unread", SUM(run, unread), ", ");
	put_number(f, "bytes_dropped", dropped, ", ");
	fputs("\"queue\": {", f);
	put_number(f, "passwords", counters_get(&c->hash_queue), ", ");
	put_number(f, "names", counters_get(&c->name_queue), "}, ");
	put_number(f, "asked", counters_get(&c->asked), ", ");
	put_number(f, "passwords_checked", counters_get(&c->hashed), ", ");
	put_number(f, "accounts_created", counters_get(&c->created), ", ");
	put_number(f, "stamps_written", counters_get(&c->stamped), ", ");
	put_number(f, "log_lines_lost",
	           atomic_load(&run->log_lost) + counters_get(&c->log_lost_front) + counters_get(&c->log_lost_keeper),
	           ", ");
}

static void put_tls(FILE *f, const struct run *run)
{
	const struct pem_facts *facts = &run->certificate.facts;
	char when[CLOCK_TEXT_MAX];

	if (run->certificate.fd < 0) {
		fputs("\"tls\": null, ", f);
		return;
	}
	clock_format_s(when, facts->not_after * 1000000);
	fprintf(f, "\"tls\": {\"pin\": \"%s\", \"not_after\": \"%s\"}, ", facts->pin, when);
}

struct document status_document(const struct run *run)
{
	struct document d = {.text = NULL};
	FILE *f = open_memstream(&d.text, &d.len);

	if (!f)
		return (struct document){.text = NULL};
	put_server(f, run);
	put_tls(f, run);
	put_connections(f, run);
	put_work(f, run);
	put_descriptors(f, run);
	put_threads(f, run);
	put_sandbox(f, run);
	fputs("}\n", f);
	if (fclose(f) == 0)
		return d;
	free(d.text);
	return (struct document){.text = NULL};
}
