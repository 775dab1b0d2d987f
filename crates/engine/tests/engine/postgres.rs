//! The contract over the ways to PostgreSQL that others have: TLS, and a pooler of sessions.

use anyhow::Result;
use flash_db::{Pool, PoolOptions};
use flash_engine::Strategy;
use flash_sandbox::PoolMode;
use flash_testkit::Stores;

use crate::tampering::OPTIONS;

fn start_at(stores: &Stores, database_url: &str) -> Result<Strategy> {
    let options = PoolOptions {
        size: 4,
        ..PoolOptions::default()
    };
    let pool = Pool::new(database_url, options)?;
    let redis_url = stores.redis_url();
    Ok(Strategy::start(pool, database_url, redis_url, OPTIONS)?)
}

mod over_tls {
    use super::*;

    fn start(stores: &Stores) -> Result<Strategy> {
        start_at(stores, &stores.database_url_over_tls()?)
    }

    flash_testkit::contract_suite!(start);
}

mod behind_pgbouncer {
    use super::*;

    fn start(stores: &Stores) -> Result<Strategy> {
        let url = stores.database_url_behind_pgbouncer(PoolMode::Session)?;
        start_at(stores, &url)
    }

    flash_testkit::contract_suite!(start);
}
