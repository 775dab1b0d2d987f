//! What cannot be done, and what is said of it before anything starts.

use std::process::Command;

use crate::{ended, lab};

/// Command line, exit code, and a part of what is said.
const REFUSED: &str = "
=> 2: Usage: lab <COMMAND>
sell => 2: unrecognized subcommand 'sell'
demo-oversell --units 0 => 2: 0 is not in 1..=1000000
demo-oversell --units 1000001 => 2: 1000001 is not in 1..=1000000
demo-oversell --buyers 0 => 2: 0 is not in 1..=10000
demo-oversell --buyers 10001 => 2: 10001 is not in 1..=10000
demo-oversell --strategy optimistic => 2: [possible values: naive, pessimistic, hybrid
demo-oversell --database-url mysql://db/shop => 2: it begins with mysql://
audit => 2: give --database-url or DATABASE_URL
audit --database-url= => 2: give --database-url or DATABASE_URL
audit --sku no~sku => 2: invalid value 'no~sku' for '--sku <SKU>'
audit --database-url mysql://db/x => 2: mysql://, which should be postgres://
audit --database-url host=/no --redis-url cache:6379 => 2: which should be redis://
audit --database-url host=/no --redis-url host=cache => 2: Redis: it has no scheme
audit --database-url host=/no --redis-url redis+unix:///no => 1: cannot use Redis at
audit --database-url host=/no => 1: cannot use PostgreSQL at
audit --database-url postgresql://127.0.0.1:1/x => 1: at 127.0.0.1:1 (--database-url)
audit --database-url postgres://u:s3cret@db?passfile=/s3cret => 2: passfile
page --buyers 0 => 2: 0 is not in 1..=10000
report --units 0 => 2: 0 is not in 1..=1000000
chaos --strategy hybrid --redis-url redis://cache => 2: --redis-url is for the engine
bench --quick --block-ms 0 => 2: invalid value '0' for '--block-ms
bench --json /no/dir/out.json => 1: cannot write /no/dir/out.json
RUST_BACKTRACE=1 demo-oversell --json /no/dir/out.json => 1: cannot write /no/dir/out.json
DATABASE_URL=postgres://127.0.0.1:1/x demo-oversell => 1: 127.0.0.1:1 (DATABASE_URL)
REDIS_URL=redis://127.0.0.1:1 demo-oversell => 1: Redis at 127.0.0.1:1 (REDIS_URL)
DATABASE_URL=postgres://127.0.0.1:1/x doctor => 1: in the way: DATABASE_URL
FLASHSALE_PG_BIN=/no doctor => 69: missing: PostgreSQL
FLASHSALE_PG_BIN=/no demo-oversell => 69: not found; install it with `
FLASHSALE_REDIS_BIN=/no demo-oversell => 69: FLASHSALE_REDIS_BIN=/no
interleave --schedule 1213 => 2: a turn is 1 or 2, for the first or the second buyer
judge => 2: say who is judged
judge --server /no/shop => 2: error: --server /no/shop: there is no such program
judge --strategy naive --scenario tea => 2: there are last-unit, one-each
";

#[test]
fn what_cannot_be_done_has_its_exit_code_and_its_reason() {
    for refused in REFUSED.trim().lines() {
        let (line, refusal) = refused.split_once("=> ").expect("an arrow");
        let (code, reason) = refusal.split_once(": ").expect("a colon");
        let (_, said) = ended(&mut lab(line), code.parse().expect("a code"));
        assert!(said.contains(reason), "{refused}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
        assert!(said.matches("onnect").count() <= 1, "{said}");
        if code == "1" {
            assert!(said.starts_with("error: "), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
}

#[test]
fn a_missing_server_is_told_in_one_sentence() {
    let dir = tempfile::tempdir().expect("a directory");
    let alone = dir.path().join("lab");
    std::fs::copy(env!("CARGO_BIN_EXE_lab"), &alone).expect("a copy of lab");
    let (_, said) = ended(Command::new(alone).arg("demo-oversell"), 69);
    let server = "error: no `server` beside `lab`: run `cargo build --bins`\n";
    assert_eq!(said, server);
}
