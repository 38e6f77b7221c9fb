# Bash completion of echoctl.

_echoctl_offer()
{
	local word=$1 one

	shift
	for one in "$@"; do
		[[ $one == "$word"* ]] && COMPREPLY+=("$one")
	done
}

_echoctl_files()
{
	local one

	while IFS= read -r one; do
		COMPREPLY+=("$one")
	done < <(compgen "$@")
	compopt -o filenames 2>/dev/null
}

# The words that may follow those that stand already. Accounts are not looked up: that would make a store.
_echoctl_words()
{
	local word=$1

	shift
	case $* in
	"") _echoctl_offer "$word" user revoke status drain reload penalties ;;
	user) _echoctl_offer "$word" add passwd disable enable remove list show ;;
	penalties) _echoctl_offer "$word" clear ;;
	esac
}

_echoctl()
{
	# Not COMP_WORDS, which are cut at colons. A test compares the options with those that the program shows.
	local line=${COMP_LINE:0:COMP_POINT} words word one before="" given=()
	read -ra words <<<"$line"
	word=${line##*[[:space:]]}
	[[ -n $word ]] && unset "words[-1]"
	COMPREPLY=()

	for one in "${words[@]:1}"; do
		case $before in
		--state | --accounts | --password-file | --hash-memory | --hash-passes) ;;
		*) [[ $one != -* ]] && given+=("$one") ;;
		esac
		before=$one
	done
	case $before in
	--state) _echoctl_files -d -- "$word" ;;
	--password-file) _echoctl_files -f -- "$word" ;;
	--accounts)
		if [[ $word == sqlite:* ]]; then
			_echoctl_files -f -- "${word#sqlite:}"
		else
			_echoctl_offer "$word" sqlite:
			compopt -o nospace 2>/dev/null
		fi
		;;
	--hash-memory | --hash-passes) ;;
	*)
		if [[ $word == -* ]]; then
			_echoctl_offer "$word" --state --accounts --password-file --hash-memory --hash-passes --json --help \
				--version
		else
			_echoctl_words "$word" "${given[@]}"
		fi
		;;
	esac
}

complete -F _echoctl echoctl
