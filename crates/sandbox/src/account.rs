//! As whom the programs run.

use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::unistd::{User, geteuid};

use crate::SandboxError;

/// Best first. PostgreSQL wants a user with an entry in passwd.
const STAND_INS: [&str; 2] = ["postgres", "nobody"];

/// The user that owns the directory and runs the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    /// The user we are.
    Own { uid: u32 },
    /// Someone else, because we are root and PostgreSQL refuses root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    pub(crate) fn choose() -> Result<Self, SandboxError> {
        if !geteuid().is_root() {
            return Ok(Self::own());
        }
        STAND_INS
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self::Other {
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
            })
            .ok_or(SandboxError::NoAccount)
    }

    pub(crate) fn own() -> Self {
        Self::Own {
            uid: geteuid().as_raw(),
        }
    }

    pub(crate) fn uid(self) -> u32 {
        match self {
            Self::Own { uid } | Self::Other { uid, .. } => uid,
        }
    }

    /// Lets `command` run as this user.
    pub(crate) fn apply(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
    }
}
