//! The shape of a chapter.

use flash_workshop::page::Page;

use super::minutes;

const HEADINGS: [&str; 9] = [
    "You will be able to",
    "Predict",
    "Run",
    "What happened",
    "Why",
    "Change one thing",
    "Checkpoint",
    "Exercise",
    "Read on",
];

/// What a learner can keep in mind.
const OUTCOMES_MAX: usize = 3;

pub(crate) fn faults(page: &Page) -> Vec<String> {
    let mut found = Vec::new();
    let mut fault = |what: String| found.push(format!("{}: {what}", page.path));
    let headings = page.headings();
    let second: Vec<_> = headings
        .iter()
        .filter(|(depth, _)| *depth == 2)
        .map(|(_, title)| *title)
        .collect();
    if second != HEADINGS {
        fault(format!("its headings are {second:?}"));
    }
    let number = page.path.get(..2).unwrap_or_default();
    if !page
        .title()
        .is_some_and(|it| it.starts_with(&format!("{number} ")))
    {
        fault(format!("its title does not begin with {number}"));
    }
    let section = |title| page.section(title).unwrap_or_default();
    let lines_with = |title, begin: &str| {
        let lines = section(title).lines();
        lines.filter(|line| line.starts_with(begin)).count()
    };
    if !(1..=OUTCOMES_MAX).contains(&lines_with(HEADINGS[0], "- ")) {
        fault(format!("it has one to {OUTCOMES_MAX} outcomes"));
    }
    if lines_with("Run", "```sh") == 0 {
        fault("it runs nothing".to_owned());
    }
    for begin in ["1. ", "2. ", "3. "] {
        if lines_with("Checkpoint", begin) != 1 {
            fault(format!("its checkpoint has one question {begin}"));
        }
    }
    if lines_with("Checkpoint", "4. ") != 0
        || lines_with("Checkpoint", "   <details><summary>Answer</summary>") != 3
    {
        fault("its checkpoint has three questions, each with an answer".to_owned());
    }
    match minutes::of_chapter(page) {
        Some(minutes) => {
            if !page.text.contains(&format!("\n*{minutes} minutes · ")) {
                fault(format!("its parts take {minutes} minutes"));
            }
        }
        None => fault("it has no minutes".to_owned()),
    }
    found
}
