//! What a room without network needs, on one stick.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::table::root;

/// What is on it, and how it is used.
const READ_ME: &str = "\
# A room without network

On each laptop (Linux, or WSL2 inside the file system of Linux), once:

    sudo dpkg -i STICK/debs/*.deb         # PostgreSQL and Redis, if they are missing
    cp -r STICK/shop ~/shop && cd ~/shop
    mkdir -p .cargo && cp STICK/cargo-config.toml .cargo/config.toml
    cp -a STICK/target ~/shop/target      # optional: the first build takes seconds then
    cargo run --locked --offline --bin learn -- check e00

The book is `docs/book/src`, or `book/index.html` where it is there.
What is not on the stick: the tool chain. rustup has an offline installer for each system.
";

/// Writes a stick: the workspace with its crates, the Debian packages of the stores where
/// apt can fetch them, and how to use them. What could not be had is said.
pub(crate) fn write(folder: &Path) -> anyhow::Result<String> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let folder = folder.canonicalize()?;
    let mut said = String::new();
    let crates = folder.join("shop/vendor");
    copy_workspace(&folder.join("shop"))?;
    let vendored = Command::new("cargo")
        .current_dir(root())
        .args(["vendor", "--locked", "--versioned-dirs"])
        .arg(&crates)
        .output()
        .context("cannot run cargo vendor")?;
    ensure!(
        vendored.status.success(),
        "cargo vendor: {}",
        String::from_utf8_lossy(&vendored.stderr)
    );
    let config = "[source.crates-io]\nreplace-with = \"vendored\"\n\n\
                  [source.vendored]\ndirectory = \"vendor\"\n";
    fs::write(folder.join("cargo-config.toml"), config)?;
    fs::write(folder.join("READ-ME.md"), READ_ME)?;
    said += "  shop/ with all crates in vendor/\n";
    said += &packages(&folder.join("debs"))?;
    for (from, to) in [("target/book", "book"), ("target/debug", "target/debug")] {
        let from = root().join(from);
        if from.is_dir() {
            copy(&from, &folder.join(to))?;
            said += &format!("  {to}/\n");
        } else {
            said += &format!("  no {to}/: it is not built here\n");
        }
    }
    Ok(format!(
        "\n{said}  how it is used: {}\n",
        folder.join("READ-ME.md").display()
    ))
}

fn copy_workspace(to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(root())? {
        let entry = entry?;
        let name = entry.file_name();
        if ["target", ".git", ".workshop", ".tools"]
            .iter()
            .any(|it| name == *it)
        {
            continue;
        }
        copy(&entry.path(), &to.join(&name))?;
    }
    Ok(())
}

/// Keeps the times of files: a warm target folder is of no use without them.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if let Some(above) = to.parent() {
        fs::create_dir_all(above)?;
    }
    let status = Command::new("cp")
        .arg("-a")
        .arg("-T")
        .args([from, to])
        .status()?;
    ensure!(status.success(), "cannot copy {}", from.display());
    Ok(())
}

fn packages(to: &Path) -> anyhow::Result<String> {
    fs::create_dir_all(to)?;
    let names = ["postgresql", "postgresql-client-common", "redis-server"];
    let fetched = Command::new("apt-get")
        .current_dir(to)
        .arg("download")
        .args(names)
        .output();
    Ok(match fetched {
        Ok(output) if output.status.success() => {
            format!("  debs/: {}\n", names.join(", "))
        }
        _ => "  no debs/: apt-get download did not work here\n".to_owned(),
    })
}
