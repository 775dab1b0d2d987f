//! Minutes, and whether they add up.

use anyhow::{Context, Result};
use flash_workshop::page::{Page, note};

/// The minutes of a chapter: `<!-- minutes: read 8, run 5, change 7 -->`.
pub(crate) fn of_chapter(page: &Page) -> Option<u32> {
    let notes = page.text.lines().filter_map(note);
    let minutes = notes.filter_map(|it| it.strip_prefix("minutes: ")).next()?;
    let parts = ["read ", "run ", "change "];
    let given: Vec<_> = minutes.split(", ").collect();
    if given.len() != parts.len() {
        return None;
    }
    let part =
        |(name, text): (&str, &str)| text.strip_prefix(name)?.parse::<u32>().ok();
    parts.into_iter().zip(given).map(part).sum()
}

/// The rows of the table that these lines begin with, without its head, each as its cells.
fn rows<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Vec<String>> {
    let cells = |row: &str| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|it| it.trim().to_owned()).collect()
    };
    let rows = lines.take_while(|row| row.starts_with('|'));
    rows.skip(2).map(cells).collect()
}

fn rows_under(page: &Page, line: &str) -> Vec<Vec<String>> {
    rows(page.text.lines().skip_while(|it| *it != line).skip(1))
}

fn number(cells: &[String], column: usize) -> u32 {
    let cell = cells.get(column).and_then(|it| it.parse().ok());
    cell.unwrap_or_default()
}

/// The sum of a column, and what its last row says it is.
fn sums(rows: &[Vec<String>], column: usize) -> (u32, u32) {
    let Some((total, rows)) = rows.split_last() else {
        return (0, 0);
    };
    let sum = rows.iter().map(|row| number(row, column)).sum();
    (sum, number(total, column))
}

pub(crate) fn faults(pages: &[Page]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for page in pages {
        // Plans and points: the number comes first in each row.
        for (position, line) in page.text.lines().enumerate() {
            let stated = note(line).and_then(|it| {
                let plan = it.strip_prefix("minutes: ");
                plan.or(it.strip_prefix("points: "))?.parse::<u32>().ok()
            });
            let Some(stated) = stated else { continue };
            let place = format!("{}:{}", page.path, position + 1);
            let rows = rows(page.text.lines().skip(position + 1));
            let (sum, total) = sums(&rows, 0);
            if (sum, total) != (stated, stated) {
                found.push(format!("{place}: {sum} of {stated}, and {total} below"));
            }
            let head = page.text.lines().nth(position + 1).unwrap_or_default();
            let (sum, total) = sums(&rows, 1);
            if head.contains("| walked |") && sum != total {
                found.push(format!("{place}: {sum} walked, and {total} below"));
            }
        }
    }
    let kit = pages.iter().find(|it| it.path == "teach/README.md");
    let kit = kit.context("no teacher's kit")?;
    found.extend(chapters(pages, kit));
    found.extend(exercises(pages, kit));
    Ok(found)
}

fn chapters(pages: &[Page], kit: &Page) -> Vec<String> {
    let mut found = Vec::new();
    let rows = rows_under(kit, "<!-- minutes: chapters -->");
    let (sum, total) = sums(&rows, 1);
    if sum != total || sum == 0 {
        found.push(format!("chapters take {sum} minutes, not {total}"));
    }
    for page in pages.iter().filter(|it| it.is_chapter()) {
        let title = page.title().unwrap_or_default();
        let link = format!("[{title}](../{})", page.path);
        let row = rows.iter().find(|row| row.first() == Some(&link));
        let told = row.map(|row| number(row, 1));
        if told != of_chapter(page) {
            found.push(format!("{link}: {told:?} in the teacher's kit"));
        }
        // The exercises of the row are those of the chapter.
        let exercises = row.and_then(|row| row.get(2)).cloned().unwrap_or_default();
        let section = page.section("Exercise").unwrap_or_default();
        let begun = section.split("**e").skip(1);
        let named: Vec<_> = begun
            .filter_map(|it| Some(format!("e{}", it.get(..2)?)))
            .collect();
        if named.join(", ") != exercises {
            found.push(format!("{link}: exercises {named:?}, not {exercises}"));
        }
    }
    found
}

fn exercises(pages: &[Page], kit: &Page) -> Vec<String> {
    let mut found = Vec::new();
    let rows = rows_under(kit, "<!-- minutes: exercises -->");
    let (sum, total) = sums(&rows, 1);
    if sum != total || sum == 0 {
        found.push(format!("exercises take {sum} minutes, not {total}"));
    }
    let Some((_, rows)) = rows.split_last() else {
        return found;
    };
    for row in rows {
        let title = row.first().map_or("", String::as_str);
        let told = format!("**{title}** ({} minutes", number(row, 1));
        let chapters = pages.iter().filter(|it| it.is_chapter());
        if !chapters.into_iter().any(|it| it.text.contains(&told)) {
            found.push(format!("no chapter says {told}"));
        }
    }
    found
}
