//! `lab demo-oversell`: one sale per strategy, from an empty database to the verdict.

use std::time::Instant;

use anyhow::Context;
use flash_lab_crowd::{
    Answer, Auditor, Environment, JsonFile, Onlooker, Outcomes, Progress, Run, Seller,
    StoreArgs, Stores, Strategy, TermArgs, crowd, environment, keep_promises,
    open_files, output, put_on_sale, report,
};
use serde::Serialize;

use crate::cli::DemoArgs;
use crate::given;

#[derive(Debug, Serialize)]
struct Demo<'a> {
    environment: Environment,
    runs: &'a [Run],
    as_promised: bool,
}

/// Runs `lab demo-oversell`.
///
/// # Errors
///
/// Whatever keeps a sale from taking place, or a strategy that broke its promise.
///
/// # Cancel safety
///
/// A dropped future ends and removes what it has started.
pub async fn run(mut args: DemoArgs) -> anyhow::Result<()> {
    let json = args.json.take().map(JsonFile::open).transpose()?;
    let sellers = args.sellers.sellers(&Strategy::ALL)?;
    open_files::raise_for(args.terms.buyers)?;

    let progress = Progress::start();
    let given = std::mem::take(&mut args.stores).without_empty();
    let with_redis = sellers.iter().any(Seller::uses_redis);
    let redis = redis_version(with_redis, &given);
    given::check(&given, with_redis).await?;
    let stores =
        Stores::open(given, with_redis, args.terms.pool_size, &progress).await?;
    let mut runs = Vec::new();
    for seller in &sellers {
        let run = sell(seller, &stores, args.terms, &progress)
            .await
            .with_context(|| format!("{seller} could not sell"))?;
        runs.push(run);
    }
    let facts = Auditor::open(&stores.database_url)
        .await?
        .database_facts()
        .await?;
    progress.step("removing what was started");
    drop(stores);
    drop(progress);

    let kept = keep_promises(&runs, args.terms.pool_size);
    if let Some(json) = &json {
        json.write(&Demo {
            environment: environment(facts, redis, args.terms.pool_size)?,
            runs: &runs,
            as_promised: kept.is_ok(),
        })?;
    }
    let look = output::look_beside_json(json.as_ref());
    let text = report::demo(&runs, args.terms.pool_size, &look);
    output::beside_json(json.as_ref(), &text)?;
    kept
}

/// One sale: a server, a crowd, and the judge once both have gone.
async fn sell(
    seller: &Seller,
    stores: &Stores,
    terms: TermArgs,
    progress: &Progress,
) -> anyhow::Result<Run> {
    let (units, buyers, pool_size) = (terms.units, terms.buyers, terms.pool_size);
    progress.step(&format!("{seller}: starting the server"));
    let (server, address) = seller.start_patient(pool_size, stores).await?;
    let sku = put_on_sale(address, seller.slug(), units).await?;

    progress.step(&format!("{seller}: {units} units, {buyers} buyers connect"));
    let onlooker = Teller {
        seller,
        buyers,
        progress,
    };
    let sale = crowd::rush(address, &sku, buyers, &onlooker).await?;
    progress.step(&format!("{seller}: stopping the server, counting"));
    server.stop().await?;

    // The drift is that of the engine's gates.
    let redis_url = stores
        .redis_url
        .as_deref()
        .filter(|_| seller.is(Strategy::Engine));
    let free = given::gate_free_units(redis_url, &sku).await?;
    let audit = Auditor::open(&stores.database_url)
        .await?
        .audit_sale(&sku, seller, free)
        .await?;
    Ok(sale.counted(seller, (units, buyers), audit))
}

/// Tells on standard error how a sale goes.
struct Teller<'a> {
    seller: &'a Seller,
    buyers: u32,
    progress: &'a Progress,
}

impl Onlooker for Teller<'_> {
    fn arrived(&self, arrived: u32) {
        let what = "buyers are at the door";
        self.progress.count(self.seller, arrived, self.buyers, what);
    }

    fn released(&self, _released: Instant) {}

    fn answered(&self, _answer: Answer, outcomes: &Outcomes) {
        self.progress.count(
            self.seller,
            outcomes.total(),
            self.buyers,
            &format!(
                "answers: {} accepted, {} sold out",
                outcomes.accepted, outcomes.sold_out
            ),
        );
    }
}

/// Only a strategy knows how to talk to Redis, so only a private one has a known version.
fn redis_version(used: bool, given: &StoreArgs) -> Option<String> {
    if !used || given.redis_url.is_some() {
        return None;
    }
    Some(flash_sandbox::find_redis().ok()?.version)
}
