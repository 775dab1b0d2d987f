# Entry points. Most are one cargo line, so nobody needs just; further arguments
# are passed on. `./just RECIPE` installs what is missing, then does the same.

set positional-arguments

[private]
default:
    @{{ quote(just_executable()) }} --list --unsorted

# Show phase 1 oversell, phases 2 and 3 not
[no-exit-message]
demo-oversell *args: build
    cargo run --release --locked --quiet --bin lab -- demo-oversell "$@"

# Show a sale live in the browser, and the race step by step
[no-exit-message]
page *args: build
    cargo run --release --locked --quiet --bin lab -- page "$@"

# Write a sale as one HTML file: --html PATH
[no-exit-message]
report *args: build
    cargo run --release --locked --quiet --bin lab -- report "$@"

# Show every order of the steps of two buyers, and what comes of it
[no-exit-message]
interleave *args: build
    cargo run --release --locked --quiet --bin lab -- interleave "$@"

# Sell while everything breaks, and judge
[no-exit-message]
chaos *args: build
    cargo run --release --locked --quiet --bin lab -- chaos "$@"

# Measure this machine; --quick takes two minutes
[no-exit-message]
bench *args: build
    cargo run --release --locked --quiet --bin lab -- bench "$@"

# Run the server: --strategy naive|pessimistic|hybrid
[no-exit-message]
server *args:
    cargo run --release --locked --quiet --bin server -- "$@"

# Count the books of a database: oversold, lost, missing
[no-exit-message]
audit *args:
    cargo run --release --locked --quiet --bin lab -- audit "$@"

# Report what this machine has and lacks
[no-exit-message]
doctor *args:
    cargo run --release --locked --quiet --bin lab -- doctor "$@"

# Build the server and the lab
build *args:
    cargo build --release --locked --bins "$@"

# Run all tests
test *args:
    cargo test --workspace --locked --no-fail-fast "$@"

[private]
build-dev:
    cargo build --locked --bins

# Run the tests that need a browser
test-page *args: build-dev
    cargo test --package flash-lab --locked --test page "$@"

# Run every check: format, lints, docs, demo, tests, mutants
ci: format-check clippy docs demo-oversell test test-page mutants

# Break each rule of phase 3 in a copy, and see that a test notices
[no-exit-message]
mutants *args:
    cargo run --locked --quiet --example mutants -- "$@"

# Take the pictures of README and docs from a real run
pictures: build
    cargo test --release --locked --package flash-lab --test page -- --test-threads 1 sale:: steps::
    cp target/tmp/sale-ended-720-light.png target/tmp/sale-ended-720-dark.png docs/pictures/
    cp target/tmp/steps-naive-720-light.png target/tmp/steps-naive-720-dark.png docs/pictures/

# Format the code
fmt *args:
    cargo fmt --all "$@"

# Check the formatting
format-check *args:
    cargo fmt --all --check "$@"

# Lint, warnings are errors
clippy *args:
    cargo clippy --workspace --all-targets --locked "$@" -- -D warnings

# Build the API documentation, warnings are errors
docs *args:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked "$@"

# Compare two phases: diff 1 2
diff a b:
    @ls crates/phase"$1"-*/src/strategy.rs crates/phase"$2"-*/src/strategy.rs >/dev/null
    @git --no-pager diff --no-index crates/phase"$1"-*/src/strategy.rs crates/phase"$2"-*/src/strategy.rs || [ $? -eq 1 ]

# Start stores and server in containers
up *args:
    docker compose up --build --detach --wait "$@"

# Stop them; --volumes deletes the data
down *args:
    docker compose down "$@"
