use super::*;

#[test]
fn the_address_is_read_once_its_line_is_complete() {
    let address = "127.0.0.1:41234".parse().ok();
    let log = "INFO migrating\nlistening on http://127.0.0.1:41234\nINFO ready\n";
    assert_eq!(listening_address(log), address);
    assert_eq!(listening_address("listening on http://127.0.0.1:41"), None);
    assert_eq!(listening_address(""), None);
}

#[test]
fn the_tail_is_short_and_indented() {
    let log: String = (0..30).map(|n| format!("line {n}\n")).collect();
    assert!(tail(&log).starts_with("\n    line 10\n"));
    assert!(tail(&log).ends_with("\n    line 29"));
}
