#!/bin/sh
# Keeps one Kafka broker and its folder for a test process. Orders come on standard input, one a line, each answered by
# one line: "start CLUSTER HEAP [OPTION OF THE FORMATTING]" by the process id, "kill" when it is done, "limit KIB" (or
# "limit none"): no file of a broker started after it grows larger. The end of standard input means that the test process is gone, however it ended: the broker is killed and the folder removed.
# Usage: watchdog.sh LIB PARENT; the first answer is the folder, made within PARENT.

# The test process decides, not the terminal. Ignoring PIPE lets an answer to a dead process fail without ending this one.
trap '' HUP INT PIPE TERM

lib=$1
folder=$(mktemp -d "$2/kafka.XXXXXX") || exit 1
settings=$folder/server.properties
logging=$(dirname "$0")/log4j2.properties
broker=
limit=none

stop() {
    if [ -n "$broker" ]; then
        kill -KILL "$broker" 2>/dev/null
        wait "$broker" 2>/dev/null
        broker=
    fi
}

java_on_kafka() {
    heap=$1
    shift
    # The performance file of a killed JVM would stay behind in the system's temporary folder.
    exec java -Xmx"$heap" -XX:-UsePerfData -cp "$lib/*" -Dlog4j2.configurationFile="$logging" "$@" \
        </dev/null >>"$folder/broker.log" 2>&1
}

echo "$folder"
while read -r order cluster memory option; do
    case $order in
    start)
        stop
        if [ ! -e "$folder/data/meta.properties" ]; then
            # No quotes: without an option there is none.
            # shellcheck disable=SC2086
            (java_on_kafka "$memory" kafka.tools.StorageTool format $option -t "$cluster" -c "$settings")
        fi
        (
            # In units of 512 bytes.
            [ "$limit" = none ] || ulimit -f "$((limit * 2))" || exit 1
            java_on_kafka "$memory" kafka.Kafka "$settings"
        ) &
        broker=$!
        echo "$broker"
        ;;
    kill)
        stop
        echo killed
        ;;
    limit)
        limit=$cluster
        echo limited
        ;;
    esac
done

stop
rm -rf "$folder"
