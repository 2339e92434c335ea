# Login shells: what they start is observed. For administrators: /etc/profile.d/pillion.sh.
#
# Each program that the shell starts is a run of its own, with all that it starts; the shell itself is none. A user who
# wants no part of it writes "unset LD_PRELOAD" into ~/.profile, or sets PILLION_DISABLE=1. Shells of batch systems and
# of "ssh HOST COMMAND" are mostly no login shells, and read nothing of this.
#
# To change: nothing. Settings for all stand in /etc/pillion.conf.
if [ -r /usr/lib/pillion/libpillion.so ]; then
    case ${LD_PRELOAD-} in
    *libpillion.so*) ;;
    *)
        LD_PRELOAD=/usr/lib/pillion/libpillion.so${LD_PRELOAD:+:$LD_PRELOAD}
        export LD_PRELOAD
        ;;
    esac
fi
