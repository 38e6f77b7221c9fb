# Bash completion of echod.

_echod_offer()
{
	local word=$1 one

	shift
	for one in "$@"; do
		[[ $one == "$word"* ]] && COMPREPLY+=("$one")
	done
}

_echod_files()
{
	local one

	while IFS= read -r one; do
		COMPREPLY+=("$one")
	done < <(compgen "$@")
	compopt -o filenames 2>/dev/null
}

_echod()
{
	# Not COMP_WORDS, which are cut at colons. A test compares the options with those that the program shows.
	local line=${COMP_LINE:0:COMP_POINT} words word
	read -ra words <<<"$line"
	word=${line##*[[:space:]]}
	[[ -n $word ]] && unset "words[-1]"
	COMPREPLY=()

	case ${words[-1]} in
	--listen)
		if [[ $word == unix:* || $word == raw+unix:* ]]; then
			_echod_files -f -- "${word#*unix:}"
		else
			_echod_offer "$word" login: raw: tls: raw+tls: unix: raw+unix:
			compopt -o nospace 2>/dev/null
		fi
		;;
	--accounts)
		if [[ $word == sqlite:* ]]; then
			_echod_files -f -- "${word#sqlite:}"
		else
			_echod_offer "$word" sqlite:
			compopt -o nospace 2>/dev/null
		fi
		;;
	--state) _echod_files -d -- "$word" ;;
	--port-file | --cert | --key | --log) _echod_files -f -- "$word" ;;
	--register) _echod_offer "$word" open closed ;;
	--log-level) _echod_offer "$word" error warning info debug ;;
	--user) COMPREPLY=($(compgen -u -- "$word")) ;;
	--proxy-from | --socket-mode | --token-life | --hash-memory | --hash-passes | --workers | --busy-poll | \
		--max-* | --address-* | --login-slots | --unread-memory | --*-time | --keepalive | --account-failures | \
		--failure-delay | --drain) ;;
	*)
		_echod_offer "$word" --listen --ask --next-port --strict-port --port-file --proxy-from --socket-mode --state \
			--accounts --register --allow-cleartext --token-life --hash-memory --hash-passes --cert --key --user \
			--allow-root --log --log-level --workers --busy-poll --max-connections --address-connections \
			--address-rate --address-accounts --limit-local --max-accounts --login-slots --unread-memory \
			--login-time --idle-time --login-idle-time --stall-time --keepalive --address-failures \
			--account-failures --failure-delay --drain --help --version
		;;
	esac
}

complete -F _echod echod
