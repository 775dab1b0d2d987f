//! `./just` on a machine of our making: what it installs for which recipe.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// What the script takes for granted.
const TOOLS: [&str; 5] = ["dirname", "sed", "uname", "env", "readlink"];

/// A fresh machine that has everything but Chromium.
struct Machine {
    dir: TempDir,
}

impl Machine {
    fn new() -> Result<Self> {
        let machine = Self {
            dir: TempDir::new()?,
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        fs::create_dir(machine.bin())?;
        for file in ["just", "Cargo.toml"] {
            fs::copy(root.join(file), machine.dir.path().join(file))?;
        }
        for tool in TOOLS {
            let path = env::var_os("PATH").unwrap_or_default();
            let found = env::split_paths(&path).map(|it| it.join(tool));
            let found = found.into_iter().find(|it| it.is_file()).context(tool)?;
            symlink(found, machine.bin().join(tool))?;
        }
        machine.stub("id", "echo 0")?;
        machine.stub("cargo", "echo cargo 1.999.0")?;
        machine.stub("cc", "echo /usr/lib/crt1.o")?;
        machine.stub("xcode-select", "exit 0")?;
        machine.stub("initdb", "exit 0")?;
        machine.stub("postgres", "echo 'postgres (PostgreSQL) 16.4'")?;
        machine.stub("redis-server", "echo 'Redis server v=7.0.15'")?;
        machine.stub("mdbook", "echo mdbook v0.5.4")?;
        machine.stub("nginx", "exit 0")?;
        machine.stub("haproxy", "exit 0")?;
        machine.stub("pgbouncer", "exit 0")?;
        machine.stub("promtool", "exit 0")?;
        machine.stub("just", "case $1 in --version) echo just 1.0 ;; esac")?;
        machine.stub("mdbook", "echo mdbook v0.5.4")?;
        Ok(machine)
    }

    fn bin(&self) -> std::path::PathBuf {
        self.dir.path().join("bin")
    }

    fn stub(&self, name: &str, does: &str) -> Result<()> {
        let path = self.bin().join(name);
        fs::write(&path, format!("#!/bin/sh\n{does}\n"))?;
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// A package manager that offers one version of everything.
    fn offer(&self, version: &str) -> Result<()> {
        let installs = self.bin().join("chromium");
        self.stub("apt-cache", &format!("echo '  Candidate: {version}'"))?;
        self.stub(
            "apt-get",
            &format!(
                "case $1 in update) exit ;; esac\n\
                 echo '#!/bin/sh' >'{0}' && /bin/chmod +x '{0}'",
                installs.display()
            ),
        )
    }

    fn just(&self, recipe: &str) -> Result<Output> {
        self.run(&self.dir.path().join("just"), recipe)
    }

    fn run(&self, script: &Path, recipe: &str) -> Result<Output> {
        Ok(Command::new("/bin/sh")
            .arg(script)
            .arg(recipe)
            .env_clear()
            .env("PATH", self.bin())
            .env("HOME", self.dir.path())
            .current_dir(self.bin())
            .output()?)
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_tests_get_a_browser() -> Result<()> {
    for recipe in ["test-page", "ci", "pictures"] {
        let machine = Machine::new()?;
        machine.offer("156.0.8078.79-1~deb12u1")?;
        let output = machine.just(recipe)?;
        let told = told(&output);
        ensure!(output.status.success(), "{recipe}: {told}");
        ensure!(told.contains("Missing: Chromium."), "{recipe}: {told}");
        ensure!(told.contains("apt-get install"), "{recipe}: {told}");
        ensure!(machine.bin().join("chromium").exists(), "{recipe}: {told}");

        let again = machine.just(recipe)?;
        ensure!(again.stderr.is_empty(), "{recipe}, again: {told}");
    }
    Ok(())
}

#[test]
fn nothing_else_needs_a_browser() -> Result<()> {
    let machine = Machine::new()?;
    for recipe in ["test", "page", "report", "demo-oversell", "build", "server"] {
        let output = machine.just(recipe)?;
        ensure!(output.status.success(), "{recipe}: {}", told(&output));
        ensure!(output.stderr.is_empty(), "{recipe}: {}", told(&output));
    }
    Ok(())
}

#[test]
fn a_snap_in_disguise_is_not_taken_for_a_browser() -> Result<()> {
    let machine = Machine::new()?;
    machine.offer("2:1snap1-0ubuntu2")?;
    let output = machine.just("test-page")?;
    let told = told(&output);
    ensure!(output.status.code() == Some(69), "{told}");
    ensure!(told.contains("Chromium is missing"), "{told}");
    Ok(())
}

#[test]
fn a_machine_without_a_package_manager_is_told_what_to_install() -> Result<()> {
    let machine = Machine::new()?;
    let output = machine.just("test-page")?;
    let told = told(&output);
    ensure!(output.status.code() == Some(69), "{told}");
    ensure!(told.contains("Missing: Chromium."), "{told}");
    Ok(())
}

#[test]
fn through_a_link_it_finds_its_justfile_and_stays_where_the_caller_is() -> Result<()> {
    let machine = Machine::new()?;
    machine.stub(
        "just",
        "case $1 in --version) echo just 1.0 ;; *) echo \"$@\"; pwd -P ;; esac",
    )?;
    let elsewhere = TempDir::new()?;
    symlink(
        machine.dir.path().join("just"),
        elsewhere.path().join("far"),
    )?;
    symlink("far", elsewhere.path().join("near"))?;
    let output = machine.run(&elsewhere.path().join("near"), "demo-oversell")?;
    ensure!(output.status.success(), "{}", told(&output));
    let root = machine.dir.path().canonicalize()?;
    let expected = format!(
        "--justfile {0}/justfile demo-oversell\n{0}/bin\n",
        root.display()
    );
    ensure!(output.stdout == expected.as_bytes(), "{output:?}");
    Ok(())
}

/// The line of a recipe, as just hands it to the shell.
fn line_of(recipe: &str) -> Result<String> {
    let justfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../justfile");
    let text = fs::read_to_string(justfile)?;
    let lines = text
        .lines()
        .skip_while(|line| !line.starts_with(&format!("{recipe} ")))
        .skip(1)
        .take_while(|line| line.starts_with("    "));
    let line: String = lines.map(|line| format!("{line}\n")).collect();
    let line = line.trim().strip_prefix('@').context("no silent line")?;
    Ok(line.to_owned())
}

#[test]
fn the_tests_end_with_their_sum_and_the_exit_code_of_cargo() -> Result<()> {
    let machine = Machine::new()?;
    for (code, failed, sum) in [
        (0, 0, "7 passed, 0 failed in 2 test programs"),
        (101, 3, "7 passed, 3 failed in 2 test programs"),
    ] {
        machine.stub(
            "cargo",
            &format!(
                "echo 'test result: ok. 5 passed; {failed} failed; 1 ignored; 0 measured'\n\
                 echo 'test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured'\n\
                 echo 'test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured'\n\
                 exit {code}"
            ),
        )?;
        let path = format!("{}:/usr/bin:/bin", machine.bin().display());
        let output = Command::new("/bin/sh")
            .arg("-c")
            .arg(line_of("test")?)
            .env("PATH", path)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.code() == Some(code), "{output:?}");
        ensure!(text.ends_with(&format!("\n{sum}\n")), "{text}");
    }
    Ok(())
}

#[test]
fn a_phase_that_is_not_there_gets_a_sentence() -> Result<()> {
    for (one, two, missing) in [("1", "4", 4), ("9", "1", 9)] {
        let first = line_of("diff")?;
        let first = first.split("\n    @").next().context("a line")?;
        let output = Command::new("/bin/sh")
            .args(["-c", first, "diff", one, two])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
            .output()?;
        let told = told(&output);
        ensure!(output.status.code() == Some(2), "{output:?}");
        let sentence =
            format!("there is no phase {missing}: compare two of 1, 2 and 3");
        ensure!(told.starts_with(&sentence), "{told}");
        ensure!(told.lines().count() == 1, "{told}");
    }
    Ok(())
}
