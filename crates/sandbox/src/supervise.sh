# Keeps one sandbox: starts its programs when told to, and ends them and removes the
# directory when its owner has ended, however the owner ended.
#
#   sh -c THIS_FILE flash-sandbox DIR INITDB POSTGRES REDIS
#
# stdin   a pipe from the owner. Each line names what to start, or how. The end of the input
#         says that the owner is gone: the kernel closes the pipe even after kill -9.
#         With /dev/null there is nothing to start, so this only clears DIR away.
# stdout  the open, locked file DIR/lock. Nothing is written to it: the lock is held
#         for exactly as long as this shell lives, and the programs do not inherit it.
#
# Every program NAME leaves NAME.log, NAME.pid and, when it has ended, NAME.exit in
# DIR. Runs under dash, bash and busybox sh; needs either /proc or ps.

dir=$1 initdb=$2 postgres=$3 redis=$4

# What follows removes DIR, so refuse any other.
case $dir in
/*/flash-sale-* | /flash-sale-*) ;;
*) exit 2 ;;
esac

# The owner alone decides when the programs end.
trap '' HUP INT TERM
umask 077
cd /
# For the few tools below, should the owner have a bare environment.
PATH=${PATH:+$PATH:}/usr/bin:/bin

watchers=

# run NAME COMMAND [ARGUMENT...]: starts a command and a watcher that notes its end.
# The trap is undone for the command, which would inherit it.
run() {
    name=$1
    shift
    (
        (
            trap - HUP INT TERM
            "$@"
        ) >"$dir/$name.log" 2>&1 &
        echo $! >"$dir/$name.pid"
        wait $!
        # Renamed, so that who sees the file also sees what is in it.
        echo $? >"$dir/$name.exit.new"
        mv "$dir/$name.exit.new" "$dir/$name.exit"
    ) </dev/null >/dev/null 2>&1 &
    watchers="$watchers $!"
}

# Makes the cluster with role and database `flash`. Not synced to disk: until the
# owner has stored something, there is nothing to lose.
make_cluster() {
    "$initdb" -D "$dir/pgdata" -U flash --no-locale -E UTF8 --no-sync \
        --auth-local=trust --auth-host=scram-sha-256 --pwfile="$dir/password" &&
        echo 'create database flash' |
        "$postgres" --single -F -D "$dir/pgdata" -c exit_on_error=true postgres
}

# Not every sleep knows fractions.
pause() {
    sleep 0.05 2>/dev/null || sleep 1
}

# ours PID: is this a live process of DIR, and not one that was given the number later?
# A zombie has no command line any more, so it does not count.
ours() {
    if [ -r /proc/self/cmdline ]; then
        grep -q -F "$dir" "/proc/$1/cmdline" 2>/dev/null
    else
        ps -ww -o args= -p "$1" 2>/dev/null | grep -q -F "$dir"
    fi
}

# roots: prints the watchers and programs of DIR that are alive. The files serve when
# an earlier shell started the programs, the variable when the disk was too full to
# write the files.
roots() {
    for pid in $watchers $(cat "$dir"/*.pid 2>/dev/null); do
        if ours "$pid"; then echo "$pid"; fi
    done
}

# table: prints PID:PARENT for every process.
table() {
    if [ -r /proc/self/stat ]; then
        for stat in /proc/[0-9]*/stat; do
            # PID (NAME) STATE PARENT ...; NAME may hold spaces and parentheses.
            { read -r line <"$stat"; } 2>/dev/null || continue
            rest=${line##*") "}
            rest=${rest#* }
            echo "${line%% *}:${rest%% *}"
        done
    else
        ps -A -o pid= -o ppid= | while read -r pid parent; do echo "$pid:$parent"; done
    fi
}

# find_family PID...: sets `family` to these processes and all their descendants.
find_family() {
    family=" $* "
    processes=$(table)
    before=
    while [ "$family" != "$before" ]; do
        before=$family
        for entry in $processes; do
            case $family in
            *" ${entry%:*} "*) ;;
            *" ${entry#*:} "*) family="$family${entry%:*} " ;;
            esac
        done
    done
}

# send SIGNAL PID...: to have ended already is no failure.
send() {
    signal=$1
    shift
    for pid in "$@"; do kill -s "$signal" "$pid" 2>/dev/null; done
}

# The unquoted lists of numbers below are meant to be split into words.
end_programs() {
    # Redis has nothing to save, and neither has half a cluster.
    for file in "$dir/redis.pid" "$dir/initdb.pid"; do
        pid=$(cat "$file" 2>/dev/null)
        if [ -n "$pid" ] && ours "$pid"; then
            find_family "$pid"
            send KILL $family
        fi
    done

    # PostgreSQL gives its shared memory back on QUIT. A stopped process would sleep
    # through it, and the postmaster waits for its backends: hence CONT for all.
    find_family $(roots)
    send CONT $family
    send QUIT $(roots)
    tries=20
    while [ -n "$(roots)" ] && [ "$tries" -gt 0 ]; do
        pause
        tries=$((tries - 1))
    done

    # Whoever is left has had more than a second. Stopped, it starts no one new while
    # its children are looked up.
    left=$(roots)
    if [ -n "$left" ]; then
        send STOP $left
        find_family $left
        send KILL $family
    fi
}

# The lock file goes last: it says that DIR is a sandbox, so a removal that is cut
# short can be taken up again. Several tries, because a process that is only just
# being killed may still create a file.
remove_directory() {
    tries=20
    while [ -e "$dir" ] && [ "$tries" -gt 0 ]; do
        for entry in "$dir"/* "$dir"/.s.*; do
            if [ "$entry" != "$dir/lock" ]; then rm -rf "$entry"; fi
        done
        rm -rf "$dir" && break
        pause
        tries=$((tries - 1))
    done
}

while read -r word; do
    case $word in
    initdb) run initdb make_cluster ;;
    postgres)
        run postgres exec "$postgres" -D "$dir/pgdata" \
            -c "config_file=$dir/postgresql.conf"
        ;;
    # The next PostgreSQL is a standby; it removes the file when it is promoted.
    standby) touch "$dir/pgdata/standby.signal" ;;
    redis) run redis exec "$redis" "$dir/redis.conf" ;;
    esac
done

end_programs
remove_directory
