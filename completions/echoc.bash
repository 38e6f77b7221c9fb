# Bash completion of echoc.

# The options of a mode. A test compares them with what the program takes.
_echoc_options()
{
	local login="--user --password-file --no-register --no-token --pin --allow-cleartext --wait"

	echo "--help --version --quiet"
	case $1 in
	talk) echo "$login --retry-time --trace --reconnect --chunk" ;;
	ping) echo "$login --retry-time --trace --json --json-stream --interval --count --size --deadline --late --redial
		--timestamps --plain" ;;
	load) echo "$login --retry-time --json --json-stream --connections --rate --in-flight --size --seed --threads --ramp
		--warm-up --duration --messages" ;;
	idle) echo "$login --retry-time --trace --json --json-stream --min --max --connections --resolution --plain" ;;
	check) echo "$login --trace --json" ;;
	report) echo "--json --html --text --hgrm --output" ;;
	esac
}

# The names of ~/.config/echoc/config.
_echoc_names()
{
	local file=${XDG_CONFIG_HOME:-$HOME/.config}/echoc/config

	[[ -r $file ]] && sed -n 's/^[[:space:]]*\[\([^]]*\)].*/\1/p' "$file"
}

# Offers the lines of standard input that begin with the word. Nothing in them is expanded.
_echoc_offer()
{
	local word=$1 line

	while IFS= read -r line; do
		[[ -n $line && $line == "$word"* ]] && COMPREPLY+=("$line")
	done
}

_echoc_files()
{
	_echoc_offer "" < <(compgen -f -- "$1")
	compopt -o filenames 2>/dev/null
}

_echoc_address()
{
	local word=$1

	if [[ $word == unix:* || $word == raw+unix:* ]]; then
		_echoc_files "${word#*unix:}"
		return
	fi
	_echoc_offer "$word" < <(_echoc_names)
	[[ $word == *:* ]] && return
	_echoc_offer "$word" < <(printf '%s\n' login: raw: tls: raw+tls: unix: raw+unix:; compgen -A hostname -- "$word")
	[[ ${COMPREPLY[0]} == *: ]] && compopt -o nospace 2>/dev/null
}

_echoc()
{
	# Not COMP_WORDS, which are cut at colons.
	local line=${COMP_LINE:0:COMP_POINT} mode="" words word before
	read -ra words <<<"$line"
	word=${line##*[[:space:]]}
	[[ -n $word ]] && unset "words[-1]"
	before=${words[-1]}
	COMPREPLY=()

	local one
	for one in "${words[@]:1}"; do
		[[ $one == talk || $one == ping || $one == load || $one == idle || $one == check || $one == report ]] || continue
		mode=$one
		break
	done
	case $before in
	--password-file | --output | -o)
		_echoc_files "$word"
		return
		;;
	--user | --pin | --wait | --retry-time | --chunk | --interval | --count | --size | --deadline | --late | --redial | \
		--connections | --rate | --in-flight | --seed | --threads | --ramp | --warm-up | --duration | --messages | \
		--min | --max | --resolution | -[icswW]) return ;;
	esac
	if [[ $word == -* ]]; then
		_echoc_offer "$word" < <(_echoc_options "${mode:-talk}" | tr -s '[:space:]' '\n')
	elif [[ $mode == report ]]; then
		_echoc_files "$word"
	else
		[[ -z $mode ]] && _echoc_offer "$word" < <(printf '%s\n' talk ping load idle check report)
		_echoc_address "$word"
	fi
}

complete -F _echoc echoc
