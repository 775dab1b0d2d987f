# Runs one program that ends when its owner ends, and exits as the program did.
#
#   sh -c THIS_FILE flash-run PROGRAM [ARGUMENT...]
#
# stdin   a pipe from the owner, never written to: its end says that the owner is gone
#         or wants the program killed.
# stdout  a pipe to the owner: one line, the process id of the program.
# stderr  the log: what the program prints to stdout and stderr.

# The pipe gets a number of its own, because a background job's stdin is /dev/null.
exec 4<&0 </dev/null

"$@" >&2 4<&- &
program=$!

# From here on, so that the program does not inherit it, the owner alone decides when
# this shell ends. And the shell's own notices do not belong in the log.
trap '' HUP INT TERM
exec 2>/dev/null
echo "$program"

# Waits for the end of the input, then kills.
(
    read -r _ <&4
    kill -s KILL "$program"
) >/dev/null &
watcher=$!
exec 4<&- >/dev/null

wait "$program"
status=$?
kill -s KILL "$watcher"
exit "$status"
