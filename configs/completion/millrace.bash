# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion for millrace(1). Words and options come from the program's own help, ids and names from
# the Millrace that runs, so nothing here has to follow a change of the program.

# The words after "millrace $1" in the list of commands.
_millrace_words() {
	millrace --help 2>/dev/null | sed -n '/^Commands/,/^$/s/^  //p' | awk -v noun="$1" '
		noun == "" { print $1 }
		noun != "" && $1 == noun && $2 ~ /^[a-z]+$/ && /^[a-z]+ [a-z]+( |$)/ { print $2 }' | sort -u
}

# The options that "millrace $*" knows.
_millrace_options() {
	millrace "$@" --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p'
}

_millrace() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} word i
	local words=() state=()
	COMPREPLY=()

	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--state)
			i=$((i + 1))
			state=(--state "${COMP_WORDS[i]}")
			;;
		-*) ;;
		*) words+=("$word") ;;
		esac
	done

	case $prev in
	--state)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--config)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	esac
	case $cur in
	-*)
		mapfile -t COMPREPLY < <(compgen -W "$(_millrace_options "${words[@]:0:2}")" -- "$cur")
		return
		;;
	esac

	local choices
	case "${words[*]:0:2}" in
	task | stream | hls | viewer | callback | node | domain | url | guard | config | bucket | asset | user | pull) choices=$(_millrace_words "${words[0]}") ;;
	"") choices=$(_millrace_words "") ;;
	"task list" | "task create" | "stream list" | "viewer list" | "hls list" | "domain add" | "domain list") return ;;
	task\ *) choices=$(millrace "${state[@]}" task list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
	stream\ *) choices=$(millrace "${state[@]}" stream list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
	config\ *)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	"guard remove") choices=$(millrace "${state[@]}" guard list 2>/dev/null | awk '$3 == "operator" { print $1 }') ;;
	"viewer kick") choices=$(millrace "${state[@]}" viewer list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
	"callback list" | "node list") return ;;
	"node show") choices=$(millrace "${state[@]}" node list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
	callback\ *) choices="all $(millrace "${state[@]}" callback list 2>/dev/null | awk 'NR > 1 { print $1 }')" ;;
	"user add" | "user list" | "user key" | "asset add" | "asset list") return ;;
	user\ *) choices=$(millrace "${state[@]}" user list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
	asset\ *) choices=$(millrace "${state[@]}" asset list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
	pull\ * | domain\ *) choices=$(millrace "${state[@]}" domain list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
	"bucket create" | "bucket list") return ;;
	bucket\ *) choices=$(millrace "${state[@]}" bucket list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
	drain) choices="on off" ;;
	*) return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur")
}

complete -F _millrace millrace
