//! Runs that the book shows, recorded with the command, the machine and the date.

use std::fs::read_to_string;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use flash_lab_crowd::error::Ending;

use super::checking::machine;
use super::place::{read, write};
use super::progress::now;
use crate::table::root;

/// Runs a command, or the one that stands in the file, and keeps what it printed.
///
/// # Errors
///
/// There is no command, or it fails otherwise than by a broken rule.
pub(crate) fn record(id: &str, command: &[String]) -> anyhow::Result<String> {
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '-';
    if id.is_empty() || !id.chars().all(is_name) {
        let text = format!("{id:?} is no name of a run: letters, digits and - only");
        return Err(Ending::Usage(text).into());
    }
    let path = format!("docs/book/runs/{id}.txt");
    let command = match command {
        [] => recorded(&path)?,
        command => command.join(" "),
    };
    let text = written(&command)?;
    write(&root().join(&path), &text)?;
    Ok(format!(
        "  {path}\n  then: UPDATE_BOOK=1 cargo test -p flash-workshop --test book blocks\n"
    ))
}

/// Command, machine and date on a line, and what the command printed.
fn written(command: &str) -> anyhow::Result<String> {
    let machine = format!("{}{}{}", processor(), machine(), shared());
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {command}"))?;
    if !matches!(output.status.code(), Some(0 | 3)) {
        bail!(
            "{command} ended with {}; nothing was written",
            output.status
        );
    }
    let printed = String::from_utf8(output.stdout).context("it prints no text")?;
    let now = now();
    let date = now.get(..10).context("no date")?;
    Ok(format!("$ {command} · {machine} · {date}\n{printed}"))
}

/// The command of a run that is there.
fn recorded(path: &str) -> anyhow::Result<String> {
    let usage = |text: String| anyhow::Error::from(Ending::Usage(text));
    let run = read(path.as_ref()).map_err(|error| {
        usage(format!(
            "no such run: say what is run behind its name ({error})"
        ))
    })?;
    let command = run.strip_prefix("$ ").and_then(|it| it.split(" · ").next());
    match command {
        Some(command) if command.starts_with("./just ") => Ok(command.to_owned()),
        _ => Err(usage(format!(
            "{path} is not of a recipe: README.md of crates/workshop says who writes it"
        ))),
    }
}

/// What the processor is called. Linux only.
fn processor() -> String {
    let text = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|it| it.strip_prefix("model name"));
    let name = name.and_then(|it| it.split_once(':'));
    name.map_or_else(String::new, |(_, name)| format!("{}, ", name.trim()))
}

/// Whether others use this machine now. Linux only.
fn shared() -> &'static str {
    let load = read_to_string("/proc/loadavg").ok();
    let load = load.and_then(|it| it.split(' ').next()?.parse::<f64>().ok());
    match load {
        Some(load) if load > 1.0 => ", shared with other work",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_begins_with_command_machine_and_date() -> anyhow::Result<()> {
        let run = written("echo sold; exit 3")?;
        let (head, printed) = run.split_once('\n').context("a line")?;
        let parts: Vec<_> = head.split(" · ").collect();
        assert_eq!((parts.len(), printed), (3, "sold\n"), "{head}");
        assert_eq!(parts.first(), Some(&"$ echo sold; exit 3"));
        Ok(())
    }

    #[test]
    fn what_fails_is_not_written() {
        let error = written("echo half; exit 1").unwrap_err().to_string();
        assert!(error.contains("nothing was written"), "{error}");
    }
}
