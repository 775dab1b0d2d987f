//! How the page ends, or does not begin, and whom it answers.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::running::{Page, lab};

/// Asks as a tab of that name would.
fn ask(page: &Page, what: &str, host: &str) -> TcpStream {
    let mut tab = TcpStream::connect(page.address()).expect("a connection");
    let ask = format!("GET {what}\r\nHost: {host}\r\n\r\n");
    tab.write_all(ask.as_bytes()).expect("a request");
    tab
}

fn status(page: &Page, host: &str) -> String {
    let mut head = [0; 12];
    let mut tab = ask(page, "/state HTTP/1.0", host);
    tab.read_exact(&mut head).expect("an answer");
    String::from_utf8_lossy(&head).into_owned()
}

#[test]
fn ctrl_c_ends_the_page_although_a_tab_listens() {
    let mut page = Page::start(&[]);
    let mut tab = ask(&page, "/events HTTP/1.1", page.address());
    let mut head = [0; 15];
    tab.read_exact(&mut head).expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200 OK");

    assert_eq!(page.interrupt().code(), Some(130));
    let mut rest = String::new();
    tab.read_to_string(&mut rest).expect("the end of it");
    assert!(rest.contains("\"stage\":\"idle\""), "{rest}");
}

#[test]
fn a_port_that_is_taken_is_told_in_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = lab(&["page", "--listen", &address]).output();
    let output = output.expect("lab starts");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    let sentence = format!("error: cannot listen on {address}; ");
    assert!(told.starts_with(&sentence), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn a_name_that_is_not_of_this_machine_gets_no_answer() {
    let page = Page::start(&["--strategy", "naive"]);
    assert_eq!(status(&page, "localhost"), "HTTP/1.0 200");
    assert_eq!(status(&page, "10.0.0.1"), "HTTP/1.0 403");
    assert_eq!(status(&page, "example.org"), "HTTP/1.0 403");
}

#[test]
fn a_page_for_a_class_says_who_sees_it_and_answers_to_numbers_only() {
    let told = tempfile::NamedTempFile::new().expect("a file");
    let stderr = told.reopen().expect("the same");
    let arguments = ["page", "--listen", "0.0.0.0:0", "--strategy", "naive"];
    let page = Page::of(lab(&arguments).stderr(stderr));
    let told = fs::read_to_string(&told).expect("what was told");
    assert!(told.contains("can now see the page"), "{told}");
    assert_eq!(status(&page, "10.0.0.1"), "HTTP/1.0 200");
    assert_eq!(status(&page, "example.org"), "HTTP/1.0 403");
}
