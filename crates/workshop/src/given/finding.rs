//! What a program finds that judges without a server, as one line of JSON.

use std::process::ExitCode;

use flash_lab_crowd::{exit_code, output, sentence};
use serde::Serialize;

/// Rules that held, and the one that did not.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Finding {
    held: Vec<&'static str>,
    rule: Option<&'static str>,
    sentence: Option<String>,
}

impl Finding {
    /// Goes on where a rule holds, and ends where one does not.
    pub(crate) fn holds(&mut self, rule: &'static str, wrong: Option<String>) -> bool {
        if wrong.is_none() {
            self.held.push(rule);
        } else {
            (self.rule, self.sentence) = (Some(rule), wrong);
        }
        self.rule.is_none()
    }
}

/// Prints what was found, or why nothing could be, and says it by the exit code.
pub(crate) fn tell(finding: anyhow::Result<Finding>) -> ExitCode {
    let told = finding.and_then(|finding| {
        output::to_stdout(&(serde_json::to_string(&finding)? + "\n"))?;
        Ok(if finding.rule.is_none() { 0 } else { 3 })
    });
    ExitCode::from(told.unwrap_or_else(|error| {
        eprintln!("error: {}", sentence(&error));
        exit_code(&error)
    }))
}
