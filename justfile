# Entry points. Most are one cargo line, so nobody needs just; further arguments
# are passed on. `./just RECIPE` installs what is missing, then does the same.
#
# Whoever learns does not pay for whoever measures: demo, page, report and interleave
# share the profile and the build of the tests; bench, chaos and server are optimized.

set positional-arguments

# What the lab reads and writes is meant from where the caller stands.
caller := "FLASHSALE_CALLER_DIR=" + quote(invocation_directory())
lab := caller + " cargo run --locked --quiet --bin lab --"
lab-release := caller + " cargo run --release --locked --quiet --bin lab --"

[private]
default:
    @{{ quote(just_executable()) }} --list --unsorted

# Show phase 1 oversell, phases 2 and 3 and the engine not
[no-exit-message]
demo-oversell *args: (ready "four sales of 100 units to 1,000 buyers, each in seconds")
    @{{ lab }} demo-oversell "$@"

# Show a sale live in the browser, and the race step by step
[no-exit-message]
page *args: (ready "a page whose address is printed")
    @{{ lab }} page "$@"

# Write a sale as one HTML file: --html PATH
[no-exit-message]
report *args: (ready "three sales, and an HTML file that tells of them")
    @{{ lab }} report "$@"

# Show every order of the steps of two buyers, and what comes of it
[no-exit-message]
interleave *args: (ready "two buyers of one unit, in every order of their steps")
    @{{ lab }} interleave "$@"

# Judge a server, ours or yours, and say why it is wrong: --strategy S | --server PROGRAM
[no-exit-message]
judge *args: (ready "the judge: seconds where a rule is broken, about a minute where none is")
    @{{ lab }} judge "$@"

# Do the exercises of the workshop; without arguments: what comes next
[no-exit-message]
learn *args: (ready "the workshop says what to do next")
    @{{ caller }} cargo run --locked --quiet --bin learn -- "$@"

# Sell while everything breaks, and judge
[no-exit-message]
chaos *args: (ready-optimized "ten sales while stores and servers break")
    @{{ lab-release }} chaos "$@"

# Measure this machine; --quick takes two minutes
[no-exit-message]
bench *args: (ready-optimized "each strategy is measured, block after block")
    @{{ lab-release }} bench "$@"

# Run the server: --strategy naive|pessimistic|hybrid|engine
[no-exit-message]
server *args: (first "release/server" "five to eight minutes" "the server prints where it listens") (built "--bin server --release")
    @cargo run --release --locked --quiet --bin server -- "$@"

# Count the books of a database: oversold, lost, missing
[no-exit-message]
audit *args: (ready "a table of the books")
    @{{ lab }} audit "$@"

# Report what this machine has and lacks
[no-exit-message]
doctor *args: (ready "a table of what is here and what it is needed for")
    @{{ lab }} doctor "$@"

# Build the server and the lab as the demo and the tests use them
[no-exit-message]
build *args: (built "--bins " + args)

# Builds, and counts on one line. All select the workspace, so that features are the same.
[private]
[no-exit-message]
built flags:
    @{ cargo build --workspace --locked --quiet --message-format json-render-diagnostics $1; \
        echo "exit code $?"; } | { \
        code=1 built=0 parts=$(grep -c '^name = ' Cargo.lock); \
        while IFS= read -r line; do \
            case $line in \
            'exit code '*) code=${line##* } ;; \
            '{"reason":"compiler-artifact",'*) \
                built=$((built + 1)); \
                [ $built -le $parts ] || parts=$built; \
                [ ! -t 2 ] || printf '\rbuilding: %d of some %d parts are done ' $built $parts >&2 ;; \
            esac; \
        done; \
        [ ! -t 2 ] || printf '\r\033[K' >&2; \
        exit "$code"; }

[private]
ready then: (first "debug/lab" "three to five minutes" then) build

[private]
ready-optimized then: (first "release/lab" "six to ten minutes" then) (built "--bins --release")

# Says what a build is for that takes its time.
[private]
first program minutes then:
    @[ -x "${CARGO_TARGET_DIR:-target}/$1" ] || \
    echo "The first build takes $2 on two cores, later ones seconds; then $3." >&2

# Run all tests; the last line adds them up
[no-exit-message]
test *args:
    @{ cargo test --workspace --locked --no-fail-fast "$@"; echo "cargo test: exit code $?"; } | { \
        code=1 passed=0 failed=0 programs=0; \
        while IFS= read -r line; do \
            case $line in \
            'cargo test: exit code '*) code=${line##* }; continue ;; \
            'test result: '*) \
                set -- $line; \
                passed=$((passed + $4)) failed=$((failed + $6)); \
                [ $(($4 + $6)) -eq 0 ] || programs=$((programs + 1)) ;; \
            esac; \
            printf '%s\n' "$line"; \
        done; \
        [ $programs -eq 0 ] || \
        printf '\n%d passed, %d failed in %d test programs\n' $passed $failed $programs; \
        exit "$code"; }

# Run the tests that need a browser
test-page *args: build
    @cargo test --workspace --locked --test page "$@"

# Judge servers that others might have written, in Python; needs python3 with venv
test-others *args: build
    @cargo test --workspace --locked --test others "$@"

# Restart two servers behind nginx and HAProxy, and lose nothing
[no-exit-message]
test-rolling *args:
    @cargo test --workspace --locked --test deployed rolling:: -- --nocapture --test-threads 1 "$@"

# Sell in containers and kill the server; says so where there is no engine or no image
[no-exit-message]
test-compose *args:
    @cargo test --workspace --locked --test deployed compose:: -- --nocapture "$@"

# Sell over another way to the stores: tls | pgbouncer | cluster | sentinel. The contract, a demo, ten chaos runs
[no-exit-message]
leg way *args: build
    @case $1 in \
    tls) suite=postgres::over_tls ;; \
    pgbouncer) suite=postgres::behind_pgbouncer ;; \
    cluster | sentinel) suite=topologies::over_a_$1 ;; \
    *) echo "there is no way $1: tls, pgbouncer, cluster, sentinel" >&2; exit 2 ;; \
    esac; \
    cargo test --workspace --locked --test engine "$suite" && \
    cargo run --locked --quiet --example leg -- "$@"

# Run every check: format, lints, docs, book, demo, tests, mutants
ci: format-check clippy docs book check-alerts demo-oversell test test-page test-others test-rolling test-compose mutants

# Break each rule of the engine in a copy, and see that a test notices
[no-exit-message]
mutants *args:
    @cargo run --locked --quiet --example mutants -- "$@"

# Take the pictures of README and docs from a real run
pictures: build
    @cargo test --workspace --locked --test page -- --test-threads 1 sale:: steps::
    cp target/tmp/sale-ended-720-light.png target/tmp/sale-ended-720-dark.png docs/pictures/
    cp target/tmp/steps-naive-720-light.png target/tmp/steps-naive-720-dark.png docs/pictures/

# Build the book into target/book; --open shows it
[no-exit-message]
book *args:
    @PATH={{ quote(justfile_directory() / ".tools/bin") }}:"$PATH" mdbook build docs/book "$@"

# Check the dependencies for every platform: advisories, licences, bans, sources
[no-exit-message]
deny *args:
    @PATH={{ quote(justfile_directory() / ".tools/bin") }}:"$PATH" cargo deny check "$@"

# Check the alert rules with Prometheus' promtool
[no-exit-message]
check-alerts:
    @promtool check rules docs/alerts.yml
    @promtool test rules docs/alerts.test.yml

# Build the archive, and the image where an engine is, and list what is in them
[no-exit-message]
release: (first "release/lab" "six to ten minutes" "target/dist has an archive") (built "--bins --release")
    @{{ quote(justfile_directory() / "crates/server/release.sh") }}

# Format the code
fmt *args:
    @cargo fmt --all "$@"

# Check the formatting
format-check *args:
    @cargo fmt --all --check "$@"

# Lint, warnings are errors
clippy *args:
    @cargo clippy --workspace --all-targets --locked "$@" -- -D warnings

# Build the API documentation, warnings are errors
docs *args:
    @RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked "$@"

# Compare two phases: diff 1 2, diff 2 3
[no-exit-message]
diff a b:
    @for phase in "$1" "$2"; do \
        ls -d crates/phase"$phase"-*/src/strategy.rs >/dev/null 2>&1 || \
        { echo "there is no phase $phase: compare two of 1, 2 and 3, such as ./just diff 2 3; the engine is no phase: crates/engine" >&2; exit 2; }; \
    done
    @git --no-pager diff ${NO_COLOR:+--no-color} --no-index crates/phase"$1"-*/src/strategy.rs crates/phase"$2"-*/src/strategy.rs || [ $? -eq 1 ]

# Start stores and server in containers, and wait until they are healthy
[no-exit-message]
up *args: secrets
    @set -- up --build --detach "$@"; \
    if docker compose version >/dev/null 2>&1; then exec docker compose "$@" --wait; fi; \
    DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1 docker-compose "$@" || exit; \
    server=$(docker-compose ps --quiet server); \
    for _ in $(seq 90); do \
        case $(docker inspect --format '{{{{.State.Health.Status}}' "$server") in \
        healthy) exit 0 ;; \
        unhealthy) break ;; \
        esac; \
        sleep 1; \
    done; \
    echo "the server did not become healthy: docker-compose logs server" >&2; exit 1

# Stop them; --volumes deletes the data
[no-exit-message]
down *args: secrets
    @if docker compose version >/dev/null 2>&1; then exec docker compose down "$@"; fi; \
    exec docker-compose down "$@"

# Makes what .env.example describes, where there is nothing.
[private]
secrets:
    @[ -e .env ] || [ -n "${POSTGRES_PASSWORD:-}" ] || { \
        umask 077; \
        while IFS= read -r line; do \
            case $line in \
            [A-Z]*=?*) printf '%s\n' "$line" ;; \
            [A-Z]*=) printf '%s%s\n' "$line" "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" ;; \
            esac; \
        done <.env.example >.env; \
        echo "Passwords and the admin token are in .env, which only you can read." >&2; }
