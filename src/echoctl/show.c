#include "show.h"

#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "table.h"
#include "text.h"
#include "words.h"

static void write_object(FILE *out, const struct account *a)
{
	fputs("{\"name\": ", out);
	json_string(out, a->name);
	fputs(", \"created\": ", out);
	json_time(out, a->created_us);
	fputs(", \"last_login\": ", out);
	json_time(out, a->last_login_us);
	fputs(", \"last_address\": ", out);
	if (a->last_address[0])
		json_string(out, a->last_address);
	else
		fputs("null", out);
	fprintf(out, ", \"logins\": %" PRId64 ", \"failures\": %" PRId64 ", \"disabled\": %s}", a->logins, a->failures,
	        a->disabled ? "true" : "false");
}

static void write_lines(FILE *out, const struct account *a)
{
	char name[4 * NAME_BYTES_MAX + 1], address[4 * STORE_ADDRESS_MAX + 1], created[CLOCK_TEXT_MAX],
	    login[CLOCK_TEXT_MAX];

	text_escape_utf8(name, sizeof(name), a->name, strlen(a->name));
	text_escape_utf8(address, sizeof(address), a->last_address, strlen(a->last_address));
	clock_format_s(created, a->created_us);
	clock_format_s(login, a->last_login_us);
	fprintf(out, _("name: %s\ncreated: %s\nlast login: %s\nfrom: %s\n"), name, created,
	        a->last_login_us ? login : _("never"), address[0] ? address : "-");
	fprintf(out, _("logins: %lld\nfailures since: %lld\nstate: %s\n"), (long long)a->logins, (long long)a->failures,
	        a->disabled ? _("disabled") : _("enabled"));
}

struct array {
	FILE *out;
	size_t rows;
};

static int write_json_row(void *arg, const struct account *a)
{
	struct array *array = arg;

	fputs(array->rows++ ? ",\n" : "\n", array->out);
	write_object(array->out, a);
	return 0;
}

static int write_table_row(void *arg, const struct account *a)
{
	table_row(arg, a);
	return 0;
}

static enum store_result show_table(struct store *store, FILE *out)
{
	struct table t;

	table_init(&t);
	enum store_result result = store_each(store, write_table_row, &t);
	if (result != STORE_OK)
		return result;
	if (t.rows == 0) {
		fputs(_("No accounts yet; 'echoctl user add NAME' makes one.\n"), out);
		return STORE_OK;
	}
	table_begin(&t, out);
	return store_each(store, write_table_row, &t);
}

static enum store_result show_array(struct store *store, FILE *out)
{
	struct array array = {.out = out};

	fputc('[', out);
	enum store_result result = store_each(store, write_json_row, &array);
	fputs(array.rows ? "\n]\n" : "]\n", out);
	return result;
}

enum store_result show_all(struct store *store, bool json, FILE *out)
{
	return json ? show_array(store, out) : show_table(store, out);
}

enum store_result show_account(struct store *store, const char *name, bool json, FILE *out)
{
	struct account account;
	enum store_result result = store_find(store, name, &account);

	if (result == STORE_OK && json) {
		write_object(out, &account);
		fputc('\n', out);
	} else if (result == STORE_OK) {
		write_lines(out, &account);
	}
	password_wipe(&account, sizeof(account));
	return result;
}
