#include "providers/kubeadm-software.h"
#include "objects/version.h"
#include <string.h>

const SoftwareOps *software_find(const char *method)
{
	static const SoftwareOps *const all[] = { &software_apt, &software_dnf,
		&software_binaries };
	for (size_t i = 0; method && i < G_N_ELEMENTS(all); i++)
		if (strcmp(all[i]->method, method) == 0)
			return all[i];
	return NULL;
}

char *software_minor(const char *version)
{
	Version v;
	if (!version_parse(version, &v))
		return g_strdup("");
	return g_strdup_printf("%d.%d", v.major, v.minor);
}

/* All places of a word in the text; frees it. */
static char *replace(char *text, const char *word, const char *by)
{
	g_auto(GStrv) parts = g_strsplit(text, word, -1);
	g_free(text);
	return g_strjoinv(by, parts);
}

char *software_value(const json_t *software, const char *member, const char *version)
{
	const char *value = json_path_str(software, member, NULL);
	if (!value)
		return NULL;
	g_autofree char *minor = software_minor(version);
	char *text = replace(g_strdup(value), "{{minor}}", minor);
	return replace(text, "{{version}}", *version == 'v' ? version + 1 : version);
}
