//! The commands of the book, run one after another, and the facts, compared with a run.
//!
//! It needs `lab` and `server` beside it, as the tests of the lab do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use flash_workshop::page::{facts, files, pages, read, root};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

/// The first build may be all of it.
const BUILD_MAX: Duration = Duration::from_secs(1_800);

/// What takes longer does not run here.
const COMMAND_MAX: Duration = Duration::from_secs(300);

/// Flags of other programs than `lab` and `server`.
const OTHER_FLAGS: [&str; 3] = ["--list", "--open", "--test"];

/// Runs a line of a shell at the root, in a group of its own that ends with it.
async fn run(shell: &str, bound: Duration) -> Result<Output> {
    let child = Command::new("sh")
        .args(["-euc", shell])
        .current_dir(root())
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let group = format!("-{}", child.id().context("it has ended")?);
    match timeout(bound, child.wait_with_output()).await {
        Ok(output) => Ok(output?),
        Err(_late) => {
            StdCommand::new("kill")
                .args(["-KILL", "--", &group])
                .status()?;
            bail!("{shell}\nruns for longer than {bound:?}")
        }
    }
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// What was recorded, by its command: where, and what was printed.
fn runs() -> Result<BTreeMap<String, (String, String)>> {
    let mut runs = BTreeMap::new();
    for path in files("docs/book/runs", &[".txt"])? {
        let run = read(&path)?;
        let (head, printed) = run.split_once('\n').context(path.clone())?;
        let command = head
            .strip_prefix("$ ")
            .and_then(|it| it.split(" · ").next());
        let command = command.context(path.clone())?.to_owned();
        // What it says is the machine's.
        if command != "./just doctor" {
            runs.insert(command, (path, printed.to_owned()));
        }
    }
    Ok(runs)
}

/// What does not change from run to run: no number, and no width of a column.
fn words(printed: &str) -> Vec<String> {
    let letters = |word: &str| word.replace(|it: char| it.is_ascii_digit(), "#");
    let squeezed = |word: String| {
        let mut word = word;
        while word.contains("##") {
            word = word.replace("##", "#");
        }
        word
    };
    let words = printed.split_whitespace().filter(|it| !it.starts_with('─'));
    words.map(letters).map(squeezed).collect()
}

/// All in one test: they share two cores, and some of them measure time.
#[tokio::test(flavor = "multi_thread")]
async fn commands_do_what_the_book_says() -> Result<()> {
    let built = run("./just build", BUILD_MAX).await?;
    ensure!(built.status.success(), "{}", said(&built));
    let runs = runs()?;
    let mut found = Vec::new();
    for page in pages()? {
        for block in page.blocks()? {
            let Some(expected) = block.expected_code() else {
                continue;
            };
            for command in block.text.lines() {
                let output = run(command, COMMAND_MAX).await?;
                let (code, printed) = (output.status, said(&output));
                let told = format!("{}:{}: {code}\n{command}", page.path, block.line);
                if code.code() != Some(expected) {
                    found.push(format!("{told}\n{printed}"));
                }
                let Some((path, recorded)) = runs.get(command) else {
                    continue;
                };
                let printed = String::from_utf8_lossy(&output.stdout);
                if words(&printed) != words(recorded) {
                    let again = "./just learn record";
                    found.push(format!(
                        "{told}\nsays other than {path}; `{again}` writes it:\n{printed}"
                    ));
                }
            }
        }
    }
    found.extend(wrong_facts().await?);
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// Facts that a run does not confirm.
async fn wrong_facts() -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut results: BTreeMap<String, Value> = BTreeMap::new();
    for (name, fact) in facts()? {
        let (Some(command), Some(pointer)) = (fact.command, fact.pointer) else {
            continue;
        };
        if !results.contains_key(&command) {
            let output = run(&command, COMMAND_MAX).await?;
            let json = serde_json::from_slice(&output.stdout);
            let json = json.with_context(|| format!("{command}: {}", said(&output)))?;
            results.insert(command.clone(), json);
        }
        let value = results.get(&command).and_then(|it| it.pointer(&pointer));
        let value = match value {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => "not there".to_owned(),
        };
        if value != fact.value {
            found.push(format!("{name} is {value}, not {}", fact.value));
        }
    }
    Ok(found)
}

/// A program of the workspace, beside the directory of the tests.
fn program(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let beside = here.parent().and_then(Path::parent).map(|it| it.join(name));
    let beside = beside.context("no directory")?;
    ensure!(beside.is_file(), "{name} is not built: ./just build");
    Ok(beside)
}

fn help(name: &str, arguments: &[&str]) -> Result<String> {
    let output = StdCommand::new(program(name)?).args(arguments).output()?;
    Ok(said(&output))
}

#[test]
fn flags_are_in_the_help() -> Result<()> {
    let mut known = help("server", &["--help"])?;
    let lab = help("lab", &["--help"])?;
    let commands = lab.split("Commands:\n").nth(1).context("no commands")?;
    for line in commands.lines().take_while(|line| !line.is_empty()) {
        let name = line.split_whitespace().next().unwrap_or_default();
        if line.starts_with("  ") && !line.starts_with("   ") && name != "help" {
            known += &help("lab", &[name, "--help"])?;
        }
    }
    let is_letter = |it: char| it.is_alphanumeric() || it == '-';
    let known: Vec<_> = known.split(|it| !is_letter(it)).collect();
    let mut found = Vec::new();
    for page in pages()? {
        let blocks = page.blocks()?;
        let ours = |line: &&str| line.starts_with("./just ");
        let shells = blocks.iter().filter(|it| it.language == "sh");
        let lines = shells.flat_map(|it| {
            let lines = it.text.lines().filter(ours);
            lines.map(move |line| (it.line, line))
        });
        for (number, text) in lines.chain(page.spans()?) {
            for word in text.split(|it| !is_letter(it)) {
                let is_flag = word.starts_with("--") && word.len() > 2;
                if is_flag && !known.contains(&word) && !OTHER_FLAGS.contains(&word) {
                    found.push(format!("{}:{number}: {word}", page.path));
                }
            }
        }
    }
    ensure!(found.is_empty(), "no help names:\n  {}", found.join("\n  "));
    Ok(())
}
