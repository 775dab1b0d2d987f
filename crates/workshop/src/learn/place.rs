//! Where the files of a learner are.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use flash_lab_crowd::error::Ending;

use crate::table::root;

/// Where progress, attempts and verdicts are kept: beside the workspace's manifest.
pub(crate) fn workshop(file: &str) -> PathBuf {
    let folder =
        env::var_os("LEARN_DIR").map_or(root().join(".workshop"), PathBuf::from);
    folder.join(file)
}

/// Writes a file, and the folders that it stands in.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().context("a file stands in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

/// Reads a file of the workspace, whatever ends its lines.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(root().join(path));
    let text = text.with_context(|| path.display().to_string())?;
    Ok(text.replace("\r\n", "\n"))
}

/// Refuses where the file system of Windows is under Linux: builds there take minutes, and
/// sockets do not work.
pub(crate) fn refuse_windows_drive() -> anyhow::Result<()> {
    refuse_below_mnt(&root())
}

fn refuse_below_mnt(root: &Path) -> anyhow::Result<()> {
    if root.starts_with("/mnt") {
        let text = format!(
            "{} is on a drive of Windows: copy the repository into the file system of Linux, \
             such as ~/flash-sale, and run it there",
            root.display()
        );
        return Err(Ending::Usage(text).into());
    }
    Ok(())
}

/// The folder in which cargo puts what `learn` was built with.
pub(crate) fn built() -> anyhow::Result<PathBuf> {
    let learn = env::current_exe().context("cannot find out where this program is")?;
    match learn.parent() {
        Some(folder) => Ok(folder.to_owned()),
        None => bail!("{} stands in no folder", learn.display()),
    }
}

/// A program that is built together with `learn`.
pub(crate) fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let path = built()?.join(name);
    if !path.is_file() {
        let text = format!(
            "no `{name}` beside `learn`: run `cargo build --workspace --bins --locked`"
        );
        return Err(Ending::MissingProgram(text).into());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_of_windows_is_refused_with_a_sentence() {
        let error = refuse_below_mnt(Path::new("/mnt/c/shop")).unwrap_err();
        assert!(
            error.to_string().contains("file system of Linux"),
            "{error}"
        );
        assert!(refuse_below_mnt(Path::new("/home/ann/shop")).is_ok());
    }
}
