/* Methods apt and dnf. Both switch the repository where it stands on the node: whatever its line
 * looks like, the address with another minor in it becomes that with the wanted one. */
#include "providers/kubeadm-sh.h"
#include "providers/kubeadm-software.h"
#include <string.h>

/* $url_any, $url_new, $near, $own, $version. */
static const char switching[] =
	"# Where a repository of another minor stands, that of the wanted one takes its place. "
	"Sets $lists to\n"
	"# the files that name it; where there is none, $own is made with the text on stdin.\n"
	"switch() {\n"
	"\tlists=\n"
	"\tfor f; do\n"
	"\t\tif ! [ -f \"$f\" ] || ! grep -v '^ *#' \"$f\" | grep -q \"$url_any\"; then continue; "
	"fi\n"
	"\t\tsed \"s/$url_any/$url_new/\" \"$f\" >\"$near/.shiplock-switch\"\n"
	"\t\tif cmp -s \"$near/.shiplock-switch\" \"$f\"; then\n"
	"\t\t\trm -f \"$near/.shiplock-switch\"\n"
	"\t\telse\n"
	"\t\t\tput_list \"$f\"\n"
	"\t\t\tsay \"$f: repository of $version\"\n"
	"\t\tfi\n"
	"\t\tlists=\"$lists $f\"\n"
	"\tdone\n"
	"\t[ -z \"$lists\" ] || return 0\n"
	"\tcat >\"$near/.shiplock-switch\"\n"
	"\tput_list \"$own\"\n"
	"\tlists=$own\n"
	"\tsay \"$own: repository of $version\"\n"
	"}\n"
	"put_list() {\n"
	"\t{ chmod 644 \"$near/.shiplock-switch\" && durable \"$near/.shiplock-switch\" &&\n"
	"\t\tmv -f \"$near/.shiplock-switch\" \"$1\" && durable \"${1%/*}\"; } || die \"cannot "
	"write $1\"\n"
	"}\n";

static const char apt[] =
	"export DEBIAN_FRONTEND=noninteractive\n"
	"has apt-get || die \"this node has no apt-get: method apt is not for it\"\n"
	"near=$root/etc/apt own=$root/etc/apt/sources.list.d/shiplock.list\n"
	"get() {\n"
	"\tapt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root "
	"\"$@\"\n"
	"}\n"
	"# There in part or whole.\n"
	"present() {\n"
	"\tcase $(dpkg-query -W -f='${db:Status-Status}' \"$1\" 2>/dev/null) in\n"
	"\t'' | not-installed | config-files) return 1 ;;\n"
	"\tesac\n"
	"}\n"
	"whole() {\n"
	"\t[ \"$(dpkg-query -W -f='${db:Status-Eflag} ${db:Status-Status}' \"$1\" 2>/dev/null)\" = "
	"\\\n"
	"\t\t\"ok installed\" ]\n"
	"}\n"
	"is() { dpkg-query -W -f='${Version}' \"$1\" 2>/dev/null | grep -q \"^$version_re-\"; }\n"
	"add() { set_of=\"$set_of $1=$version-*\"; }\n"
	"set_of=\n"
	"for p in $programs; do\n"
	"\t[ \"$p\" != kubectl ] || present kubectl || continue\n"
	"\tadd \"$p\"\n"
	"done\n"
	"arrange() {\n"
	"\t# shellcheck disable=SC2086\n"
	"\tget \"$@\" -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \\\n"
	"\t\t--no-remove --no-install-recommends --allow-downgrades \\\n"
	"\t\t--allow-change-held-packages install $set_of\n"
	"}\n";

static const char apt_look[] =
	"tmp=$(mktemp -d) || die \"cannot make a folder in /tmp\"\n"
	"trap 'rm -rf \"$tmp\"' EXIT\n"
	"mkdir -p \"$tmp/lists/partial\" \"$tmp/cache/archives/partial\"\n"
	"say \"$line\" >\"$tmp/ours.list\"\n"
	"lists=$root/var/lib/apt/lists\n"
	"# Lists and cache of its own: nothing of the node's changes.\n"
	"look() {\n"
	"\tsrc=$1\n"
	"\tshift\n"
	"\t\"$@\" -o \"Dir::Etc::sourcelist=$tmp/$src\" -o \"Dir::State::lists=$tmp/lists\" \\\n"
	"\t\t-o \"Dir::Cache=$tmp/cache\" -o APT::Get::List-Cleanup=0 -o Acquire::Languages=none\n"
	"}\n"
	"look ours.list get -o Dir::Etc::sourceparts=- -o APT::Update::Error-Mode=any update \\\n"
	"\t>\"$tmp/said\" 2>&1 ||\n"
	"\tdie \"the repository of $version does not answer: $(grep '^[EW]:' \"$tmp/said\" | head "
	"-n 3)\"\n"
	"for f in \"$lists\"/*; do\n"
	"\tif [ -f \"$f\" ] && [ ! -e \"$tmp/lists/${f##*/}\" ] && [ \"${f##*/}\" != lock ]; then\n"
	"\t\tln -s \"$f\" \"$tmp/lists/\"\n"
	"\tfi\n"
	"done\n"
	"{ cat \"$tmp/ours.list\" \"$root/etc/apt/sources.list\"; say; } >\"$tmp/all.list\" "
	"2>/dev/null\n"
	"look all.list arrange -s >\"$tmp/said\" 2>&1 || {\n"
	"\tgrep -v '^\\(Reading\\|Building\\|NOTE\\)' \"$tmp/said\" | tail -n 20 >&2\n"
	"\tdie \"the packages of $version cannot be installed; apt's words stand above\"\n"
	"}\n"
	"grep '^\\(Inst\\|Remv\\) ' \"$tmp/said\"\n"
	"say \"$version can be had\"\n";

static const char apt_put[] =
	"switch \"$near/sources.list\" \"$near\"/sources.list.d/*.list "
	"\"$near\"/sources.list.d/*.sources <<END\n"
	"$line\n"
	"END\n"
	"for f in $lists; do\n"
	"\tget -o \"Dir::Etc::sourcelist=$f\" -o Dir::Etc::sourceparts=- -o "
	"APT::Get::List-Cleanup=0 \\\n"
	"\t\t-o APT::Update::Error-Mode=any update || die \"the repository of $version does not "
	"answer\"\n"
	"done\n"
	"done_already=yes\n"
	"for p in $set_of; do\n"
	"\tp=${p%%=*}\n"
	"\t{ whole \"$p\" && is \"$p\"; } || done_already=\n"
	"done\n"
	"if [ -z \"$done_already\" ]; then\n"
	"\t# What a crash left half done comes first: apt does nothing before.\n"
	"\tdpkg --force-confdef --force-confold --configure -a\n"
	"\tfor p in $programs; do\n"
	"\t\tif ! present \"$p\" || whole \"$p\"; then continue; fi\n"
	"\t\twarn \"$p is half installed: its package is unpacked anew\"\n"
	"\t\ttmp=$(mktemp -d) || die \"cannot make a folder in /tmp\"\n"
	"\t\t(cd \"$tmp\" && get download \"$p=$version-*\") || die \"cannot get the package of "
	"$p\"\n"
	"\t\tdpkg --force-confdef --force-confold --force-downgrade -i \"$tmp\"/*.deb\n"
	"\t\trm -rf \"$tmp\"\n"
	"\tdone\n"
	"\tarrange -q || die \"apt-get install$set_of failed; its words stand above\"\n"
	"fi\n"
	"for p in $set_of; do\n"
	"\tp=${p%%=*}\n"
	"\t{ whole \"$p\" && is \"$p\"; } ||\n"
	"\t\tdie \"$p is $(dpkg-query -W -f='${Version} (${Status})' \"$p\") after its "
	"installation\"\n"
	"\tapt-mark -q hold \"$p\" >/dev/null || die \"apt-mark hold $p failed\"\n"
	"\tsay \"$p is $(dpkg-query -W -f='${Version}' \"$p\"), held\"\n"
	"done\n";

static const char dnf[] =
	"has dnf || die \"this node has no dnf: method dnf is not for it\"\n"
	"near=$root/etc own=$root/etc/yum.repos.d/shiplock.repo\n"
	"present() { rpm -q \"$1\" >/dev/null 2>&1; }\n"
	"release() { rpm -q --qf '%{VERSION}\\n' \"$1\" 2>/dev/null | sort -u; }\n"
	"# up or down, by what is installed; nothing: it is that already.\n"
	"way() {\n"
	"\tpresent \"$1\" || { say install; return; }\n"
	"\thave=$(release \"$1\" | tail -n 1)\n"
	"\t[ \"$have\" != \"$version\" ] || return 0\n"
	"\tif [ \"$(printf '%s\\n%s\\n' \"$have\" \"$version\" | sort -V | head -n 1)\" = "
	"\"$version\" ]\n"
	"\tthen say downgrade; else say install; fi\n"
	"}\n"
	"chosen() {\n"
	"\tfor p in $programs; do\n"
	"\t\t[ \"$p\" != kubectl ] || present kubectl || continue\n"
	"\t\t[ \"$(way \"$p\")\" != \"$1\" ] || printf ' %s-%s' \"$p\" \"$version\"\n"
	"\tdone\n"
	"}\n";

static const char dnf_look[] =
	"tmp=$(mktemp -d) || die \"cannot make a folder in /tmp\"\n"
	"trap 'rm -rf \"$tmp\"' EXIT\n"
	"for verb in install downgrade; do\n"
	"\tset_of=$(chosen $verb)\n"
	"\t[ -n \"$set_of\" ] || continue\n"
	"\t# Only rpm's own test: nothing is installed, and no key is taken in.\n"
	"\t# shellcheck disable=SC2086\n"
	"\tdnf -q -y --disableexcludes=all --setopt=tsflags=test --setopt=\"cachedir=$tmp\" \\\n"
	"\t\t--repofrompath=\"shiplock-look,$line\" --setopt=shiplock-look.gpgcheck=0 \\\n"
	"\t\t$verb $set_of >\"$tmp/said\" 2>&1 </dev/null || {\n"
	"\t\ttail -n 20 \"$tmp/said\" >&2\n"
	"\t\tdie \"the packages of $version cannot be installed; dnf's words stand above\"\n"
	"\t}\n"
	"done\n"
	"say \"$version can be had\"\n";

static const char dnf_put[] =
	"switch \"$root\"/etc/yum.repos.d/*.repo <<END\n"
	"[shiplock]\n"
	"name=Kubernetes\n"
	"baseurl=$line\n"
	"enabled=1\n"
	"gpgcheck=1\n"
	"gpgkey=${line%/}/repodata/repomd.xml.key\n"
	"exclude=kubelet kubeadm kubectl\n"
	"END\n"
	"for p in $programs; do\n"
	"\t[ \"$(release \"$p\" | wc -l)\" -le 1 ] || {\n"
	"\t\twarn \"$p is there twice: a transaction was cut off\"\n"
	"\t\tdnf -q -y --disableexcludes=all remove --duplicates \"$p\" </dev/null ||\n"
	"\t\t\tdie \"dnf remove --duplicates $p failed\"\n"
	"\t}\n"
	"done\n"
	"for verb in install downgrade; do\n"
	"\tset_of=$(chosen $verb)\n"
	"\t[ -n \"$set_of\" ] || continue\n"
	"\t# shellcheck disable=SC2086\n"
	"\tdnf -q -y --disableexcludes=all --refresh $verb $set_of </dev/null ||\n"
	"\t\tdie \"dnf $verb$set_of failed; its words stand above\"\n"
	"done\n"
	"for p in $programs; do\n"
	"\t[ \"$p\" != kubectl ] || present kubectl || continue\n"
	"\t[ \"$(release \"$p\")\" = \"$version\" ] ||\n"
	"\t\tdie \"$p is $(release \"$p\" | tr '\\n' ' ')after its installation\"\n"
	"\tsay \"$p is $version\"\n"
	"done\n";

/* A text as sed's s/// takes it: each of these characters means itself. */
static char *escaped(const char *text, const char *special)
{
	GString *out = g_string_new("");
	for (; *text; text++) {
		if (strchr(special, *text))
			g_string_append_c(out, '\\');
		g_string_append_c(out, *text);
	}
	return g_string_free(out, FALSE);
}

/* The word of a source that is an address, placeholders in it; caller frees. */
static char *address_of(const char *source)
{
	g_auto(GStrv) words = g_strsplit(source, " ", -1);
	for (char **w = words; *w; w++)
		if (**w != '[' && strstr(*w, ":/"))
			return g_strdup(*w);
	return g_strdup(source);
}

/* The address with any version in the place of the placeholders. */
static char *any_version(const char *address)
{
	static const char *const names[] = { "{{minor}}", "{{version}}" };
	char *text = escaped(address, "\\.[]*^$/");
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_auto(GStrv) parts = g_strsplit(text, names[i], -1);
		g_free(text);
		text = g_strjoinv("[0-9][0-9.]*", parts);
	}
	return text;
}

static char *packages_text(const json_t *software, const char *version, const char *programs,
	const char *common, const char *rest)
{
	const char *plain = *version == 'v' ? version + 1 : version;
	g_autofree char *line = software_value(software, "source", version);
	g_autofree char *version_re = escaped(plain, "\\.[]*^$");
	g_autofree char *address = address_of(json_path_str(software, "source", ""));
	g_autofree char *any = any_version(address);
	g_autoptr(json_t) one = json_pack("{s:s}", "source", address);
	g_autofree char *at = software_value(one, "source", version);
	g_autofree char *new = escaped(at, "\\&/");
	g_autofree char *text = g_strconcat(common, switching, rest, NULL);
	return sh_text((const ShValue[]){ { "version", plain }, { "version_re", version_re },
			       { "line", line }, { "url_any", any }, { "url_new", new },
			       { "programs", programs }, { 0 } },
		0, text);
}

static const char *programs_of(unsigned what)
{
	static const char *const programs[] = { "", "kubeadm", "kubelet kubectl",
		"kubeadm kubelet kubectl" };
	return programs[what & (SOFTWARE_KUBEADM | SOFTWARE_KUBELET)];
}

static char *apt_simulate(const json_t *software, const char *version)
{
	return packages_text(
		software, version, programs_of(SOFTWARE_KUBEADM | SOFTWARE_KUBELET), apt, apt_look);
}

static char *apt_install(const json_t *software, const char *version, unsigned what)
{
	return packages_text(software, version, programs_of(what), apt, apt_put);
}

static char *dnf_simulate(const json_t *software, const char *version)
{
	return packages_text(
		software, version, programs_of(SOFTWARE_KUBEADM | SOFTWARE_KUBELET), dnf, dnf_look);
}

static char *dnf_install(const json_t *software, const char *version, unsigned what)
{
	return packages_text(software, version, programs_of(what), dnf, dnf_put);
}

const SoftwareOps software_apt = { "apt", apt_simulate, apt_install };
const SoftwareOps software_dnf = { "dnf", dnf_simulate, dnf_install };
