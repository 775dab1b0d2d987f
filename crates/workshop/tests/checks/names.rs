//! Recipes, files and names that the book speaks of.

use anyhow::Result;
use flash_workshop::page::{Page, files, read, root};

/// What begins the path of a file of this repository.
const FOLDERS: [&str; 3] = ["crates/", "docs/", "migrations"];

pub(crate) fn unknown(pages: &[Page]) -> Result<Vec<String>> {
    let mut recipes = Vec::new();
    for line in read("justfile")?.lines() {
        let name = line.split([' ', ':']).next().unwrap_or_default();
        if line.contains(':') && name.starts_with(|it: char| it.is_ascii_lowercase()) {
            recipes.push(name.to_owned());
        }
    }
    let sources = sources()?;
    let mut found = Vec::new();
    for page in pages {
        let blocks = page.blocks()?;
        let shells = blocks.iter().filter(|it| it.language == "sh");
        let lines =
            shells.flat_map(|it| it.text.lines().map(move |line| (it.line, line)));
        let spans = page.spans()?;
        for (number, text) in lines.chain(spans.iter().copied()) {
            let recipe = text.split("./just ").nth(1);
            let recipe = recipe.and_then(|it| it.split_whitespace().next());
            let is_known = recipe.is_none_or(|it| {
                it.starts_with("--") || recipes.iter().any(|r| r == it)
            });
            if !is_known {
                found.push(format!("{}:{number}: no recipe in {text:?}", page.path));
            }
        }
        for (number, span) in spans {
            if is_path(span) && !root().join(span).exists() {
                found.push(format!("{}:{number}: no file {span}", page.path));
            }
            if is_name(span) && !sources.iter().any(|it| has_word(it, span)) {
                found.push(format!("{}:{number}: nothing is called {span}", page.path));
            }
        }
    }
    Ok(found)
}

/// What the names may come from.
fn sources() -> Result<Vec<String>> {
    let mut paths = files("crates", &[".rs", ".lua", ".sh"])?;
    paths.retain(|it| !it.starts_with("crates/workshop/"));
    paths.extend(files("migrations", &[".sql"])?);
    paths.extend(files("docs/book/runs", &[".txt"])?);
    paths.iter().map(|it| read(it)).collect()
}

fn is_path(span: &str) -> bool {
    let is_page = span.ends_with(".md") && !span.contains(['/', ' ']);
    is_page || FOLDERS.iter().any(|it| span.starts_with(it))
}

/// Whether this is a name of the code, of a table or of a field.
fn is_name(span: &str) -> bool {
    let is_letter =
        |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_';
    span.contains('_') && span.chars().all(is_letter)
}

fn has_word(text: &str, word: &str) -> bool {
    let is_letter = |it: char| it.is_alphanumeric() || it == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|it| it.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|it| it.chars().next());
        !before.is_some_and(is_letter) && !after.is_some_and(is_letter)
    })
}
