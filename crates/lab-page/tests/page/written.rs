//! The report: a sale as one file.

use crate::browser::Browser;
use crate::running::{
    LARGE, assert_quiet, lab, print, take_picture, take_pictures, text,
};

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

    let mut browser = Browser::start().expect("a browser");
    let url = format!("file://{}", path.display());
    let tab = browser.open(&url, LARGE).expect("a page");
    let ended = "document.body.dataset.stage === 'ended'";
    browser.wait_for(&tab, ended).expect("what came of it");
    let columns = text(&mut browser, &tab, "#columns");
    assert!(columns.contains("✓ exact"), "{columns}");
    let why = text(&mut browser, &tab, "#why");
    for part in [
        "T1: ann",
        "nothing made one of them wait",
        "FOR UPDATE",
        "waits: T1",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
    take_pictures(&mut browser, &tab, "report");
    let pages = print(&mut browser, &tab, "report").expect("a print");
    assert!((1..=3).contains(&pages), "{pages} pages");
    browser.show_print(&tab).expect("print");
    browser.resize(&tab, A4).expect("a size");
    take_picture(&mut browser, &tab, "report-print");
    let cut = "[...document.querySelectorAll('.column, pre')].filter((it) =>
        it.scrollWidth > it.clientWidth + 1).length === 0
        && document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.value(&tab, cut).expect("widths"), true);
    assert_eq!(browser.requests(), [url]);
    assert_quiet(&mut browser);
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
