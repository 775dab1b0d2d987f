//! A part that has died ends the process.

use std::{panic, process};

use crate::telemetry::say;

/// From now on a panic anywhere in this process ends it, with a sentence and exit code 1,
/// so that whoever watches it starts it again. Without this a panic ends one task, nobody
/// is told, and what the task did is never done again.
pub fn end_on_panic() {
    panic::set_hook(Box::new(|panic| {
        let what = panic.payload_as_str().unwrap_or("no reason given");
        let what = what.replace('\n', " ");
        let place = panic.location().map(|at| format!(" at {at}"));
        let place = place.unwrap_or_default();
        say(format_args!(
            "error: the server has a defect and ends: {what}{place}"
        ));
        process::exit(1);
    }));
}
