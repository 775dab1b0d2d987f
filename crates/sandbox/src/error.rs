use std::io;
use std::path::PathBuf;

/// Why there is no sandbox. Each message says what failed, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A program is not installed, or not where we look.
    #[error(
        "{program} was not found; install it with `{install}`, \
         or run ./just, which installs it"
    )]
    MissingProgram {
        /// The program, and where it was looked for if not everywhere.
        program: String,
        /// The command that installs it on this machine.
        install: String,
    },

    /// Only older versions of a program than we can use are installed.
    #[error(
        "{} is version {found}, but {needed} or newer is needed; \
         install it with `{install}`",
        path.display()
    )]
    TooOld {
        /// The program that was found.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The oldest version that will do, such as `PostgreSQL 14`.
        needed: &'static str,
        /// The command that installs it on this machine.
        install: String,
    },

    /// We are root, PostgreSQL refuses root, and there is no one else to be.
    #[error(
        "PostgreSQL refuses to run as root and there is neither a user postgres \
         nor a user nobody; run this as another user"
    )]
    NoAccount,

    /// The directory of the sandbox cannot be made.
    #[error(
        "cannot make a directory in {}: {source}; \
         set TMPDIR to a directory that you may write to",
        parent.display()
    )]
    Directory {
        /// Where the directory was to be made.
        parent: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },

    /// A file of the sandbox, or the log of a supervised program, cannot be written.
    #[error(
        "cannot write {}: {source}; check the free space and permissions there",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },

    /// No free TCP port, or no randomness for the password.
    #[error("cannot prepare {what}: {source}")]
    Prepare {
        /// What was being prepared.
        what: &'static str,
        /// What the operating system says.
        source: io::Error,
    },

    /// A program cannot be started at all.
    #[error("cannot start {program}: {source}; check that it may be executed")]
    Start {
        /// The program.
        program: String,
        /// What the operating system says.
        source: io::Error,
    },

    /// A program ended before it was ready, or was not ready in time.
    #[error("{program} {what}; see the end of its log{}", indented(log))]
    Failed {
        /// The program.
        program: String,
        /// What became of it.
        what: &'static str,
        /// The last 20 lines of its log.
        log: String,
    },
}

impl SandboxError {
    /// Returns the code with which a program that fails for this reason should exit:
    /// 69 (`EX_UNAVAILABLE`) if something has to be installed, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::MissingProgram { .. } => 69,
            _ => 1,
        }
    }
}

fn indented(log: &str) -> String {
    if log.is_empty() {
        return ", which is empty (is the disk full?)".to_owned();
    }
    log.lines().map(|line| format!("\n    {line}")).collect()
}
