//! Words, spelling, and what does not belong into a book.

use flash_workshop::page::Page;

use super::plain;

/// What the project has another word for, and spellings of the other side of the sea.
const REFUSED: &[&str] = &[
    "user",
    "users",
    "customer",
    "customers",
    "item",
    "items",
    "inventory",
    "reload",
    "refill",
    "colour",
    "colours",
    "behaviour",
    "neighbour",
    "neighbours",
    "favour",
    "honour",
    "centre",
    "theatre",
    "recognise",
    "recognised",
    "serialise",
    "optimise",
    "optimised",
    "organise",
    "analyse",
    "programme",
    "simply",
    "obviously",
    "trivially",
    "blazing",
    "lightning",
    "amazing",
    "awesome",
    "seamless",
    "seamlessly",
    "effortless",
    "powerful",
    "revolutionary",
    "leverage",
    "delve",
];

/// Directories of one machine.
const DIRECTORIES: [&str; 4] = ["/work/", "/root/", "/home/", "/tmp/"];

/// What a number of a machine is counted in.
const MEASURES: [&str; 5] = [
    " µs",
    " microseconds",
    " orders/s",
    " orders per second",
    " requests per second",
];

/// Whether a line has a number of a machine, other than as something that is quoted.
fn has_measure(line: &str) -> bool {
    line.split('"').step_by(2).any(|said| {
        let is_number = |before: &str| before.ends_with(|it: char| it.is_ascii_digit());
        let measures = MEASURES.iter().flat_map(|it| said.match_indices(it));
        let mut numbers = measures.filter_map(|(at, _)| said.get(..at));
        numbers.any(is_number)
    })
}

fn is_picture(letter: char) -> bool {
    matches!(letter, '\u{2600}'..='\u{27BF}' | '\u{1F000}'..='\u{1FAFF}' | '\u{FE0F}')
}

pub(crate) fn faults(page: &Page) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in page.prose() {
        if line.contains(is_picture) {
            found.push(format!("{}:{number}: a picture", page.path));
        }
        let line = plain(line).to_lowercase();
        if has_measure(&line) {
            found.push(format!("{}:{number}: a number without its run", page.path));
        }
        let words = line.split(|it: char| !it.is_alphanumeric());
        for word in words.filter(|it| REFUSED.contains(it)) {
            found.push(format!("{}:{number}: {word}", page.path));
        }
    }
    for (position, line) in page.text.lines().enumerate() {
        let number = position + 1;
        for directory in DIRECTORIES.into_iter().filter(|it| line.contains(it)) {
            found.push(format!("{}:{number}: {directory}", page.path));
        }
    }
    found
}
