/* Method binaries: files, checked by digest, swapped by rename. */
#include "providers/kubeadm-sh.h"
#include "providers/kubeadm-software.h"

static const char common[] =
	"kept=$ours/binaries\n"
	"fetch() { # URL-OR-PATH TO\n"
	"\tcase $1 in\n"
	"\t*://*)\n"
	"\t\tif has curl; then curl -fsSL --retry 3 --max-time 1200 -o \"$2\" \"$1\"\n"
	"\t\telif has wget; then wget -q -O \"$2\" \"$1\"\n"
	"\t\telse die \"neither curl nor wget is on this node to fetch $1\"; fi\n"
	"\t\t;;\n"
	"\t*) cp \"$1\" \"$2\" ;;\n"
	"\tesac || die \"cannot get $1\"\n"
	"}\n"
	"there() {\n"
	"\tcase $1 in\n"
	"\t*://*)\n"
	"\t\tif has curl; then curl -fsSIL --max-time 60 -o /dev/null \"$1\"\n"
	"\t\telse wget -q --spider \"$1\"; fi 2>/dev/null\n"
	"\t\t;;\n"
	"\t*) [ -r \"$1\" ] ;;\n"
	"\tesac\n"
	"}\n"
	"digests() {\n"
	"\tif [ -n \"$digest_text\" ]; then\n"
	"\t\tsay \"$digest_text\"\n"
	"\t\treturn 0\n"
	"\tfi\n"
	"\tsums=$(mktemp) || return 1\n"
	"\t(fetch \"$digest_from\" \"$sums\") && cat \"$sums\"\n"
	"\tcode=$?\n"
	"\trm -f \"$sums\"\n"
	"\treturn $code\n"
	"}\n"
	"# The digest of a program: of its only line, else of the one line with the version in its "
	"path.\n"
	"digest() {\n"
	"\tsay \"$all\" | tr -d '\\r' | awk -v n=\"$1\" -v v=\"$version\" '\n"
	"\t\t{ sub(/^\\*/, \"\", $2); path = $2; sub(/.*\\//, \"\", path) }\n"
	"\t\tpath == n && length($1) == 64 {\n"
	"\t\t\tif (!($1 in any)) { any[$1] = 1; n_any++; one = $1 }\n"
	"\t\t\tif (index($2, v \"/\") && !($1 in mine)) { mine[$1] = 1; n_mine++; that = $1 }\n"
	"\t\t}\n"
	"\t\tEND { if (n_mine == 1) print that; else if (n_any == 1) print one }'\n"
	"}\n"
	"all=$(digests) || die \"no digests to check the programs by\"\n"
	"wanted() {\n"
	"\tsum=$(digest \"$1\")\n"
	"\t[ -n \"$sum\" ] || die \"the digests have no line, or several, for $1 of $version\"\n"
	"}\n"
	"# Where a program lies; below ROOT, so that a prepared tree never changes the machine.\n"
	"place_of() {\n"
	"\tat=$(command -v \"$1\") && at=$(readlink -f \"$at\") || return 1\n"
	"\tcase $at in \"$root\"/*) say \"$at\" ;; *) return 1 ;; esac\n"
	"}\n";

static const char look[] =
	"for p in kubeadm kubelet kubectl; do\n"
	"\t[ $p != kubectl ] || place_of kubectl >/dev/null || continue\n"
	"\twanted $p\n"
	"\tfor f in \"$kept\"/*/\"$p\" \"$(place_of $p)\" \"$from/$p\"; do\n"
	"\t\t[ -f \"$f\" ] && [ \"$(sha \"$f\")\" = \"$sum\" ] && continue 2\n"
	"\tdone\n"
	"\tcase $from in\n"
	"\t*://*) there \"$from/$p\" || die \"cannot reach $from/$p\" ;;\n"
	"\t*)\n"
	"\t\t[ -r \"$from/$p\" ] || die \"there is no $from/$p on this node\"\n"
	"\t\tdie \"$from/$p is not the file that the digests name: it has $(sha \"$from/$p\")\"\n"
	"\t\t;;\n"
	"\tesac\n"
	"done\n"
	"say \"$version can be had from $from\"\n";

static const char install[] =
	"mkdir -p \"$kept\"\n"
	"for p in $programs; do\n"
	"\tbefore=\n"
	"\t[ \"$p\" != kubectl ] || place_of kubectl >/dev/null || continue\n"
	"\twanted \"$p\"\n"
	"\tat=$(place_of \"$p\") || at=$root/usr/local/bin/$p\n"
	"\tif [ -e \"$at\" ] && [ \"$(sha \"$at\")\" = \"$sum\" ]; then\n"
	"\t\tsay \"$p is $version already\"\n"
	"\t\tcontinue\n"
	"\tfi\n"
	"\tnew=${at%/*}/.shiplock-new-$p\n"
	"\tgot=\n"
	"\tfor f in \"$kept\"/*/\"$p\"; do\n"
	"\t\tif [ -z \"$got\" ] && [ -f \"$f\" ] && [ \"$(sha \"$f\")\" = \"$sum\" ]; then\n"
	"\t\t\tcp \"$f\" \"$new\" || die \"cannot write $new\"\n"
	"\t\t\tgot=yes\n"
	"\t\tfi\n"
	"\tdone\n"
	"\t[ -n \"$got\" ] || fetch \"$from/$p\" \"$new\"\n"
	"\t[ \"$(sha \"$new\")\" = \"$sum\" ] || {\n"
	"\t\twas=$(sha \"$new\")\n"
	"\t\trm -f \"$new\"\n"
	"\t\tdie \"$from/$p is not the file that the digests name: it has $was, they say $sum\"\n"
	"\t}\n"
	"\tif [ -e \"$at\" ]; then\n"
	"\t\tbefore=$(version \"$p\")\n"
	"\t\tmkdir -p \"$kept/${before:-unknown}\"\n"
	"\t\t{ cp -p \"$at\" \"$kept/.$p.new\" && durable \"$kept/.$p.new\"; } ||\n"
	"\t\t\tdie \"cannot keep the $p that is installed\"\n"
	"\t\tmv -f \"$kept/.$p.new\" \"$kept/${before:-unknown}/$p\"\n"
	"\tfi\n"
	"\t{ chmod 755 \"$new\" && durable \"$new\" && mv -f \"$new\" \"$at\" && durable "
	"\"${at%/*}\"; } ||\n"
	"\t\tdie \"cannot put $p to $at\"\n"
	"\tsay \"$p ${before:-none} -> $version in $at\"\n"
	"done\n";

static char *binaries_text(
	const json_t *software, const char *version, const char *programs, const char *rest)
{
	g_autofree char *from = software_value(software, "from", version);
	g_autofree char *sums = software_value(software, "sha256sums", version);
	g_autofree char *text = g_strconcat(common, rest, NULL);
	return sh_text((const ShValue[]){ { "version", *version == 'v' ? version + 1 : version },
			       { "from", from }, { "digest_from", sums },
			       { "digest_text", json_path_str(software, "sha256sumsText", NULL) },
			       { "programs", programs }, { 0 } },
		0, text);
}

static char *binaries_simulate(const json_t *software, const char *version)
{
	return binaries_text(software, version, NULL, look);
}

static char *binaries_install(const json_t *software, const char *version, unsigned what)
{
	static const char *const programs[] = { "", "kubeadm", "kubelet kubectl",
		"kubeadm kubelet kubectl" };
	return binaries_text(
		software, version, programs[what & (SOFTWARE_KUBEADM | SOFTWARE_KUBELET)], install);
}

const SoftwareOps software_binaries = {
	.method = "binaries",
	.simulate = binaries_simulate,
	.install = binaries_install,
};
