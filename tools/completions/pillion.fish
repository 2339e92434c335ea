# SPDX-License-Identifier: Apache-2.0
# Completion of pillion for fish. tests/unit/test_completions.py holds it against the command's own tables.

function __pillion_has_place
    string match -q -- 's3://*' (commandline -opc)
end

function __pillion_runs
    echo last
    __pillion_has_place; and return
    pillion list --csv --last 50 2>/dev/null | string replace -rf '^(\d{8}T[^,]*),([^,]*),.*' '$1\t$2'
end

# After `run` and `doctor` stands another command. Its words, but for the one under the cursor; status 1: not yet there.
function __pillion_program
    set -l words (commandline -opc)[3..]
    while set -q words[1]
        switch $words[1]
            case --
                set -e words[1]
                break
            case -n --name -o --output
                set -e words[1]
            case '-*'
            case '*'
                break
        end
        set -e words[1]
        set -q words[1]; or return 1
    end
    string join -- \n $words
    set -q words[1]; or test (commandline -opc)[-1] = --
end

function __pillion_program_completions
    set -l line (string join -- ' ' (__pillion_program) (commandline -ct))
    string match -q -- '-*' "$line"; or complete -C "$line"
end

set -l commands run list show report export rm sync doctor env help
complete -c pillion -f
complete -c pillion -n __fish_use_subcommand -l help -d 'Print the help'
complete -c pillion -n __fish_use_subcommand -l version -d 'Print the version'
complete -c pillion -n __fish_use_subcommand -a run -d 'Make one run of a command'
complete -c pillion -n __fish_use_subcommand -a list -d 'The runs on this machine, or in a bucket'
complete -c pillion -n __fish_use_subcommand -a show -d 'What a run used and how it ended'
complete -c pillion -n __fish_use_subcommand -a report -d 'The same as a page for a browser'
complete -c pillion -n __fish_use_subcommand -a export -d 'The rows of many runs'
complete -c pillion -n __fish_use_subcommand -a rm -d 'Remove runs from this machine'
complete -c pillion -n __fish_use_subcommand -a sync -d 'Deliver what has not reached its place'
complete -c pillion -n __fish_use_subcommand -a doctor -d 'Why there is no data'
complete -c pillion -n __fish_use_subcommand -a env -d 'The lines that load pillion into programs'
complete -c pillion -n __fish_use_subcommand -a help -d 'More about one of them'
complete -c pillion -n '__fish_seen_subcommand_from help' -a "$commands[1..-2]"

function __pillion_in
    contains -- (commandline -opc)[2] $argv; and begin
        not contains -- (commandline -opc)[2] run doctor; or not __pillion_program >/dev/null
    end
end

complete -c pillion -n '__pillion_in '"$commands[1..-2]" -l help -d 'Print the help'
complete -c pillion -n '__pillion_in '"$commands[1..-2]" -l version -d 'Print the version'
complete -c pillion -n '__pillion_in list show rm sync doctor env' -l json -d 'For programs'
complete -c pillion -n '__pillion_in list show' -l plain -d 'No colours, ASCII alone'

complete -c pillion -n '__pillion_in list report export rm' -l last -x -d 'The newest of them'
complete -c pillion -n '__pillion_in list show report export rm' -l since -x -a '1h 1d 7d today yesterday' -d 'Begun since then'
complete -c pillion -n '__pillion_in list report export rm' -l failed -d 'Only those that failed'
complete -c pillion -n '__pillion_in list report export rm' -l state -x -a 'running finishing finished local undelivered lost newer damaged' -d 'In that state'
complete -c pillion -n '__pillion_in list report export rm' -l name -x -d 'Of that name'
complete -c pillion -n '__pillion_in list show report export rm' -l job -x -d 'Of that job'

complete -c pillion -n '__pillion_in list show report export' -l user -x -a '(__fish_complete_users)' -d 'The runs of that user'
complete -c pillion -n '__pillion_in list show report export' -l dir -x -a '(__fish_complete_directories)' -d 'The runs in that folder'
complete -c pillion -n '__pillion_in list' -l all-users -d 'The runs of all users'
complete -c pillion -n '__pillion_in list' -l jobs -d 'A line a job'

complete -c pillion -n '__pillion_in run' -s n -l name -x -d 'Job name of the run'
complete -c pillion -n '__pillion_in run' -s o -l output -r -F -d 'Also write the CSV there'
complete -c pillion -n '__pillion_in run' -s s -l summary -d 'One line at the end'
complete -c pillion -n '__pillion_in run' -s q -l quiet -d 'No line at the end'
complete -c pillion -n '__fish_seen_subcommand_from run' -a '(__pillion_program_completions)'
complete -c pillion -n '__fish_seen_subcommand_from doctor; and __pillion_program >/dev/null' -a '(__pillion_program_completions)'

complete -c pillion -n '__pillion_in list' -l csv -d 'As a table'
complete -c pillion -n '__pillion_in list' -l sort -x -a 'name job state started_at duration_s cpu_part memory_peak_mib gpu_part command' -d 'The order'

complete -c pillion -n '__pillion_in show' -s f -l follow -d 'Live, until the run ends'
complete -c pillion -n '__pillion_in show' -l history -x -d 'Advice from so many runs'
complete -c pillion -n '__pillion_in show' -l servers -d 'The cheapest servers that would do'
complete -c pillion -n '__pillion_in report export' -s o -l output -r -F -d 'The file to write'
complete -c pillion -n '__pillion_in report' -l open -d 'Open it in the browser'
complete -c pillion -n '__pillion_in report' -l markdown -d 'Markdown in place of HTML'
complete -c pillion -n '__pillion_in rm' -s f -l force -d 'Also what was not delivered'
complete -c pillion -n '__pillion_in rm' -s n -l dry-run -d 'Only tell which'
complete -c pillion -n '__pillion_in show report export rm sync' -k -a '(__pillion_runs)'
complete -c pillion -n '__pillion_in list show report; and set -q PILLION_S3_URI; and not __pillion_has_place' -a '$PILLION_S3_URI' -d 'A bucket of your own'
