//! The directory of a sandbox, its lock, and what dead sandboxes left behind.
//!
//! A sandbox directory has a file `lock` that is locked from before it bears that name
//! until its supervisor ends. So one whose lock is free is a leftover.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;
use tempfile::TempDir;

use crate::SandboxError;
use crate::account::Account;
use crate::supervisor::Supervisor;

const PREFIX: &str = "flash-sale-";
const RANDOM_CHARS: usize = 8;

/// Content of the lock file, so that nobody else's directory is taken for ours.
const MARK: &str = "flash-sale sandbox; removed by its supervisor\n";

/// The address of a Unix socket holds 104 bytes on macOS, 108 on Linux.
const SOCKET_PATH_BYTES_MAX: usize = 100;
const LONGEST_SOCKET: &str = "/flash-sale-12345678/.s.PGSQL.65535.lock";

/// Enough for all leftovers together: they are cleared away at the same time.
const SWEEP_LIMIT: Duration = Duration::from_secs(5);

/// Returns the directory in which sandboxes are made: `TMPDIR` if the paths of sockets
/// below it are short and plain enough and `account` can get there, else `/tmp`.
pub(crate) fn parent(account: Account) -> PathBuf {
    env::var_os("TMPDIR")
        .map(PathBuf::from)
        .filter(|dir| is_plain(dir) && can_reach(account, dir))
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// Whether socket paths below `dir` can stand unquoted in addresses and configurations.
fn is_plain(dir: &Path) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    dir.is_absolute()
        && dir.to_str().is_some_and(|text| {
            text.chars().all(plain)
                && text.len() + LONGEST_SOCKET.len() <= SOCKET_PATH_BYTES_MAX
        })
}

fn can_reach(account: Account, dir: &Path) -> bool {
    let open_to_all = |dir: &Path| {
        dir.metadata()
            .is_ok_and(|it| it.permissions().mode() & 0o001 != 0)
    };
    match account {
        Account::Own { .. } => true,
        Account::Other { .. } => dir.ancestors().all(open_to_all),
    }
}

/// Makes a new directory, for us alone, and locks it. It is removed again unless kept.
pub(crate) fn create(parent: &Path) -> Result<(TempDir, File), SandboxError> {
    let dir = tempfile::Builder::new()
        .prefix(PREFIX)
        .rand_bytes(RANDOM_CHARS)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(|source| SandboxError::Directory {
            parent: parent.to_owned(),
            source,
        })?;
    let lock = make_lock(dir.path()).map_err(|source| SandboxError::Write {
        path: dir.path().join("lock"),
        source,
    })?;
    Ok((dir, lock))
}

/// The name comes last: without it the directory is not swept, with it it is locked.
fn make_lock(dir: &Path) -> io::Result<File> {
    let unnamed = dir.join("lock.new");
    let mut lock = File::create_new(&unnamed)?;
    lock.lock()?;
    lock.write_all(MARK.as_bytes())?;
    fs::rename(&unnamed, dir.join("lock"))?;
    Ok(lock)
}

/// Writes a file that only its owner can read.
pub(crate) fn write(path: &Path, content: &str) -> Result<(), SandboxError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .map_err(|source| SandboxError::Write {
            path: path.to_owned(),
            source,
        })
}

/// Gives the directory and the files in it to the user that will work there.
pub(crate) fn hand_over(dir: &Path, account: Account) -> Result<(), SandboxError> {
    let Account::Other { uid, gid } = account else {
        return Ok(());
    };
    let give = |path: &Path| chown(path, Some(uid), Some(gid));
    // The directory last: until then the new owner cannot put links in our way.
    fs::read_dir(dir)
        .and_then(|mut entries| entries.try_for_each(|entry| give(&entry?.path())))
        .and_then(|()| give(dir))
        .map_err(|source| SandboxError::Write {
            path: dir.to_owned(),
            source,
        })
}

/// Ends and removes what sandboxes left behind whose supervisor was killed.
///
/// Does what it can: a leftover that resists is no reason not to start.
pub(crate) fn sweep(parent: &Path, account: Account, shell: &[&str]) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    let cleaners: Vec<Supervisor> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| clear(&entry.path(), account, shell))
        .collect();
    for mut cleaner in cleaners {
        cleaner.finish(SWEEP_LIMIT);
    }
}

/// Starts clearing `dir` away if it is a leftover sandbox of ours.
pub(crate) fn clear(
    dir: &Path,
    account: Account,
    shell: &[&str],
) -> Option<Supervisor> {
    let random = dir.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let metadata = dir.symlink_metadata().ok()?;
    let (uid, gid) = (metadata.uid(), metadata.gid());
    let own = Account::own();
    if random.len() != RANDOM_CHARS || !metadata.is_dir() {
        return None;
    }
    let owner = if uid == own.uid() {
        own
    } else if uid == account.uid() {
        Account::Other { uid, gid }
    } else {
        return None;
    };
    let lock = take_lock(&dir.join("lock"))?;
    Supervisor::spawn_cleaner(shell, dir, owner, lock).ok()
}

fn take_lock(path: &Path) -> Option<File> {
    let lock = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)
        .ok()?;
    lock.try_lock().ok()?;
    let mut content = String::new();
    let limit = u64::try_from(MARK.len()).ok()? + 1;
    Read::take(&lock, limit).read_to_string(&mut content).ok()?;
    (content == MARK).then_some(lock)
}
