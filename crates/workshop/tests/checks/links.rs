//! Links and what they lead to.

use std::collections::BTreeMap;

use anyhow::Result;
use flash_workshop::page::Page;

use super::plain;

/// The one page that may point outside.
const SOURCES: &str = "reference/sources.md";

/// How a heading is named in a link, by mdBook as by others.
fn anchor(heading: &str) -> String {
    let heading = heading.replace('`', "").to_lowercase();
    let letters = heading.chars().filter_map(|it| match it {
        ' ' => Some('-'),
        '-' | '_' => Some(it),
        _ => it.is_alphanumeric().then_some(it),
    });
    letters.collect()
}

/// What `../x.md` means on a page.
fn resolved(page: &str, target: &str) -> String {
    let mut parts: Vec<_> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

pub(crate) fn broken(pages: &[Page]) -> Result<Vec<String>> {
    let anchors: BTreeMap<_, Vec<_>> = pages
        .iter()
        .map(|page| {
            let headings = page.headings().into_iter();
            (
                page.path.as_str(),
                headings.map(|(_, it)| anchor(it)).collect(),
            )
        })
        .collect();
    let mut found = Vec::new();
    for page in pages {
        for (number, line) in page.prose() {
            let line = plain(line);
            if page.path != SOURCES && line.contains("://") {
                found.push(format!("{}:{number}: points outside", page.path));
            }
            for piece in line.split("](").skip(1) {
                let target = piece.split(')').next().unwrap_or_default();
                if target.contains("://") {
                    continue;
                }
                let (path, heading) = target.split_once('#').unwrap_or((target, ""));
                let path = match path {
                    "" => page.path.clone(),
                    path => resolved(&page.path, path),
                };
                let there = anchors.get(path.as_str());
                let is_there = there.is_some_and(|it| {
                    heading.is_empty() || it.iter().any(|a| a == heading)
                });
                if !is_there {
                    found.push(format!("{}:{number}: {target}", page.path));
                }
            }
        }
    }
    Ok(found)
}

#[test]
fn a_link_is_resolved_from_its_page() {
    assert_eq!(resolved("teach/room.md", "../01-a.md"), "01-a.md");
    assert_eq!(
        resolved("01-a.md", "reference/words.md"),
        "reference/words.md"
    );
    assert_eq!(
        anchor("\"Sold out\" is a promise, `x_y`"),
        "sold-out-is-a-promise-x_y"
    );
}
