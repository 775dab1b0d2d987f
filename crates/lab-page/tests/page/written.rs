//! The report: a sale as one file.

use std::time::Duration;

use crate::browser::Browser;
use crate::running::{LARGE, assert_quiet, lab, take_pictures, text};

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
    browser
        .wait_for(&tab, ended, Duration::from_secs(5))
        .expect("what came of it");
    let columns = text(&mut browser, &tab, "#columns");
    assert!(columns.contains("✓ exact"), "{columns}");
    let transcript = text(&mut browser, &tab, "pre");
    assert!(transcript.contains("T1: ann"), "{transcript}");
    take_pictures(&mut browser, &tab, "report");
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
