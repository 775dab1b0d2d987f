//! The report: a sale as one file.

use std::fs;

use crate::browser::{LARGE, Tab};
use crate::running::lab;

/// The paper within its margins, at 96 dots to the inch.
const A4: (u32, u32) = (703, 1900);

#[test]
fn a_report_is_one_file_that_needs_no_server() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("sale.html");
    let output = lab(&["report", "--units", "20", "--buyers", "200", "--html"])
        .arg(&path)
        .output()
        .expect("lab starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("hybrid: exact: 20 orders for 20 units"));

    let html = fs::read_to_string(&path).expect("the file");
    assert!(!html.contains("{{"), "a place that is not filled");

    let url = format!("file://{}", path.display());
    let tab = Tab::open(&url, LARGE);
    tab.wait_for("document.body.dataset.stage === 'ended'");
    let columns = tab.text("#columns");
    assert!(columns.contains("✓ exact"), "{columns}");
    let why = tab.text("#why");
    for part in [
        "T1: ann",
        "nothing made one of them wait",
        "FOR UPDATE",
        "waits: T1",
        "<uuid>",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
    tab.pictures("report");
    let pages = tab.print("report");
    assert!((1..=3).contains(&pages), "{pages} pages");
    tab.show_print();
    tab.resize(A4);
    tab.picture("report-print");
    assert!(tab.holds(
        "[...document.querySelectorAll('.column, pre')].every((it) =>
            it.scrollWidth <= it.clientWidth + 1)
         && document.documentElement.scrollWidth <= innerWidth"
    ));
    assert_eq!(tab.requests(), [url]);
    tab.assert_quiet();
}

#[test]
fn a_report_that_could_not_be_written_is_not_begun() {
    let output = lab(&["report", "--html", "/no/such/directory/sale.html"])
        .output()
        .expect("lab starts");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("error: cannot write /no/such/directory/sale.html"));
}
