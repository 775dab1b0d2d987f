//! Stores that are given by their URLs: whether they are what they should be, and answer.

use std::env;

use anyhow::{Context, anyhow};
use flash_core::Sku;
use flash_db::DbError;
use flash_engine::{Gates, redis_address};
use flash_lab_crowd::{Ending, StoreArgs, database_facts};

/// A store that a URL can lead to.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    /// The first is what messages show.
    schemes: &'static str,
    variable: &'static str,
    flag: &'static str,
    /// Whether it also takes `host=… user=…`.
    takes_pairs: bool,
}

const POSTGRES: Kind = Kind {
    name: "PostgreSQL",
    schemes: "postgres postgresql",
    variable: "DATABASE_URL",
    flag: "--database-url",
    takes_pairs: true,
};

const REDIS: Kind = Kind {
    name: "Redis",
    schemes: "redis redis+unix unix rediss redis-cluster rediss-cluster redis-sentinel \
              rediss-sentinel",
    variable: "REDIS_URL",
    flag: "--redis-url",
    takes_pairs: false,
};

impl Kind {
    /// What the URL was given by: what has to be changed where it is wrong.
    fn origin(&self, url: &str) -> &'static str {
        match env::var(self.variable) {
            Ok(value) if value == url => self.variable,
            _ => self.flag,
        }
    }

    /// Refuses a URL of something else.
    fn check(&self, url: &str) -> Result<(), Ending> {
        let origin = self.origin(url);
        let mut schemes = self.schemes.split(' ');
        let begins = match url.split_once("://") {
            Some((scheme, _)) if schemes.clone().any(|it| it == scheme) => {
                return flash_db::check_url(url)
                    .map_err(|error| Ending::Usage(format!("{origin}: {error}")));
            }
            Some((scheme, _)) => format!("begins with {scheme}://"),
            None if self.takes_pairs && url.contains('=') => return Ok(()),
            None => "has no scheme".to_owned(),
        };
        Err(Ending::Usage(format!(
            "{origin} is no URL of {}: it {begins}, which should be {}://",
            self.name,
            schemes.next().unwrap_or_default()
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
    let postgres = given.database_url.as_deref();
    if let Some(url) = postgres {
        POSTGRES.check(url)?;
    }
    if let Some(url) = redis {
        check_redis(url).await?;
    }
    if let Some(url) = postgres {
        postgres_version(url).await?;
    }
    Ok(())
}

/// Connects, and returns the version, such as `16.4`.
pub(crate) async fn postgres_version(url: &str) -> anyhow::Result<String> {
    POSTGRES.check(url)?;
    let asked = async {
        flash_db::check_session(url).await?;
        let mut conn = flash_db::connect(url).await?;
        Ok(database_facts(&mut conn).await?.0)
    };
    asked.await.map_err(|error: DbError| {
        let (address, origin) = (flash_db::address(url), POSTGRES.origin(url));
        if let DbError::Url(why) = &error {
            return Ending::Usage(format!("{origin}: {why}")).into();
        }
        // What stands above it says once more that there is no connection.
        let cause = anyhow::Error::from(error).root_cause().to_string();
        anyhow!("cannot use PostgreSQL at {address} ({origin}): {cause}")
    })
}

/// Connects, and returns the version where it is told.
pub(crate) async fn redis_version(url: &str) -> anyhow::Result<Option<String>> {
    check_redis(url).await?;
    let told = flash_lab_wire::info(url, "server")
        .await
        .unwrap_or_default();
    let mut lines = told.lines();
    let version = lines.find_map(|line| line.strip_prefix("redis_version:"));
    Ok(version.map(|it| it.trim().to_owned()))
}

/// Looks whether Redis can be read.
async fn check_redis(url: &str) -> anyhow::Result<()> {
    REDIS.check(url)?;
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
    let Some(gates) = gates else {
        return Ok(None);
    };
    flash_engine::gate_free_units(gates, sku)
        .await
        .context("cannot read the gate, leave --redis-url out to audit without it")
}
