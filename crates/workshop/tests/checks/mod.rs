//! What the tests of the book look for, by subject.

pub(crate) mod links;
pub(crate) mod minutes;
pub(crate) mod names;
pub(crate) mod shape;
pub(crate) mod words;

/// A line without what stands in backticks, and without comments.
pub(crate) fn plain(line: &str) -> String {
    let outside: Vec<_> = line.split('`').step_by(2).collect();
    let line = outside.join("_");
    let mut text = String::new();
    let mut rest = line.as_str();
    while let Some((before, comment)) = rest.split_once("<!--") {
        text.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    text + rest
}
