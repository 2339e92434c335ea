# SPDX-License-Identifier: Apache-2.0
# Completion of pillion for bash. tests/unit/test_completions.py holds it against the command's own tables.

_pillion_options() {
    local filter="--last --since --failed --state --name --job" whose="--user --dir"
    case $1 in
    run) echo --name --output --summary --quiet ;;
    list) echo --jobs --json --csv --plain --sort --all-users $filter $whose ;;
    show) echo --json --plain --follow --history --servers --job --since $whose ;;
    report) echo --output --open --markdown $filter $whose ;;
    export) echo --output $filter $whose ;;
    rm) echo --json --force --dry-run $filter ;;
    sync | doctor | env) echo --json ;;
    esac
    echo --help --version
}

# The values of an option that has some of its own; files where it names a file.
_pillion_value() {
    case $1 in
    --output | -o) compgen -f -- "$2" ;;
    --user) compgen -u -- "$2" ;;
    --dir) compgen -d -- "$2" ;;
    --state) compgen -W "running finishing finished local undelivered lost newer damaged" -- "$2" ;;
    --since) compgen -W "1h 1d 7d today yesterday" -- "$2" ;;
    --sort) compgen -W "name job state started_at duration_s cpu_part memory_peak_mib gpu_part command" -- "$2" ;;
    --name | -n | --last | --job | --history) ;;
    *) return 1 ;;
    esac
    return 0
}

_pillion() {
    local commands="run list show report export rm sync doctor env help"
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} i
    local IFS=$' \t\n'
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "$commands --help --version" -- "$word"))
        return
    fi
    case $command in
    help) COMPREPLY=($(compgen -W "${commands% help}" -- "$word")) && return ;;
    run | doctor) # behind the options stands another command
        for ((i = 2; i < COMP_CWORD; i++)); do
            case ${COMP_WORDS[i]} in
            --) ((i++)) && break ;;
            -n | --name | -o | --output) ((i++)) ;;
            -*) ;;
            *) break ;;
            esac
        done
        if [ "${COMP_WORDS[i - 1]}" = -- ] || { [ "$i" -lt "$COMP_CWORD" ] && [ "$command" = run ]; }; then
            if declare -F _command_offset >/dev/null; then
                _command_offset "$i"
            else
                compopt -o filenames 2>/dev/null
                IFS=$'\n' COMPREPLY=($(compgen -f -- "$word"; [ "$i" -ne "$COMP_CWORD" ] || compgen -c -- "$word"))
            fi
            return
        fi
        ;;
    esac
    case $command:$before in # -n is --dry-run there
    rm:-n) ;;
    *)
        local values
        if values=$(_pillion_value "$before" "$word"); then
            [ "$before" != --output ] && [ "$before" != -o ] && [ "$before" != --dir ] || compopt -o filenames 2>/dev/null
            IFS=$'\n' COMPREPLY=($values)
            return
        fi
        ;;
    esac
    case $word in
    -*) COMPREPLY=($(compgen -W "$(_pillion_options "$command")" -- "$word")) ;;
    *)
        before=${COMP_WORDS[*]:2:COMP_CWORD-2}
        case $command:${before// /} in # a colon divides words there
        list:*s3://* | show:*s3://* | report:*s3://*) command=$command-bucket ;;
        esac
        case $command in
        show-bucket | report-bucket) COMPREPLY=($(compgen -W last -- "$word")) ;;
        list) COMPREPLY=($(compgen -W "$PILLION_S3_URI" -- "$word")) ;;
        show | report)
            COMPREPLY=($(compgen -W "last $PILLION_S3_URI $(pillion list --csv --last 50 2>/dev/null | sed -n '2,$s/,.*//p')" -- "$word"))
            ;;
        export | rm | sync)
            COMPREPLY=($(compgen -W "last $(pillion list --csv --last 50 2>/dev/null | sed -n '2,$s/,.*//p')" -- "$word"))
            ;;
        run) COMPREPLY=($(compgen -c -- "$word")) ;;
        esac
        ;;
    esac
}

complete -F _pillion pillion
