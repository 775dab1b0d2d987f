//! How a command ends when it does not end well.

use flash_sandbox::SandboxError;

/// An ending with an exit code of its own; any other error is 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// An invariant is violated, or the promised oversell did not happen.
    #[error("{0}")]
    NotAsPromised(String),
    /// The judge found a rule broken, and has said which.
    #[error("{0}")]
    RuleBroken(String),
    /// Phase 1 did not fail, though it is there to fail: whoever mended it did well.
    #[error("{0}")]
    BetterThanPromised(String),
    /// A program is missing; the text has the command that gets it.
    #[error("{0}")]
    MissingProgram(String),
    /// Ctrl-C.
    #[error("interrupted; everything that was started is gone")]
    Interrupted,
}

impl Ending {
    /// Whether something went wrong.
    #[must_use]
    pub fn is_mistake(&self) -> bool {
        !matches!(
            self,
            Self::Interrupted | Self::BetterThanPromised(_) | Self::RuleBroken(_)
        )
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::NotAsPromised(_)
            | Self::RuleBroken(_)
            | Self::BetterThanPromised(_) => 3,
            Self::MissingProgram(_) => 69,
            Self::Interrupted => 130,
        }
    }
}

/// Returns the exit code for an error.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    let ending = error.downcast_ref().map(Ending::exit_code);
    let missing = || error.downcast_ref().map(SandboxError::exit_code);
    ending.or_else(missing).unwrap_or(1)
}

/// Joins an error and its causes with colons, without those that an error before has
/// already told.
#[must_use]
pub fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn an_error_is_one_sentence_that_says_nothing_twice() {
        let error = anyhow!("no space left")
            .context("cannot write a: no space left")
            .context("the run stopped");
        let text = "the run stopped: cannot write a: no space left";
        assert_eq!(sentence(&error), text);
    }

    #[test]
    fn the_exit_code_survives_context() {
        let ending = anyhow::Error::from(Ending::NotAsPromised("x".into()));
        assert_eq!(exit_code(&ending.context("naive")), 3);
        assert_eq!(exit_code(&anyhow!("anything")), 1);
    }
}
