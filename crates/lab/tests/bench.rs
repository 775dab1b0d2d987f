//! `lab bench`, as briefly as it can be: what is measured and how it is told, not how
//! fast anything is.

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.env_remove("DATABASE_URL").env_remove("REDIS_URL");
    command.arg("bench").args(arguments.split_whitespace());
    command
}

#[track_caller]
fn told(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

#[test]
fn a_brief_run_keeps_all_books_and_tells_every_ratio() {
    let dir = tempfile::tempdir().expect("a directory");
    let (html, markdown) = (dir.path().join("b.html"), dir.path().join("b.md"));
    let brief = "--quick --block-ms 30 --rounds 1 --buyers-max 16 --json - --html";
    let output = bench(brief)
        .arg(&html)
        .arg("--markdown")
        .arg(&markdown)
        .output()
        .expect("lab starts");
    let table = told(&output, 0);
    assert!(table.contains("order_p50_half_load"), "{table}");

    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["violations"], 0);
    assert_eq!(report["environment"]["settings"]["fsync"], "on");
    let ratios = report["ratios"].as_array().expect("ratios");
    assert_eq!(ratios.len(), 15);
    for ratio in ratios {
        assert!(
            ratio["id"].is_string()
                && ratio["target"].is_null() == ratio["met"].is_null(),
            "{ratio}"
        );
        assert!(ratio["median"].as_f64() >= ratio["low"].as_f64(), "{ratio}");
        assert!(
            ratio["median"].as_f64() <= ratio["high"].as_f64(),
            "{ratio}"
        );
    }
    for key in ["series", "steady", "bursts", "same_vs_same"] {
        assert!(!report[key].is_null(), "{key}");
    }
    check_blocks(report["blocks"].as_array().expect("blocks"));

    let page = std::fs::read_to_string(html).expect("a page");
    assert_eq!(page.matches("<figure>").count(), 3);
    assert!(!page.contains("://") && !page.contains("NaN"), "{page}");
    let tables = std::fs::read_to_string(markdown).expect("tables");
    assert!(tables.contains("| orders_vs_static |"), "{tables}");
}

fn check_blocks(blocks: &[Value]) {
    let mut arms: Vec<_> = blocks.iter().map(|it| it["arm"].as_str()).collect();
    arms.sort_unstable();
    arms.dedup();
    assert_eq!(arms.len(), 7, "{arms:?}");
    for block in blocks.iter().filter(|block| block["void"].is_null()) {
        assert!(block["per_second"].as_f64() > Some(0.0), "{block}");
        let (answers, books) = (&block["answers"], &block["books"]);
        assert_eq!(answers["other"], 0, "{block}");
        if block["arm"] != "static" {
            assert_eq!(answers["accepted"], books["orders"], "{block}");
        }
        if block["arm"] != "static" && block["arm"] != "naive" {
            assert_eq!(books["stock_taken"], books["orders"], "{block}");
        }
    }
}

#[test]
fn what_cannot_be_measured_is_said_before_it_starts() {
    let said = |arguments, code| {
        let output = bench(arguments).output().expect("lab starts");
        told(&output, code)
    };
    let unwritable = said("--json /no/such/directory/out.json", 1);
    assert!(unwritable.starts_with("error: cannot write /no/such"));
    said("--quick --block-ms 0", 2);
}
