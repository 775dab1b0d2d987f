//! Stores that are given by their URLs: whether they are what they should be, and answer.

use std::env;

use anyhow::{Context, anyhow};
use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use flash_core::Sku;
use flash_db::DbError;
use flash_engine::{Gates, redis_address};
use flash_lab_crowd::{Ending, StoreArgs};

/// A store that a URL can lead to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    name: &'static str,
    /// The first is what messages show.
    schemes: &'static [&'static str],
    variable: &'static str,
    flag: &'static str,
}

pub(crate) const POSTGRES: Kind = Kind {
    name: "PostgreSQL",
    schemes: &["postgres://", "postgresql://"],
    variable: "DATABASE_URL",
    flag: "--database-url",
};

pub(crate) const REDIS: Kind = Kind {
    name: "Redis",
    schemes: &[
        "redis://",
        "redis+unix://",
        "unix://",
        "rediss://",
        "redis-cluster://",
        "rediss-cluster://",
        "redis-sentinel://",
        "rediss-sentinel://",
    ],
    variable: "REDIS_URL",
    flag: "--redis-url",
};

impl Kind {
    /// What the URL was given by: what has to be changed where it is wrong.
    pub(crate) fn origin(self, url: &str) -> &'static str {
        if env::var(self.variable).is_ok_and(|value| value == url) {
            self.variable
        } else {
            self.flag
        }
    }

    /// Refuses a URL of something else. PostgreSQL also takes `host=… user=…`.
    fn check_scheme(self, url: &str) -> Result<(), Ending> {
        let is_pairs = self.name == POSTGRES.name && !url.contains("://");
        let is_known = self.schemes.iter().any(|scheme| url.starts_with(scheme));
        if is_known || (is_pairs && url.contains('=')) {
            return flash_db::check_url(url).map_err(|error| {
                Ending::Usage(format!("{}: {error}", self.origin(url)))
            });
        }
        let begins = match url.split_once("://") {
            Some((scheme, _)) => format!("begins with {scheme}://"),
            None => "has no scheme".to_owned(),
        };
        Err(Ending::Usage(format!(
            "{} is no URL of {}: it {begins}, which should be {}",
            self.origin(url),
            self.name,
            self.schemes.first().copied().unwrap_or_default()
        )))
    }
}

/// Asks each store that is given and used, Redis too, before anything is started.
///
/// # Errors
///
/// One sentence: which URL is wrong, or which store does not answer, and why.
pub(crate) async fn check(given: &StoreArgs, with_redis: bool) -> anyhow::Result<()> {
    let redis = given.redis_url.as_deref().filter(|_| with_redis);
    for (kind, url) in [(POSTGRES, given.database_url.as_deref()), (REDIS, redis)] {
        if let Some(url) = url {
            kind.check_scheme(url)?;
        }
    }
    if let Some(url) = redis {
        check_redis(url).await?;
    }
    if let Some(url) = given.database_url.as_deref() {
        postgres_version(url).await?;
    }
    Ok(())
}

/// Connects, and returns the version, such as `16.4`.
pub(crate) async fn postgres_version(url: &str) -> anyhow::Result<String> {
    POSTGRES.check_scheme(url)?;
    let unusable = |error: DbError| {
        let (address, origin) = (flash_db::address(url), POSTGRES.origin(url));
        if let DbError::Url(why) = &error {
            return Ending::Usage(format!("{origin}: {why}")).into();
        }
        // What stands above it says once more that there is no connection.
        let cause = anyhow::Error::from(error).root_cause().to_string();
        anyhow!("cannot use PostgreSQL at {address} ({origin}): {cause}")
    };
    flash_db::check_session(url).await.map_err(unusable)?;
    let mut conn = flash_db::connect(url).await.map_err(unusable)?;
    sql::<Text>("SELECT split_part(current_setting('server_version'), ' ', 1)")
        .get_result(&mut conn)
        .await
        .map_err(|error| unusable(error.into()))
}

/// Connects, and returns the version where it is told.
pub(crate) async fn redis_version(url: &str) -> anyhow::Result<Option<String>> {
    check_redis(url).await?;
    let told = flash_lab_wire::info(url, "server").await.ok();
    let version = |told: String| {
        let mut lines = told.lines();
        let version = lines.find_map(|line| line.strip_prefix("redis_version:"))?;
        Some(version.trim().to_owned())
    };
    Ok(told.and_then(version))
}

/// Looks whether Redis can be read.
async fn check_redis(url: &str) -> anyhow::Result<()> {
    REDIS.check_scheme(url)?;
    let origin = REDIS.origin(url);
    let address =
        redis_address(url).with_context(|| format!("{origin} is no URL of Redis"))?;
    let any = Sku::new("any")?;
    flash_engine::gate_free_units(url, &any)
        .await
        .with_context(|| format!("cannot use Redis at {address} ({origin})"))?;
    Ok(())
}

/// What the gate of a SKU has free; none without Redis, or where it has no such gate.
pub(crate) async fn gate_free_units<'a>(
    gates: Option<impl Into<Gates<'a>>>,
    sku: &Sku,
) -> anyhow::Result<Option<i64>> {
    match gates {
        Some(gates) => flash_engine::gate_free_units(gates, sku)
            .await
            .context("cannot read the gate, leave --redis-url out to audit without it"),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_something_else_is_told_with_what_it_should_begin_with() {
        let refused = POSTGRES.check_scheme("mysql://root@db/shop");
        assert_eq!(
            refused.expect_err("another database").to_string(),
            "--database-url is no URL of PostgreSQL: it begins with mysql://, which \
             should be postgres://"
        );
        assert!(REDIS.check_scheme("localhost:6379").is_err());
        assert!(REDIS.check_scheme("host=localhost").is_err());
        for sound in ["postgresql://db/shop", "host=/run user=shop"] {
            assert_eq!(POSTGRES.check_scheme(sound), Ok(()));
        }
        assert_eq!(REDIS.check_scheme("redis+unix:///run/redis.sock"), Ok(()));
    }
}
