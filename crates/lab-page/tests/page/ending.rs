//! How the page ends, or does not begin.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use crate::running::{Page, lab};

#[test]
fn ctrl_c_ends_the_page_although_a_tab_listens() {
    let mut page = Page::start();
    let address = page.url.trim_start_matches("http://").trim_end_matches('/');
    let mut tab = TcpStream::connect(address).expect("a connection");
    let ask = format!("GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    tab.write_all(ask.as_bytes()).expect("a request");
    let mut head = [0; 15];
    tab.read_exact(&mut head).expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200 OK");

    assert_eq!(page.interrupt().code(), Some(130));
    let mut rest = String::new();
    tab.read_to_string(&mut rest).expect("the end of it");
    assert!(rest.contains("\"stage\":\"idle\""), "{rest}");
}

#[test]
fn a_name_that_is_not_of_this_machine_gets_no_answer() {
    let page = Page::start();
    let address = page.url.trim_start_matches("http://").trim_end_matches('/');
    let mut tab = TcpStream::connect(address).expect("a connection");
    tab.write_all(b"GET /state HTTP/1.0\r\nHost: example.org\r\n\r\n")
        .expect("a request");
    let mut answer = String::new();
    tab.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.0 403"), "{answer}");
}

#[test]
fn a_port_that_is_taken_is_told_in_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = lab(&["page", "--listen", &address]).output();
    let output = output.expect("lab starts");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.starts_with(&format!("error: cannot listen on {address}; ")),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn a_page_for_a_class_says_who_sees_it_and_answers_to_numbers_only() {
    let mut lab = lab(&["page", "--listen", "0.0.0.0:0", "--strategy", "naive"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("lab starts");
    let mut told = String::new();
    let stderr = lab.stderr.take().expect("a pipe");
    for line in BufReader::new(stderr).lines() {
        told += &line.expect("a line");
        if told.contains("can now see the page") {
            break;
        }
    }
    assert!(told.contains("can now see the page"), "{told}");
    let mut url = String::new();
    let stdout = lab.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut url).expect("a line");
    let address = url.trim_start_matches("http://").trim_end_matches("/\n");
    for (host, answer) in [("10.0.0.1", "200"), ("example.org", "403")] {
        let mut tab = TcpStream::connect(address).expect("a connection");
        let ask = format!("GET /state HTTP/1.0\r\nHost: {host}\r\n\r\n");
        tab.write_all(ask.as_bytes()).expect("a request");
        let mut head = [0; 12];
        tab.read_exact(&mut head).expect("an answer");
        assert_eq!(String::from_utf8_lossy(&head[9..]), answer, "{host}");
    }
    lab.kill().expect("lab is there");
    lab.wait().expect("an end");
}
