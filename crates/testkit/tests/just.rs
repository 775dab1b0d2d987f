//! `./just` on a machine of our making: what it installs for which recipe.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// What the script takes for granted.
const TOOLS: [&str; 4] = ["dirname", "sed", "uname", "env"];

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
        machine.stub("just", "case $1 in --version) echo just 1.0 ;; esac")?;
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
        let script = self.dir.path().join("just");
        Ok(Command::new("/bin/sh")
            .arg(script)
            .arg(recipe)
            .env_clear()
            .env("PATH", self.bin())
            .env("HOME", self.dir.path())
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
