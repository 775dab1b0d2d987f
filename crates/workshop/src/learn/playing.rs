//! `learn why --page`: the order that breaks an exercise, step by step in the browser.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use flash_lab_crowd::error::Ending;
use flash_lab_crowd::output::to_stdout;
use flash_lab_crowd::progress::Progress as Shown;
use flash_sandbox::Supervised;
use serde::Deserialize;

use super::place::{beside, built, workshop};
use crate::judging::broken;
use crate::table::Exercise;

/// The sale that the page plays.
const PLAYED: &str = "last-unit";

/// How often to look whether the page is ready, or has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A verdict, as far as it matters.
#[derive(Debug, Deserialize)]
struct Verdict {
    rules: Vec<Judged>,
}

#[derive(Debug, Deserialize)]
struct Judged {
    held: bool,
    stage: String,
    scenario: Option<String>,
    schedule: Option<String>,
    why: Option<Why>,
}

#[derive(Debug, Deserialize)]
struct Why {
    steps: Vec<usize>,
}

/// Opens the page, prints the address of the order that broke the exercise when it was last
/// checked, and stays until the page ends.
///
/// # Cancel safety
///
/// A dropped future ends the page.
pub(crate) async fn play(exercise: &Exercise) -> anyhow::Result<()> {
    let id = &exercise.id;
    let part = part_of_address(exercise)?;
    let program = built()?.join("examples").join(id);
    if !program.is_file() {
        bail!("{id} is not built any more: ./just learn check {id}");
    }
    let shown = Shown::start();
    shown.step(&format!("starting a page with {id}"));
    let log = workshop("last/page.log");
    fs::write(&log, "").with_context(|| log.display().to_string())?;
    let mut arguments = ["page", "--listen", "127.0.0.1:0", "--server"]
        .map(Into::into)
        .to_vec();
    arguments.push(program.into_os_string());
    let nothing: [(&str, &str); 0] = [];
    let mut page = Supervised::spawn(&beside("lab")?, arguments, nothing, &log)?;
    let mut is_told = false;
    let shown = &mut Some(shown);
    loop {
        // In this order: the last words of a page that ends are still read.
        let ended = page.wait(Duration::ZERO);
        let address = address_in(&log)?;
        if let (Some(address), false) = (&address, is_told) {
            drop(shown.take());
            eprintln!("the page is ready; Ctrl-C ends it and removes what was started");
            to_stdout(&format!("{address}steps#{part}\n"))?;
            is_told = true;
        }
        if let Some(code) = ended {
            let said = fs::read_to_string(&log)?;
            let last = said.lines().last().unwrap_or_default().to_owned();
            let last = last.trim_start_matches("error: ").to_owned();
            return Err(match code {
                69 => Ending::MissingProgram(last).into(),
                _ => anyhow::anyhow!("the page has ended with code {code}: {last}"),
            });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Whether the page can play what broke an exercise.
pub(crate) fn can_play(verdict: &flash_lab_judge::Verdict) -> bool {
    broken(verdict)
        .is_some_and(|it| it.scenario == Some(PLAYED) && it.schedule.is_some())
}

/// Where a page says that it is.
fn address_in(log: &Path) -> anyhow::Result<Option<String>> {
    let said = fs::read_to_string(log)?;
    let complete = said.rfind('\n').and_then(|end| said.get(..end));
    let mut lines = complete.unwrap_or_default().lines();
    Ok(lines
        .find(|it| it.starts_with("http://"))
        .map(str::to_owned))
}

/// What names strategy, order and step, as `crates/lab-page/page/address.js` reads it.
fn part_of_address(exercise: &Exercise) -> anyhow::Result<String> {
    let id = &exercise.id;
    if exercise.judge.says_itself {
        bail!("{id} is no shop, so there are no steps to play: ./just learn why {id}");
    }
    let path = workshop(&format!("last/{id}.json"));
    if !path.is_file() {
        bail!("nothing is known of {id} yet: ./just learn check {id}");
    }
    let verdict: Verdict = serde_json::from_str(&fs::read_to_string(&path)?)
        .with_context(|| path.display().to_string())?;
    part_of(id, &verdict)
}

fn part_of(id: &str, verdict: &Verdict) -> anyhow::Result<String> {
    let Some(broken) = verdict.rules.iter().find(|it| !it.held) else {
        bail!(
            "no order broke {id}; to sell with it: ./just page --server target/debug/examples/{id}"
        );
    };
    let sale = broken.scenario.as_ref().unwrap_or(&broken.stage);
    let Some(order) = broken.schedule.as_ref().filter(|_| sale == PLAYED) else {
        bail!(
            "the page plays two buyers of one unit, and {id} broke in {sale}: ./just learn why {id} \
             has all that happened"
        );
    };
    let steps = broken.why.iter().flat_map(|it| &it.steps);
    let step = steps.max().copied().unwrap_or_default();
    Ok(format!("strategy={id}&order={order}&step={step}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(json: &str) -> anyhow::Result<String> {
        part_of("e01", &serde_json::from_str(json)?)
    }

    #[test]
    fn what_the_page_can_play_has_an_address() {
        let json = r#"{"rules":[
            {"held":true,"stage":"http","scenario":null,"schedule":null,"why":null},
            {"held":false,"stage":"interleave","scenario":"last-unit","schedule":"1221",
             "why":{"id":"x","sentence":"y","steps":[10,11]}}]}"#;
        let part = part(json).expect("an address");
        assert_eq!(part, "strategy=e01&order=1221&step=11");
    }

    #[test]
    fn what_it_cannot_play_is_said() {
        let json = r#"{"rules":[{"held":false,"stage":"interleave","scenario":"one-each",
            "schedule":"1221","why":null}]}"#;
        let error = part(json).expect_err("another sale").to_string();
        assert!(error.contains("e01 broke in one-each"), "{error}");
        let json = r#"{"rules":[{"held":false,"stage":"crash","scenario":null,
            "schedule":null,"why":null}]}"#;
        let error = part(json).expect_err("a crash").to_string();
        assert!(error.contains("e01 broke in crash"), "{error}");
        let error = part(r#"{"rules":[]}"#).expect_err("nothing").to_string();
        assert!(error.contains("no order broke e01"), "{error}");
    }
}
