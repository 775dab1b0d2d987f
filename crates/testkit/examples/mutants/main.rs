//! Breaks each rule of phase 3 in a copy of the workspace, and shows that a test notices.
//!
//! `./just mutants [WORD]` takes only those whose rule or change has the word in it. Exit
//! codes: 0 all were caught, 1 a mutant cannot be made, 3 a test did not notice one.
#![expect(clippy::print_stdout, reason = "the table is this program's output")]

mod list;
mod workshop;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use tokio::task::JoinHandle;

use list::{MUTANTS, Mutant};
use workshop::{Verdict, Workshop};

/// The exit code of a broken promise, here as in the lab.
const SURVIVED: u8 = 3;

/// How many tests run beside the building of the next mutant: some of them wait for what
/// never comes.
const TESTS_MAX: usize = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let word = std::env::args().nth(1).unwrap_or_default();
    match run(&word).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(SURVIVED),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all mutants were caught.
async fn run(word: &str) -> Result<bool> {
    let wanted = |m: &&Mutant| m.rule.contains(word) || m.broken_by.contains(word);
    let mutants: Vec<_> = MUTANTS.iter().filter(wanted).collect();
    ensure!(!mutants.is_empty(), "no mutant has {word:?} in it");
    let workshop = Workshop::open()?;
    for mutant in &mutants {
        workshop.check(mutant)?;
    }

    eprintln!("the tests, with nothing broken");
    let tests: Vec<_> = mutants.iter().map(|m| m.caught_by).collect();
    let intact = workshop.build("intact").await?;
    let verdict = intact.run(&tests).await?;
    ensure!(
        verdict == Verdict::Passed,
        "a test fails as it is: {verdict:?}"
    );

    let mut running: Vec<(&Mutant, JoinHandle<Result<Verdict>>)> = Vec::new();
    let mut all_caught = true;
    for (number, mutant) in mutants.iter().enumerate() {
        eprintln!("{}/{}: {}", number + 1, mutants.len(), mutant.broken_by);
        workshop.mutate(mutant)?;
        let built = workshop.build(&format!("mutant-{number}")).await;
        workshop.restore(mutant)?;
        let built = built?;
        if running.len() == TESTS_MAX {
            let (mutant, verdict) = running.remove(0);
            all_caught &= report(mutant, verdict.await??);
        }
        let test = [mutant.caught_by];
        running.push((mutant, tokio::spawn(async move { built.run(&test).await })));
    }
    for (mutant, verdict) in running {
        all_caught &= report(mutant, verdict.await??);
    }
    if all_caught {
        println!("all {} mutants were caught", mutants.len());
    }
    Ok(all_caught)
}

/// Prints what became of a mutant; whether it was caught.
fn report(mutant: &Mutant, verdict: Verdict) -> bool {
    let (result, complaint) = match verdict {
        Verdict::Passed => ("SURVIVED", None),
        Verdict::Failed(complaint) => ("caught", Some(complaint)),
    };
    println!("{result}: {}", mutant.rule);
    println!("    broken by: {}", mutant.broken_by);
    let noticed = complaint.as_deref().unwrap_or(mutant.caught_by);
    println!("    test: {noticed}");
    complaint.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_can_still_be_made() -> Result<()> {
        MUTANTS.iter().try_for_each(workshop::check_at_home)
    }

    #[test]
    fn every_mutant_is_on_the_page() {
        let page = include_str!("../../../../docs/ARCHITECTURE.md");
        for mutant in MUTANTS {
            let test = mutant.caught_by.rsplit("::").next().unwrap_or_default();
            let line = format!("| {} | `{test}` |\n", mutant.broken_by);
            assert!(page.contains(&line), "{line}");
            assert!(page.contains(mutant.rule), "{}", mutant.rule);
        }
        let count = format!("in {} ways", MUTANTS.len());
        assert!(page.contains(&count), "{count}");
    }
}
