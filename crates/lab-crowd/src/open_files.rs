//! The limit of open files: each buyer is one, here and in the server.

use anyhow::{Context, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What a process needs besides its buyers: pools, logs, libraries.
const SPARE: u64 = 200;

/// Returns the limits of this process: what it has, and what it may raise that to.
///
/// # Errors
///
/// The operating system does not tell.
pub fn limits() -> anyhow::Result<(u64, u64)> {
    getrlimit(Resource::RLIMIT_NOFILE).context("cannot read the limit of open files")
}

/// How many buyers fit into a limit.
pub fn buyers_within(limit: u64) -> u64 {
    limit.saturating_sub(SPARE)
}

/// Raises the limit to what a crowd needs; processes started later inherit it.
///
/// # Errors
///
/// This machine does not allow so many.
pub fn raise_for(buyers: u32) -> anyhow::Result<()> {
    let fits = raise_towards(buyers)?;
    let (needed, (_, hard)) = (u64::from(buyers) + SPARE, limits()?);
    ensure!(
        fits >= buyers,
        "{buyers} buyers need {needed} open files and this machine allows {hard}: take \
         --buyers {fits} or less, or raise the limit (as root: `ulimit -n {needed}`)"
    );
    Ok(())
}

/// Raises the limit as far as it goes towards a crowd, and returns the crowd that fits.
///
/// # Errors
///
/// The limit stays where it is.
pub fn raise_towards(buyers: u32) -> anyhow::Result<u32> {
    let (soft, hard) = limits()?;
    let wanted = (u64::from(buyers) + SPARE).min(hard);
    if wanted > soft {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)
            .with_context(|| format!("the limit of open files stays at {soft}"))?;
    }
    let fits = buyers_within(wanted.max(soft));
    Ok(buyers.min(u32::try_from(fits).unwrap_or(u32::MAX)))
}
