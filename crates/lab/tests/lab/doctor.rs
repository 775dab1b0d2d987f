//! `lab doctor`: what it finds, and what it misses.

use anyhow::{Result, ensure};
use flash_testkit::Stores;

use crate::{ended, lab};

#[test]
fn the_doctor_tells_what_is_missing() {
    let (found, _) = ended(&mut lab("doctor"), 0);
    for words in ["PostgreSQL >= 14", "Docker, compose", "for every build"] {
        assert!(found.contains(words), "{found}");
    }
    let (_, said) = ended(lab("doctor").env("FLASHSALE_PG_BIN", "/nowhere"), 69);
    assert!(said.contains("missing: PostgreSQL"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_connects_to_what_is_given() -> Result<()> {
    let stores = Stores::empty().await?;
    let command = &mut lab("doctor");
    let command = command.env("DATABASE_URL", stores.database_url());
    let (found, _) = ended(command.env("REDIS_URL", stores.redis_url()), 0);
    let postgres = flash_sandbox::find_postgres()?.version;
    let redis = flash_sandbox::find_redis()?.version;
    ensure!(
        found.contains(&format!("PostgreSQL {postgres} answers")),
        "{found}"
    );
    ensure!(found.contains(&format!("Redis {redis} answers")), "{found}");

    let gone = "postgres://127.0.0.1:1/x";
    let (_, said) = ended(command.env("DATABASE_URL", gone), 1);
    ensure!(said.contains("in the way: DATABASE_URL"), "{said}");
    Ok(())
}
