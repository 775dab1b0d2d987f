# Entry points. Every recipe is one cargo line, so nobody needs just; further arguments
# are passed on. `./just RECIPE` installs what is missing, then does the same.

set positional-arguments

[private]
default:
    @{{ quote(just_executable()) }} --list --unsorted

# Show phase 1 oversell, then phases 2 and 3 not; --units, --buyers, --strategy, --json
[no-exit-message]
demo-oversell *args: build
    cargo run --release --locked --quiet --bin lab -- demo-oversell "$@"

# Run the HTTP server: --strategy naive|pessimistic|hybrid
[no-exit-message]
server *args:
    cargo run --release --locked --quiet --bin server -- "$@"

# Count oversells, undersells and lost updates in the database
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
    cargo test --workspace --locked "$@"

# Run every check that has to pass before a commit: the demo too, and the tests last
ci: format-check clippy docs demo-oversell test

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

# Compare the strategies of two phases, for example: diff 1 2
diff a b:
    @git diff --no-index crates/phase"$1"-*/src/strategy.rs crates/phase"$2"-*/src/strategy.rs || [ $? -eq 1 ]

# Start PostgreSQL, Redis and the server in containers
up *args:
    docker compose up --build --detach --wait "$@"

# Stop the containers; --volumes also deletes the data
down *args:
    docker compose down "$@"
