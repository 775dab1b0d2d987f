//! URLs and tokens, which nobody may read in a message.

use std::fmt::{self, Display, Formatter};

use actix_web::http::header::HeaderValue;
use flash_core::reason;
use flash_db::{Pool, PoolOptions};
use flash_engine::Gate;

use crate::cli::Args;

/// A value that clap took for a valid one.
#[derive(Debug)]
pub struct Invalid(String);

impl std::error::Error for Invalid {}

impl Display for Invalid {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says which secret is wrong, before anything is started. None of it is shown.
///
/// # Errors
///
/// [`Invalid`] names the flag and what is wrong.
pub fn check_secrets(args: &Args) -> Result<(), Invalid> {
    if let Some(url) = &args.database_url {
        check_url("--database-url (DATABASE_URL)", url, |url| {
            Pool::new(url, PoolOptions::default())
        })?;
    }
    if let Some(url) = &args.redis_url {
        check_url("--redis-url (REDIS_URL)", url, Gate::new)?;
    }
    match &args.admin_token {
        Some(token) if HeaderValue::from_bytes(token.as_bytes()).is_err() => {
            Err(Invalid(
                "--admin-token (ADMIN_TOKEN): no header can carry its control characters"
                    .to_owned(),
            ))
        }
        _ => Ok(()),
    }
}

fn check_url<T, E: std::error::Error>(
    name: &str,
    url: &str,
    open: impl FnOnce(&str) -> Result<T, E>,
) -> Result<(), Invalid> {
    if url.is_empty() {
        return Err(Invalid(format!(
            "{name}: it is empty; unset it or give a URL"
        )));
    }
    flash_db::check_url(url).map_err(|error| Invalid(format!("{name}: {error}")))?;
    open(url).map_err(|error| {
        // The cause may quote a parameter, and the password may be one.
        let quotable = !url.contains("pass");
        let why = if quotable {
            reason(&error)
        } else {
            error.to_string()
        };
        Invalid(format!("{name}: {why}"))
    })?;
    Ok(())
}
