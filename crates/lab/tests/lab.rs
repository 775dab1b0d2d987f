//! The real `lab`, from its command line to its exit code.
//!
//! The demo needs `server` beside it: `cargo test --workspace` builds it, and
//! `cargo build --bins` does.
#![expect(
    clippy::expect_used,
    reason = "what surrounds a test ends it when it fails"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use diesel_async::SimpleAsyncConnection;
use flash_sandbox::{Options, Sandbox};
use serde_json::Value;
use tokio::runtime::Runtime;

/// A `lab` that knows nothing of the stores and programs of whoever runs the tests.
fn lab(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    for name in ["DATABASE_URL", "REDIS_URL", "REDIS_PREFIX"] {
        command.env_remove(name);
    }
    command.args(arguments.split_whitespace());
    command
}

fn run(arguments: &str) -> Output {
    lab(arguments).output().expect("lab starts")
}

/// Checks the exit code, and returns what was said on standard error.
#[track_caller]
fn told(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON on standard output")
}

/// `expected` is a list of words.
#[track_caller]
fn same_keys(value: &Value, expected: &str) {
    let object = value.as_object().expect("an object");
    let found: BTreeSet<_> = object.keys().map(String::as_str).collect();
    assert_eq!(found, expected.split_whitespace().collect());
}

#[test]
fn the_demo_sells_with_all_four_and_its_json_is_as_agreed() {
    let output = run("demo-oversell --units 5 --buyers 40 --json -");
    let stderr = told(&output, 0);
    for exact in ["hybrid", "engine"] {
        let verdict = format!("{exact}: exact: 5 orders for 5 units");
        assert!(stderr.contains(&verdict), "{stderr}");
    }
    let words: Vec<_> = stderr.split_whitespace().collect();
    assert!(words.join(" ").contains("--units 1000"), "{stderr}");

    let demo = json_of(&output);
    same_keys(&demo, "environment runs as_promised");
    assert_eq!(demo["as_promised"], true);
    same_keys(
        &demo["environment"],
        "date os cpus postgresql redis lab fsync pool_size",
    );
    assert_eq!(demo["environment"]["fsync"], true);
    let runs = demo["runs"].as_array().expect("runs");
    let strategies: Vec<_> = runs.iter().map(|run| &run["strategy"]).collect();
    assert_eq!(strategies, ["naive", "pessimistic", "hybrid", "engine"]);
    for run in runs {
        check_run(run);
    }
    for exact in &runs[1..] {
        assert_eq!(exact["accepted"], 5);
        assert_eq!(exact["sold_out"], 35);
        assert_eq!(exact["audit"]["verdict"], "exact");
        assert_eq!(exact["undersold_units"], 0);
    }
    // The drift is that of the engine's gates.
    assert!(runs[2]["audit"]["gate_drift_units"].is_null());
    assert_eq!(runs[3]["audit"]["gate_drift_units"], 0);
}

fn check_run(run: &Value) {
    let classes = "accepted sold_out limit_reached busy failed unknown";
    let others = "strategy units buyers undersold_units elapsed_ms latency_ms audit";
    same_keys(run, &format!("{classes} {others}"));
    same_keys(&run["latency_ms"], "p50 p90 p99 max");
    same_keys(
        &run["audit"],
        "sku strategy initial_units restocked_units accepted_units cancelled_units \
         available_units oversold_units unaccounted_units lost_updates \
         negative_stock duplicate_keys limit_overruns gate_drift_units verdict",
    );

    let told: i64 = classes.split(' ').filter_map(|it| run[it].as_i64()).sum();
    assert_eq!(told, 40);
    assert_eq!(run["audit"]["accepted_units"], run["accepted"]);
    assert_eq!(run["audit"]["strategy"], run["strategy"]);
    let latency = &run["latency_ms"];
    assert!(latency["p50"].as_f64() <= latency["max"].as_f64());
    assert!(latency["max"].as_f64() <= run["elapsed_ms"].as_f64());
}

/// A PostgreSQL of this test alone, without our tables.
fn database() -> Sandbox {
    Sandbox::start(&Options {
        redis: false,
        fsync: false,
        ..Options::default()
    })
    .expect("a sandbox")
}

/// Takes an update of the stock row back, as a lost one would be.
fn lose_an_update(url: &str, sku: &str) {
    let statement = format!("UPDATE skus SET available_units = 1 WHERE sku = '{sku}'");
    Runtime::new().expect("threads").block_on(async {
        let mut conn = flash_db::connect(url).await.expect("a database");
        conn.batch_execute(&statement).await.expect("an update");
    });
}

#[test]
fn the_audit_finds_what_the_demo_left_in_a_given_database() {
    let sandbox = database();
    let url = sandbox.database_url().expect("a database");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("demo.json");

    let output = lab("demo-oversell --units 5 --buyers 40")
        .args(["--strategy", "pessimistic", "--strategy", "pessimistic"])
        .arg("--json")
        .arg(&path)
        .env("DATABASE_URL", url)
        // It could not start stores of its own.
        .env("FLASHSALE_PG_BIN", "/nowhere")
        .output()
        .expect("lab starts");
    told(&output, 0);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("pessimistic: exact: 5 orders for 5 units"));
    let text = std::fs::read_to_string(&path).expect("the file");
    let demo: Value = serde_json::from_str(&text).expect("JSON in the file");
    let skus = [0, 1].map(|index| &demo["runs"][index]["audit"]["sku"]);
    let [drifted, exact] = skus.map(|sku| sku.as_str().expect("a name"));
    lose_an_update(url, drifted);

    let audit =
        |more: &str| run(&format!("audit --database-url {url} --json - {more}"));
    let all = audit("");
    assert!(told(&all, 3).contains(&format!("1 of 2 SKUs are not exact: {drifted}")));
    assert_eq!(json_of(&all)["audits"].as_array().map(Vec::len), Some(2));

    let one = audit(&format!("--sku {exact}"));
    told(&one, 0);
    let mut expected = demo["runs"][1]["audit"].clone();
    expected["strategy"] = Value::Null;
    assert_eq!(json_of(&one), expected);

    let unknown = audit("--sku no-such-sku");
    assert!(told(&unknown, 1).contains("no-such-sku"));
}

#[test]
fn the_audit_reads_the_gates_under_the_prefix_of_the_shop() {
    let sandbox = Sandbox::start(&Options {
        fsync: false,
        ..Options::default()
    })
    .expect("a sandbox");
    let with_stores = |arguments: &str| {
        let mut command = lab(arguments);
        command.env("DATABASE_URL", sandbox.database_url().expect("a database"));
        command.env("REDIS_URL", sandbox.redis_url().expect("a gate"));
        // What the demo starts does not take it over.
        command.env("REDIS_PREFIX", "nobody:");
        command.output().expect("lab starts")
    };
    told(
        &with_stores("demo-oversell --units 5 --buyers 20 --strategy engine"),
        0,
    );
    for (prefix, has_gate) in [("", false), ("--redis-prefix flash:", true)] {
        let audit = with_stores(&format!("audit --json - {prefix}"));
        told(&audit, 0);
        let drift = &json_of(&audit)["audits"][0]["gate_drift_units"];
        assert_eq!(drift.is_number(), has_gate, "{drift}");
    }
}

#[test]
fn the_audit_leaves_a_database_without_a_sale_as_it_is() {
    let sandbox = database();
    let url = sandbox.database_url().expect("a database");
    for _ in 0..2 {
        let output = run(&format!("audit --database-url {url}"));
        assert!(told(&output, 1).contains("has no flash sale"));
    }
}

#[test]
fn an_audit_without_a_database_is_a_mistake_in_its_use() {
    assert!(told(&run("audit"), 2).contains("DATABASE_URL"));
    let empty = lab("audit --database-url").arg("").output();
    assert!(told(&empty.expect("lab starts"), 2).contains("DATABASE_URL"));
}

#[test]
fn numbers_out_of_range_and_unknown_words_are_mistakes_in_use() {
    for arguments in [
        "demo-oversell --units 0",
        "demo-oversell --units 1000001",
        "demo-oversell --buyers 0",
        "demo-oversell --buyers 10001",
        "demo-oversell --strategy optimistic",
        "chaos --strategy hybrid --redis-url redis://cache",
        "sell",
        "",
    ] {
        told(&run(arguments), 2);
    }
    let spaces = lab("audit --sku").arg("no spaces").output();
    told(&spaces.expect("lab starts"), 2);
}

#[test]
fn a_missing_program_is_named_together_with_what_installs_it() {
    for variable in ["FLASHSALE_PG_BIN", "FLASHSALE_REDIS_BIN"] {
        let output = lab("demo-oversell --buyers 1")
            .env(variable, "/nowhere")
            .output()
            .expect("lab starts");
        let stderr = told(&output, 69);
        assert!(stderr.contains("install"), "{stderr}");
        assert!(stderr.contains(variable), "{stderr}");
    }
}

#[test]
fn a_missing_server_is_told_in_one_sentence() {
    let dir = tempfile::tempdir().expect("a directory");
    let alone = dir.path().join("lab");
    std::fs::copy(env!("CARGO_BIN_EXE_lab"), &alone).expect("a copy of lab");
    let output = Command::new(alone).arg("demo-oversell").output();
    assert_eq!(
        told(&output.expect("lab starts"), 69),
        "error: no `server` beside `lab`: run `cargo build --bins`\n"
    );
}

#[test]
fn a_result_that_could_not_be_written_stops_the_demo_before_it_starts() {
    let path = Path::new("/no/such/directory/out.json");
    let output = lab("demo-oversell --json")
        .arg(path)
        .env("RUST_BACKTRACE", "1")
        .output()
        .expect("lab starts");
    let stderr = told(&output, 1);
    assert!(stderr.starts_with("error: cannot write /no/such/directory/out.json"));
    assert_eq!(stderr.lines().count(), 1);
}

#[test]
fn a_url_that_does_not_answer_is_named_at_once_and_nothing_is_started() {
    let gone = [
        ("DATABASE_URL", "postgres://127.0.0.1:1/x", "PostgreSQL"),
        ("REDIS_URL", "redis://127.0.0.1:1", "Redis"),
    ];
    for (variable, url, store) in gone {
        let output = lab("demo-oversell").env(variable, url).output();
        let stderr = told(&output.expect("lab starts"), 1);
        let start = format!("error: cannot use {store} at 127.0.0.1:1 ({variable}): ");
        assert!(stderr.starts_with(&start), "{stderr}");
        assert_eq!(stderr.matches("onnect").count(), 1, "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    let output = run("audit --database-url postgres://127.0.0.1:1/nowhere");
    assert!(told(&output, 1).contains("(--database-url)"));
}

#[test]
fn a_url_of_something_else_is_a_mistake_in_use() {
    for command in ["demo-oversell", "audit"] {
        let output = run(&format!("{command} --database-url mysql://db/shop"));
        let stderr = told(&output, 2);
        assert!(stderr.contains("it begins with mysql://"), "{stderr}");
    }
}

#[test]
fn a_sale_of_seconds_tells_no_way_into_its_stores() {
    let output = run("demo-oversell --units 5 --buyers 10");
    let stderr = told(&output, 0);
    assert!(stderr.contains("private PostgreSQL"), "{stderr}");
    assert!(
        !stderr.contains("export") && !stderr.contains("psql"),
        "{stderr}"
    );
}

#[test]
fn a_table_is_a_list_where_the_terminal_is_narrow() {
    for (columns, is_list) in [("60", true), ("80", false)] {
        let output = lab("demo-oversell --units 5 --buyers 10")
            .env("COLUMNS", columns)
            .output()
            .expect("lab starts");
        told(&output, 0);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text.contains("  lost updates"), is_list, "{text}");
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest <= columns.parse().ok(), "{text}");
    }
}

#[test]
fn files_are_meant_from_where_the_caller_stands() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = lab("demo-oversell --buyers 1 --strategy naive")
        .args(["--json", "out.json"])
        .env("FLASHSALE_CALLER_DIR", dir.path())
        .output();
    told(&output.expect("lab starts"), 0);
    assert!(dir.path().join("out.json").is_file());
}

#[test]
fn the_doctor_tells_what_is_missing() {
    let output = run("doctor");
    told(&output, 0);
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    for words in ["PostgreSQL >= 14", "Docker, compose", "for every build"] {
        assert!(found.contains(words), "{found}");
    }

    let output = lab("doctor")
        .env("FLASHSALE_PG_BIN", "/nowhere")
        .output()
        .expect("lab starts");
    assert!(told(&output, 69).contains("missing: PostgreSQL"));
}

#[test]
fn the_doctor_connects_to_what_is_given() {
    let sandbox = Sandbox::start(&Options {
        fsync: false,
        ..Options::default()
    })
    .expect("private stores");
    let given = |postgres: &str, redis: &str| {
        lab("doctor")
            .env("DATABASE_URL", postgres)
            .env("REDIS_URL", redis)
            .output()
            .expect("lab starts")
    };
    let postgres = sandbox.database_url().expect("a database");
    let redis = sandbox.redis_url().expect("a gate");
    let output = given(postgres, redis);
    told(&output, 0);
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    let version =
        |name, found: flash_sandbox::Found| format!("{name} {}", found.version);
    for words in [
        version("PostgreSQL", flash_sandbox::find_postgres().expect("found")),
        version("Redis", flash_sandbox::find_redis().expect("found")),
    ] {
        assert!(found.contains(&format!("{words} answers")), "{found}");
    }

    let output = given("postgres://127.0.0.1:1/x", redis);
    assert!(told(&output, 1).contains("in the way: DATABASE_URL"));
}

#[test]
fn chaos_finds_nothing_in_the_engine() {
    let output = run("chaos --runs 2 --seed 1 --json -");
    told(&output, 0);
    let chaos = json_of(&output);
    same_keys(
        &chaos,
        "strategy batch_max runs faults answers stranded_units violations seconds",
    );
    assert_eq!(chaos["violations"], 0);
    let runs = chaos["runs"].as_array().expect("runs");
    let seeds: Vec<_> = runs.iter().map(|run| &run["plan"]["seed"]).collect();
    assert_eq!(seeds, [1, 2]);
}

/// Its last fault kills a backend beside one that does not end: PostgreSQL waits 5 s for it.
#[test]
fn chaos_finds_nothing_where_postgresql_recovers_late() {
    let output = run("chaos --runs 1 --seed 8013 --json -");
    told(&output, 0);
    let chaos = json_of(&output);
    let faults = chaos["runs"][0]["faults"].as_array().expect("faults");
    let last = faults.last().expect("a fault");
    assert_eq!(last["what"], "kill -9 backend beside a deaf one");
    assert!(last["skipped"].is_null(), "{last}");
    let us = |end: &str| last[end].as_i64().expect("microseconds");
    // It counts whole seconds of the clock, so that the first may be a short one.
    assert!(us("to_us") - us("from_us") > 3_000_000, "{last}");
}

/// Its faults are the six that leave things half broken, one of each.
#[test]
fn chaos_finds_nothing_where_things_break_by_half() {
    let output = run("chaos --runs 1 --seed 325877 --json -");
    told(&output, 0);
    let chaos = json_of(&output);
    let faults = chaos["runs"][0]["faults"].as_array().expect("faults");
    let what = |fault: &Value| fault["what"].as_str().map(str::to_owned);
    let mut happened: Vec<_> = faults.iter().filter_map(what).collect();
    let planned = [
        "demote redis (125 ms)",
        "add column",
        "log sink gone (instance 1)",
        "read-only postgres (718 ms)",
        "hang first host (instance 0, 1424 ms)",
        "refuse redis writes (1222 ms)",
    ];
    // Two that come one after the other may begin together.
    happened.sort_by_key(|it| planned.iter().position(|plan| it == plan));
    assert_eq!(happened, planned);
    // A column may find its table taken for so long that the standby finds PostgreSQL taken,
    // and a server that starts without a log may take as long on a busy machine.
    let skipped = |fault: &&Value| !fault["skipped"].is_null();
    let skipped: Vec<_> = faults.iter().filter(skipped).filter_map(what).collect();
    let may_be_skipped = [planned[1], planned[2], planned[3]];
    assert!(
        skipped
            .iter()
            .all(|it| may_be_skipped.contains(&it.as_str())),
        "{skipped:?}"
    );
}

/// What phase 3 does not promise is no violation, and it is told.
#[test]
fn chaos_finds_nothing_in_the_hybrid_beyond_the_life_of_a_gate() {
    let output = run("chaos --strategy hybrid --runs 1 --json -");
    let stderr = told(&output, 0);
    assert!(stderr.contains("stranded units came back"), "{stderr}");
    let chaos = json_of(&output);
    assert_eq!(chaos["violations"], 0);
    assert!(chaos["stranded_units"].is_u64(), "{chaos}");
}

#[test]
fn chaos_finds_the_oversell_of_the_naive() {
    let output = run("chaos --strategy naive --runs 1 --json -");
    let stderr = told(&output, 3);
    assert!(stderr.contains("--seed 1"), "{stderr}");
    let violations = &json_of(&output)["runs"][0]["violations"];
    let rules: BTreeSet<_> = violations
        .as_array()
        .expect("violations")
        .iter()
        .filter_map(|violation| violation["rule"].as_str())
        .collect();
    assert!(rules.contains("oversold"), "{rules:?}");
}
