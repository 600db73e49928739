#!/bin/bash
# The manual pages, the reference in docs/host-file.md and the help say what the command's tables say, and the
# examples are good host files.
set -euo pipefail

outlive=$BUILD/outlive
failures=0
fail() {
	echo "FAILED: $*"
	failures=$((failures + 1))
}

for page in docs/man/*.[15]; do
	name=$(basename "${page%.*}")
	"$outlive" manual "$name" | cmp - "$page" || fail "$page is out of date: make cli-docs"
done
mandoc -T lint -W warning docs/man/*.[15] || fail "mandoc has something to say"
sed '1,/^<!-- reference -->$/d' docs/host-file.md | tail -n +2 >"$TEST_TMP/reference"
"$outlive" manual host-file.md | cmp - "$TEST_TMP/reference" || fail "docs/host-file.md is out of date: make cli-docs"

# Every command of the list has help and a page that names it, and its options.
"$outlive" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\( inject\| list\| show\)\?\).*/\1/p' >"$TEST_TMP/commands"
[[ $(wc -l <"$TEST_TMP/commands") -ge 16 ]] || fail "the list of commands is too short"
while read -r command; do
	# shellcheck disable=SC2086 # two words are two words
	"$outlive" $command --help >"$TEST_TMP/help" || fail "$command --help"
	grep -q '^Options:' "$TEST_TMP/help" || fail "$command --help lists no options"
	grep -q -- '--json' "$TEST_TMP/help" || fail "$command has no --json"
	grep -qF "outlive $command" docs/man/*.1 || fail "no page names $command"
done <"$TEST_TMP/commands"

for file in examples/one-vm.yaml examples/two-vms.yaml; do
	if [[ -e $BUILD/kernel && $BUILD == build ]]; then
		"$outlive" check "$file" || fail "$file"
	fi
done

((failures == 0)) || { echo "$failures failures"; exit 1; }
echo "all good"
