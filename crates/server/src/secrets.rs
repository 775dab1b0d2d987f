//! URLs and tokens, which nobody may read in a message.

use std::fmt::{self, Display, Formatter};

use actix_web::http::header::HeaderValue;
use flash_core::reason;
use flash_db::{Pool, PoolOptions};

use crate::cli::Settings;

/// A value that clap took for a valid one.
#[derive(Debug)]
pub(crate) struct Invalid(String);

impl std::error::Error for Invalid {}

impl From<&str> for Invalid {
    fn from(sentence: &str) -> Self {
        Self(sentence.to_owned())
    }
}

impl Display for Invalid {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says which secret is wrong, before anything is started. None of it is shown. What only
/// Redis' own client can tell follows when a strategy is made: see [`no_redis_url`].
pub(crate) fn check_secrets(settings: &Settings) -> Result<(), Invalid> {
    if let Some(url) = &settings.database_url {
        let name = "--database-url (DATABASE_URL)";
        check_url(name, url)?;
        Pool::new(url, PoolOptions::default())
            .map_err(|error| Invalid(format!("{name}: {}", reason(&error))))?;
    }
    if let Some(url) = &settings.redis_url {
        check_url(REDIS_URL, url)?;
    }
    match &settings.admin_token {
        Some(token) if HeaderValue::from_bytes(token.as_bytes()).is_err() => {
            Err(Invalid(
                "--admin-token (ADMIN_TOKEN): no header can carry its control characters"
                    .to_owned(),
            ))
        }
        _ => Ok(()),
    }
}

const REDIS_URL: &str = "--redis-url (REDIS_URL)";

/// What a strategy says of a URL that does not lead to a Redis.
pub(crate) fn no_redis_url(url: &str, error: &dyn std::error::Error) -> Invalid {
    invalid_url(REDIS_URL, url, error)
}

fn check_url(name: &str, url: &str) -> Result<(), Invalid> {
    if url.is_empty() {
        return Err(Invalid(format!(
            "{name}: it is empty; unset it or give a URL"
        )));
    }
    flash_db::check_url(url).map_err(|error| Invalid(format!("{name}: {error}")))
}

fn invalid_url(name: &str, url: &str, error: &dyn std::error::Error) -> Invalid {
    // The cause may quote a parameter, and the password may be one.
    let why = if url.contains("pass") {
        error.to_string()
    } else {
        reason(error)
    };
    Invalid(format!("{name}: {why}"))
}
