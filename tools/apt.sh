# For scripts to source: an apt of our own, so that packages of Debian 13 come through signed indexes from the mirror that this
# machine's apt uses, and nothing of the machine's own is touched. Of its configuration only how to reach the network is kept,
# so that no hook of the machine's runs. The script has a function die.
# shellcheck shell=bash

apt_suite=trixie
apt_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The first URI of the machine's apt configuration, in either of its formats.
apt_mirror() {
	local file uri
	if [[ -n ${OUTLIVE_MIRROR:-} ]]; then
		echo "$OUTLIVE_MIRROR"
		return
	fi
	for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.sources; do
		[[ -r $file ]] || continue
		case $file in
		*.sources) uri=$(sed -n 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p' "$file" | head -n 1) ;;
		*) uri=$(sed -n 's/^deb[[:space:]]\+\(\[[^]]*\][[:space:]]*\)\?\([^[:space:]]*\).*/\2/p' "$file" | head -n 1) ;;
		esac
		if [[ -n $uri ]]; then
			echo "$uri"
			return
		fi
	done
	return 1
}

apt_prepare() { # directory, binary or source: an apt for packages or sources of riscv64, which has no index yet
	local uri line
	[[ -r $apt_keyring ]] || die "$apt_keyring is missing (package debian-archive-keyring)"
	uri=$(apt_mirror) || die "no mirror in /etc/apt; set OUTLIVE_MIRROR to a Debian mirror's URI"
	case $2 in
	binary) line="deb [arch=riscv64 signed-by=$apt_keyring]" ;;
	source) line="deb-src [signed-by=$apt_keyring]" ;;
	esac
	mkdir -p "$1"/{lists,cache/archives}/partial
	: >"$1/status"
	echo "$line $uri $apt_suite main" >"$1/sources.list"
	{
		apt-config dump | grep '^Acquire::' || true
		echo "Acquire::Retries \"3\"; Acquire::Languages \"none\"; APT::Sandbox::User \"$(id -un)\";"
		echo "Dir::Etc::Main \"/dev/null\"; Dir::Etc::Parts \"/dev/null\"; Dir::Etc::SourceParts \"/dev/null\";"
		echo "Dir::Etc::SourceList \"$1/sources.list\"; Dir::State::Lists \"$1/lists\";"
		echo "Dir::State::status \"$1/status\"; Dir::Cache \"$1/cache\";"
		[[ $2 != binary ]] || echo "APT::Architecture \"riscv64\"; APT::Architectures \"riscv64\";"
	} >"$1/apt.conf"
}
