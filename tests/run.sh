#!/usr/bin/env bash
# Runs every check of the project, against a real Kafka broker, and stops at the first failure. Needs a Rust toolchain
# (rustup); on Debian 12 and 13 it installs what else is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() {
    local title=$1 began=$SECONDS
    shift
    printf '\n=== %s\n' "$title"
    "$@"
    printf -- '--- %s: %d s\n' "$title" $((SECONDS - began))
}

have() { command -v "$1" >/dev/null 2>&1; }

java_version() {
    have java || { echo 0; return; }
    java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p'
}

install_what_is_missing() {
    local missing=()
    # The configure script of librdkafka asks for a C++ compiler, too.
    if ! have cc || ! have c++; then missing+=(gcc g++ libc6-dev); fi
    have make || missing+=(make)
    # OpenSSL is built with modules that are not in Debian's perl-base.
    perl -MFindBin -MIPC::Cmd -MFile::Compare -MTime::Piece -e 1 2>/dev/null || missing+=(perl)
    [ "$(java_version)" -ge 17 ] 2>/dev/null || missing+=(default-jdk-headless)
    have mvn || missing+=(maven)
    have flock || missing+=(util-linux)
    have promtool || missing+=(prometheus)
    # The shell has a kill of its own; the tests call the program.
    type -P kill >/dev/null || missing+=(procps)

    if [ ${#missing[@]} -eq 0 ]; then
        echo "nothing is missing"
    elif ! have apt-get; then
        echo "please install: ${missing[*]} (names of Debian packages)" >&2
        return 1
    else
        local root=()
        if [ "$(id -u)" -ne 0 ]; then root=(sudo); fi
        echo "installing ${missing[*]}"
        "${root[@]}" apt-get -q update
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${missing[@]}"
        # Only promtool is wanted of it, not a server on port 9090.
        if [[ " ${missing[*]} " == *" prometheus "* ]] && [ -d /run/systemd/system ]; then
            "${root[@]}" systemctl disable --now prometheus || echo "the prometheus service stays as it is"
        fi
    fi
}

fetch_kafka() {
    local folder=${CARGO_TARGET_DIR:-target}/kafka
    mkdir -p "$folder"
    flock "$folder/lock" sh tests/broker/fetch.sh "$folder"
}

if ! have cargo && [ -r "$HOME/.cargo/env" ]; then
    # shellcheck source=/dev/null
    . "$HOME/.cargo/env"
fi
if ! have cargo; then
    echo "a Rust toolchain is missing: see https://rustup.rs" >&2
    exit 1
fi

step "Packages" install_what_is_missing
step "Format" cargo fmt --check
step "Lints" cargo clippy --all-targets --locked -- -D warnings
step "Documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked
step "Kafka broker for the tests" fetch_kafka
step "Tests" cargo test --locked
printf '\nAll checks have passed in %d s.\n' "$SECONDS"
