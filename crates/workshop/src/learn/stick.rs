//! What a room without network needs, on one stick.
//!
//! Archives, because the file systems of sticks keep no permissions and no exact times, and a
//! warm `target` is of no use without them.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use flash_lab_crowd::error::Ending;
use flash_lab_crowd::progress::Progress as Shown;

use super::place::workshop;
use crate::table::root;

/// What stays here: what is built, what belongs to a learner or to git, and secrets.
const STAYS: [&str; 6] = ["target", ".git", ".workshop", ".tools", ".env", ".cargo"];

/// What `./just` would install with a network.
const TOOLS: [&str; 2] = ["just", "mdbook"];

/// What the stores and the linker come from.
const PACKAGES: [&str; 5] = [
    "postgresql",
    "redis-server",
    "gcc",
    "libc6-dev",
    "ca-certificates",
];

/// Installs the packages from their index: nothing that is there already gets older.
const APT: &str = "\
    cd STICK/debs
    echo \"deb [trusted=yes] file:$PWD ./\" >/tmp/room.list
    apt='sudo apt-get -o Dir::Etc::sourcelist=/tmp/room.list -o Dir::Etc::sourceparts=-'
    apt=\"$apt -o APT::Get::List-Cleanup=0 -o APT::Sandbox::User=root\"
    $apt update && $apt install --yes PACKAGES
";

/// Writes a stick. What could not be had is said.
pub(crate) fn write(folder: &Path) -> anyhow::Result<String> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let folder = folder.canonicalize()?;
    if folder.starts_with(root()) {
        let text = "the stick would be copied onto itself: name a folder outside of the repository";
        return Err(Ending::Usage(text.to_owned()).into());
    }
    let shown = Shown::start();
    // On the disk of the workspace, which keeps what a stick does not.
    let copy = workshop("stick");
    // What an interrupted run has left.
    drop(fs::remove_dir_all(&copy));
    let written = fill(&folder, &copy.join("shop"), &shown);
    fs::remove_dir_all(&copy).with_context(|| copy.display().to_string())?;
    drop(shown);
    Ok(format!(
        "\n{}  how it is used: {}\n",
        written?,
        folder.join("READ-ME.md").display()
    ))
}

fn fill(folder: &Path, shop: &Path, shown: &Shown) -> anyhow::Result<String> {
    let mut said = String::new();
    shown.step("copying the workspace");
    copy_workspace(shop)?;
    shown.step("fetching all crates");
    vendor(shop)?;
    pack(&folder.join("shop.tar.gz"), shop, "shop", &["shop/target"])?;
    said +=
        "  shop.tar.gz: the repository, with the sources of all crates in vendor/\n";
    shown.step("building what a class builds first, as it will lie there");
    said += &match build(shop) {
        Ok(()) => {
            pack(
                &folder.join("target.tar.gz"),
                &shop.join("target"),
                "target",
                &[],
            )?;
            "  target.tar.gz: what is built of it, so that the first build takes seconds\n".to_owned()
        }
        Err(error) => format!("  no target.tar.gz: {error:#}\n"),
    };
    shown.step("packing the tool chain");
    said += &tool_chain(folder)?;
    shown.step("fetching packages");
    said += &packages(&folder.join("debs"))?;
    said += &book(folder, shop)?;
    said += "  no image for Docker: on Windows and macOS, use WSL2 or a virtual machine with Linux\n";
    fs::write(folder.join("READ-ME.md"), read_me(folder)?)?;
    Ok(said)
}

/// How it is used, as far as it is there.
fn read_me(folder: &Path) -> anyhow::Result<String> {
    let has = |name: &str| folder.join(name).exists();
    let mut text = format!(
        "# A room without network\n\nWritten on {}. On each laptop with the same system (or WSL2, inside \
         the file system of Linux), once, with STICK for where the stick is:\n\n",
        system()
    );
    if has("debs/Packages") {
        text += &APT.replace("PACKAGES", &PACKAGES.join(" "));
    } else {
        text += "PostgreSQL, Redis and a C linker have to be there: they are not on this stick.\n\n";
    }
    if has("toolchain.tar.gz") {
        text += "    tar -xzf STICK/toolchain.tar.gz -C ~ && export PATH=~/rust/bin:$PATH\n";
    } else {
        text += "Rust has to be there, in the version of rust-toolchain.toml: it is not on this stick.\n\n";
    }
    text += "    tar -xzf STICK/shop.tar.gz -C ~\n";
    if has("target.tar.gz") {
        text += "    tar -xzf STICK/target.tar.gz -C ~/shop\n";
    }
    text += "    cd ~/shop && cargo run --locked --bin learn -- check e00\n\n";
    text +=
        "`.cargo/config.toml` in it tells cargo to take all sources from `vendor`. ";
    text += match has("book") {
        true => {
            "The book is `STICK/book/index.html`, and as plain text `docs/book/src`.\n"
        }
        false => "The book is `docs/book/src`, in plain text.\n",
    };
    Ok(text)
}

/// The name of this system, and its processor.
fn system() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release
        .lines()
        .find_map(|it| it.strip_prefix("PRETTY_NAME="));
    let name = name.unwrap_or(env::consts::OS).trim_matches('"');
    format!("{name}, {}", env::consts::ARCH)
}

fn copy_workspace(shop: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(shop).with_context(|| shop.display().to_string())?;
    for entry in fs::read_dir(root())? {
        let entry = entry?;
        let name = entry.file_name();
        if STAYS.iter().all(|it| name != *it) {
            copy(&entry.path(), &shop.join(&name))?;
        }
    }
    for name in TOOLS {
        let found = [root().join(".tools/bin").join(name)]
            .into_iter()
            .chain(on_path(name));
        if let Some(program) = found.into_iter().find(|it| it.is_file()) {
            let tools = shop.join(".tools/bin");
            fs::create_dir_all(&tools)?;
            copy(&program, &tools.join(name))?;
        }
    }
    Ok(())
}

/// A program of this name that is none of ours: `./just` is a script, which installs it.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut folders =
        env::split_paths(&path).filter(|it| it.canonicalize().ok() != Some(root()));
    folders.find_map(|it| it.join(name).canonicalize().ok())
}

/// Keeps the times of files.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    run(Command::new("cp").args(["-a", "-T"]).args([from, to]))
}

/// Packs a folder under another name, without some of what is in it.
fn pack(
    archive: &Path,
    folder: &Path,
    name: &str,
    without: &[&str],
) -> anyhow::Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(archive).arg("-C").arg(folder);
    tar.args(without.iter().map(|it| format!("--exclude={it}")));
    tar.arg(format!("--transform=s,^\\.,{name},"));
    run(tar.arg("."))
}

/// Fetches the sources of all crates, and has cargo take them from there and from nowhere
/// else.
fn vendor(shop: &Path) -> anyhow::Result<()> {
    let mut vendor = Command::new(cargo());
    vendor
        .current_dir(shop)
        .args(["vendor", "--locked", "vendor"]);
    let output = vendor
        .stderr(Stdio::piped())
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "cargo vendor: {}",
        last_line(&output.stderr)
    );
    // It says itself from where to take what it has fetched.
    let config = String::from_utf8_lossy(&output.stdout).into_owned();
    fs::create_dir_all(shop.join(".cargo"))?;
    fs::write(
        shop.join(".cargo/config.toml"),
        config + "\n[net]\noffline = true\n",
    )?;
    Ok(())
}

/// Builds as `./just` and `learn check` do, so that both find it done.
fn build(shop: &Path) -> anyhow::Result<()> {
    let first = ["--bins"].as_slice();
    let exercise =
        ["--features", "flash-workshop/learn", "--example", "e00"].as_slice();
    for what in [first, exercise] {
        let mut build = Command::new(cargo());
        build
            .current_dir(shop)
            .env("CARGO_TARGET_DIR", shop.join("target"));
        build
            .args(["build", "--workspace", "--locked", "--quiet"])
            .args(what);
        run(&mut build)?;
    }
    // Of no use to who builds next, and the larger half.
    drop(fs::remove_dir_all(shop.join("target/debug/incremental")));
    Ok(())
}

/// The compiler with which this was built, and cargo; rustup is not needed where they are.
fn tool_chain(folder: &Path) -> anyhow::Result<String> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = output
        .ok()
        .filter(|it| it.status.success())
        .map(|it| it.stdout);
    let sysroot = sysroot.and_then(|it| String::from_utf8(it).ok());
    let Some(sysroot) = sysroot else {
        return Ok("  no toolchain.tar.gz: rustc does not say where it is\n".to_owned());
    };
    let sysroot = Path::new(sysroot.trim());
    if !sysroot.join("bin/cargo").is_file() {
        let text = "  no toolchain.tar.gz: there is no cargo beside rustc; rustup.rs has installers\n";
        return Ok(text.to_owned());
    }
    pack(
        &folder.join("toolchain.tar.gz"),
        sysroot,
        "rust",
        &["./share/doc"],
    )?;
    Ok("  toolchain.tar.gz: Rust, for this kind of machine\n".to_owned())
}

/// Packages of this system with all that they need, and an index of them.
fn packages(to: &Path) -> anyhow::Result<String> {
    let fetched = fetch_packages(to).and_then(|count| {
        fs::write(to.join("Packages"), index(to)?)?;
        Ok(count)
    });
    Ok(match fetched {
        Ok(count) => format!("  debs/: {count} packages of {}\n", system()),
        Err(error) => {
            // Half of them would be worse than none.
            drop(fs::remove_dir_all(to));
            format!("  no debs/: {error:#}\n")
        }
    })
}

fn fetch_packages(to: &Path) -> anyhow::Result<usize> {
    fs::create_dir_all(to)?;
    let mut asking = Command::new("apt-cache");
    asking.args(["depends", "--recurse", "--no-recommends", "--no-suggests"]);
    asking.args([
        "--no-conflicts",
        "--no-breaks",
        "--no-replaces",
        "--no-enhances",
    ]);
    let output = asking.args(PACKAGES).stderr(Stdio::null()).output();
    let output = output.context("there is no apt here")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // Names stand at the begin of a line; virtual packages in brackets.
    let names: BTreeSet<_> = text
        .lines()
        .filter(|it| it.starts_with(|it: char| it.is_ascii_alphanumeric()))
        .collect();
    ensure!(
        !names.is_empty(),
        "apt knows no packages: sudo apt-get update"
    );
    let mut download = Command::new("apt-get");
    run(download.current_dir(to).arg("download").args(&names))?;
    // apt takes the sign of percent in an index for something else.
    for entry in fs::read_dir(to)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        fs::rename(&path, path.with_file_name(name.replace('%', "_")))?;
    }
    Ok(names.len())
}

/// What apt has to know of each package.
fn index(folder: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let said = |program: &str, arguments: &[&str]| -> anyhow::Result<String> {
            let output = Command::new(program).args(arguments).arg(&path).output();
            let output = output.with_context(|| format!("cannot run {program}"))?;
            ensure!(
                output.status.success(),
                "{program}: {}",
                last_line(&output.stderr)
            );
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let fields = said("dpkg-deb", &["-f"])?;
        let sum = said("sha256sum", &[])?;
        let sum = sum.split_whitespace().next().unwrap_or_default();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let size = path.metadata()?.len();
        write!(
            text,
            "{}\nFilename: ./{name}\nSize: {size}\nSHA256: {sum}\n\n",
            fields.trim_end()
        )?;
    }
    Ok(text)
}

/// The book, built; from where it was built before where nothing here can build it.
fn book(folder: &Path, shop: &Path) -> anyhow::Result<String> {
    let to = folder.join("book");
    let tools = shop.join(".tools/bin/mdbook");
    let mdbook = if tools.is_file() {
        tools
    } else {
        "mdbook".into()
    };
    let mut build = Command::new(mdbook);
    build
        .arg("build")
        .arg(shop.join("docs/book"))
        .arg("--dest-dir")
        .arg(&to);
    let built = build.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if built.is_ok_and(|it| it.success()) {
        return Ok("  book/: begin at index.html\n".to_owned());
    }
    let before = root().join("target/book");
    if before.is_dir() {
        copy(&before, &to)?;
        return Ok("  book/: as ./just book built it last\n".to_owned());
    }
    Ok("  no book/: there is no mdBook; ./just book installs it, and docs/book/src can be read\n".to_owned())
}

fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or("cargo".into(), PathBuf::from)
}

/// Runs a command; where it fails, the last line that it says is why.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdout(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!("{name}: {}", last_line(&output.stderr));
    }
    Ok(())
}

fn last_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    said.trim_end()
        .lines()
        .last()
        .unwrap_or_default()
        .to_owned()
}
