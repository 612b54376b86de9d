#!/bin/sh
# Copies the jars of the test broker to FOLDER/lib, unless those of the present pom.xml are there already.
# Usage: fetch.sh FOLDER. Callers that may run at the same time hold a lock on FOLDER/lock.
set -eu
pom=$(cd "$(dirname "$0")" && pwd)/pom.xml
mkdir -p "$1"
folder=$(cd "$1" && pwd)

if cmp -s "$pom" "$folder/lib/pom.xml"; then
    exit 0
fi
if ! command -v mvn >/dev/null; then
    echo "Maven fetches the Kafka broker for the tests and is missing: apt-get install maven" >&2
    exit 1
fi

# Only a complete set of jars gets the name lib.
for attempt in 1 2 3; do
    rm -rf "$folder/partial"
    if mvn -B -q -f "$pom" dependency:copy-dependencies -DoutputDirectory="$folder/partial" -DincludeScope=runtime; then
        cp "$pom" "$folder/partial/pom.xml"
        rm -rf "$folder/lib"
        mv "$folder/partial" "$folder/lib"
        exit 0
    fi
    echo "attempt $attempt of 3 to fetch the Kafka jars has failed" >&2
    [ "$attempt" = 3 ] || sleep 10
done
exit 1
