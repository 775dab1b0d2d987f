//! `lab doctor`: what it finds.

use anyhow::{Result, ensure};
use flash_sandbox::{find_postgres, find_redis};
use flash_testkit::Stores;

use crate::{ended, lab};

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_connects_to_what_is_given() -> Result<()> {
    let stores = Stores::empty().await?;
    let (postgres, redis) = (stores.database_url(), stores.redis_url());
    let given = format!("DATABASE_URL={postgres} REDIS_URL={redis} doctor");
    let (found, _) = ended(&mut lab(&given), 0);
    for words in [
        format!("PostgreSQL {} answers", find_postgres()?.version),
        format!("Redis {} answers", find_redis()?.version),
        "PostgreSQL >= 14".to_owned(),
        "Docker, compose".to_owned(),
        "for every build".to_owned(),
    ] {
        ensure!(found.contains(&words), "{found}");
    }
    Ok(())
}
