//! `lab bench`, as briefly as it can be: what is measured and how it is told, not how
//! fast anything is.

use std::fs;

use serde_json::Value;

use crate::{json, lab, list};

#[test]
fn a_brief_run_keeps_all_books_and_tells_every_ratio() {
    let dir = tempfile::tempdir().expect("a directory");
    let (html, markdown) = (dir.path().join("b.html"), dir.path().join("b.md"));
    let command = &mut lab("bench --quick --block-ms 30 --rounds 1 --buyers-max 16");
    let command = command.arg("--html").arg(&html);
    let (report, table) = json(command.arg("--markdown").arg(&markdown), 0);
    assert!(table.contains("order_p50_half_load"), "{table}");

    assert_eq!(report["violations"], 0);
    assert_eq!(report["environment"]["settings"]["fsync"], "on");
    let ratios = list(&report["ratios"]);
    assert_eq!(ratios.len(), 15);
    for ratio in ratios {
        assert!(ratio["id"].is_string(), "{ratio}");
        assert_eq!(ratio["target"].is_null(), ratio["met"].is_null(), "{ratio}");
        let interval = ["low", "median", "high"].map(|it| ratio[it].as_f64());
        assert!(interval.is_sorted(), "{ratio}");
    }
    for key in ["series", "steady", "bursts", "same_vs_same"] {
        assert!(!report[key].is_null(), "{key}");
    }
    check_blocks(list(&report["blocks"]));

    let page = fs::read_to_string(html).expect("a page");
    assert_eq!(page.matches("<figure>").count(), 3);
    assert!(!page.contains("://") && !page.contains("NaN"), "{page}");
    let tables = fs::read_to_string(markdown).expect("tables");
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
        let arm = block["arm"].as_str().expect("an arm");
        if arm != "static" {
            assert_eq!(answers["accepted"], books["orders"], "{block}");
        }
        if arm != "static" && arm != "naive" {
            assert_eq!(books["stock_taken"], books["orders"], "{block}");
        }
    }
}
