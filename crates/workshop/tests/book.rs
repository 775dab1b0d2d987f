//! What stands in the book, compared with what it tells of. README.md has the rules.

mod checks;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use flash_workshop::excerpt;
use flash_workshop::page::{PAGES, facts, files, pages, read, root};

use checks::{links, minutes, names, shape, words};

/// Fails with all that was found, or not at all.
#[track_caller]
fn assert_none(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn blocks_say_what_their_sources_say() -> Result<()> {
    let writes = std::env::var_os("UPDATE_BOOK").is_some();
    let mut found = Vec::new();
    for page in pages()? {
        let mut texts = Vec::new();
        for block in page.blocks()? {
            let wanted = excerpt::wanted(&block)
                .with_context(|| format!("{}:{}", page.path, block.line))?;
            let is_free = ["text", "sh"].contains(&block.language.as_str())
                && !block.text.starts_with("$ ");
            match wanted {
                Some(wanted) if wanted != block.text => {
                    found.push(format!("{}:{}", page.path, block.line));
                    texts.push(wanted);
                }
                None if !is_free => {
                    found.push(format!("{}:{} has no source", page.path, block.line));
                    texts.push(block.text);
                }
                _ => texts.push(block.text),
            }
        }
        if writes {
            fs::write(
                root().join(PAGES).join(&page.path),
                page.with_texts(&texts)?,
            )?;
        }
    }
    if !writes {
        let again = "UPDATE_BOOK=1 cargo test -p flash-workshop --test book blocks";
        assert_none(
            found,
            &format!("other than the source; `{again}` writes it"),
        );
    }
    Ok(())
}

#[test]
fn every_command_is_run_or_says_why_not() -> Result<()> {
    let mut found = Vec::new();
    for page in pages()? {
        for block in page.blocks()? {
            let note = block.note.as_deref().unwrap_or_default();
            let is_marked = block.expected_code().is_some()
                || note
                    .strip_prefix("not run: ")
                    .is_some_and(|it| it.len() > 10);
            if (block.language == "sh") != is_marked {
                found.push(format!("{}:{}: {note:?}", page.path, block.line));
            }
        }
    }
    assert_none(
        found,
        "a block of sh is `run`, `run expect=N`, or `not run: …`",
    );
    Ok(())
}

#[test]
fn runs_name_command_machine_and_date() -> Result<()> {
    let mut found = Vec::new();
    let mut heads = BTreeMap::new();
    for path in files("docs/book/runs", &[".txt"])? {
        let text = read(&path)?;
        let head = text.lines().next().unwrap_or_default();
        let parts: Vec<_> = head.split(" · ").collect();
        let date = parts.last().copied().unwrap_or_default();
        let is_date = date.len() == 10 && date.split('-').count() == 3;
        if !head.starts_with("$ ") || parts.len() != 3 || !is_date {
            found.push(format!("{path}: {head}"));
        }
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        heads.insert(name, head.to_owned());
    }
    let mut used = BTreeSet::new();
    for page in pages()? {
        for block in page.blocks()? {
            let note = block.note.as_deref().unwrap_or_default();
            if let Some(measured) = note.strip_prefix("not run: measured, see runs/") {
                let words = |text: &str| {
                    let words = text.split_whitespace().take(2);
                    words.collect::<Vec<_>>().join(" ")
                };
                let head = heads.get(measured).map_or("", String::as_str);
                let command = head.strip_prefix("$ ").unwrap_or_default();
                if words(command) != words(&block.text) {
                    found.push(format!("{}:{}: {head:?}", page.path, block.line));
                }
                used.insert(measured.to_owned());
            } else if let Some(recorded) = note.strip_prefix("recorded: ") {
                let name = recorded.split(", ").next().unwrap_or_default();
                used.insert(format!("{name}.txt"));
            } else if let Some((_, run)) = note.split_once("see runs/")
                && !heads.contains_key(run)
            {
                found.push(format!("{}:{}: no {run}", page.path, block.line));
            }
        }
    }
    let unused = heads.keys().filter(|it| !used.contains(*it));
    found.extend(unused.map(|it| format!("{it} is shown nowhere")));
    assert_none(
        found,
        "a run begins with `$ COMMAND · MACHINE · DATE`, and is shown",
    );
    Ok(())
}

#[test]
fn facts_are_told_as_they_are() -> Result<()> {
    let facts = facts()?;
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for page in pages()? {
        for (line, shown, name) in page.told_facts()? {
            let value = facts.get(name).map(|it| it.value.as_str());
            if value != Some(shown.as_str()) {
                found.push(format!("{}:{line}: {shown} is not {value:?}", page.path));
            }
            told.insert(name.to_owned());
        }
    }
    let untold = facts.keys().filter(|it| !told.contains(*it));
    found.extend(untold.map(|it| format!("{it} is told nowhere")));
    for (name, fact) in &facts {
        if let (Some(file), Some(text)) = (&fact.file, &fact.occurrences_of) {
            let count = read(file)?.matches(text.as_str()).count().to_string();
            if count != fact.value {
                found.push(format!("{name}: {count} times in {file}"));
            }
        } else if fact.command.is_none() || fact.pointer.is_none() {
            found.push(format!("{name} has neither a command nor a file"));
        }
    }
    assert_none(found, "a fact is told as docs/book/facts.toml has it");
    Ok(())
}

#[test]
fn links_lead_somewhere() -> Result<()> {
    assert_none(
        links::broken(&pages()?)?,
        "a link leads to a page and a heading",
    );
    Ok(())
}

#[test]
fn all_pages_stand_in_the_summary() -> Result<()> {
    let summary = read(&format!("{PAGES}/SUMMARY.md"))?;
    let mut found = Vec::new();
    for page in pages()? {
        let title = page.title().context(page.path.clone())?;
        let entry = format!("[{title}]({})", page.path);
        if page.path != "SUMMARY.md" && !summary.contains(&entry) {
            found.push(entry);
        }
    }
    assert_none(found, "SUMMARY.md has each page by its title");
    Ok(())
}

#[test]
fn chapters_have_one_shape() -> Result<()> {
    let pages = pages()?;
    let chapters: Vec<_> = pages.iter().filter(|it| it.is_chapter()).collect();
    ensure!(chapters.len() == 15, "{} chapters", chapters.len());
    let found = chapters.iter().flat_map(|it| shape::faults(it)).collect();
    assert_none(found, "a chapter has the fixed shape");
    let kit = pages
        .iter()
        .filter(|it| it.path.starts_with("teach/"))
        .count();
    ensure!(kit >= 7, "the teacher's kit has {kit} pages");
    Ok(())
}

#[test]
fn minutes_add_up() -> Result<()> {
    assert_none(minutes::faults(&pages()?)?, "minutes add up");
    Ok(())
}

#[test]
fn recipes_files_and_names_are_there() -> Result<()> {
    assert_none(names::unknown(&pages()?)?, "what the book names is there");
    Ok(())
}

#[test]
fn words_are_those_of_the_project() -> Result<()> {
    let found = pages()?.iter().flat_map(words::faults).collect();
    assert_none(
        found,
        "one word for each thing; American spelling; no other host",
    );
    Ok(())
}

#[test]
fn the_readme_has_a_first_step_for_everybody() -> Result<()> {
    let readme = read("README.md")?;
    for page in ["00-start.md", "teach/README.md", "14-going-live.md"] {
        ensure!(readme.contains(&format!("]({PAGES}/{page})")), "{page}");
    }
    Ok(())
}
