//! `lab demo-oversell`: one sale per strategy, from an empty database to the verdict.

use anyhow::Context;
use flash_lab_crowd::{
    Auditor, Environment, JsonFile, Moment, Progress, Run, Seller, Stores, Strategy,
    TermArgs, crowd, keep_promises, open_files, put_on_sale, report,
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
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let (terms, pool_size) = (args.terms, args.terms.pool_size);
    let json = JsonFile::open(args.json)?;
    let sellers = args.sellers.sellers(&Strategy::ALL)?;
    open_files::raise_for(terms.buyers)?;

    let progress = Progress::start();
    let given = args.stores.without_empty();
    let with_redis = sellers.iter().any(Seller::uses_redis);
    given::check(&given, with_redis).await?;
    let stores = Stores::open(given, with_redis, pool_size, &progress).await?;
    let mut runs = Vec::new();
    for seller in &sellers {
        let sold = sell(seller, &stores, terms, &progress).await;
        runs.push(sold.with_context(|| format!("{seller} could not sell"))?);
    }
    let environment = Environment::ask(&stores, pool_size).await?;
    progress.step("removing what was started");
    drop(stores);
    drop(progress);

    let kept = keep_promises(&runs, pool_size);
    json.write(&Demo {
        environment,
        runs: &runs,
        as_promised: kept.is_ok(),
    })?;
    json.tell(|look| report::demo(&runs, pool_size, look))?;
    kept
}

/// One sale: a server, a crowd, and the judge once both have gone.
async fn sell(
    seller: &Seller,
    stores: &Stores,
    terms: TermArgs,
    progress: &Progress,
) -> anyhow::Result<Run> {
    let (units, buyers) = (terms.units, terms.buyers);
    progress.step(&format!("{seller}: starting the server"));
    let (server, address) = seller.start_patient(terms.pool_size, stores).await?;
    let sku = put_on_sale(address, seller.slug(), units).await?;

    progress.step(&format!("{seller}: {units} units, {buyers} buyers connect"));
    let count = |done, what: &str| progress.count(seller, done, buyers, what);
    let tell = |moment: Moment<'_>| match moment {
        Moment::Arrived(arrived) => count(arrived, "buyers are at the door"),
        Moment::Released(_) => {}
        Moment::Answered(_, all) => {
            let (accepted, sold_out) = (all.accepted, all.sold_out);
            let what = format!("answers: {accepted} accepted, {sold_out} sold out");
            count(all.total(), &what);
        }
    };
    let sale = crowd::rush(address, &sku, buyers, tell).await?;
    progress.step(&format!("{seller}: stopping the server, counting"));
    server.stop().await?;

    // The drift is that of the engine's gates.
    let redis_url = stores.redis_url.as_deref();
    let redis_url = redis_url.filter(|_| seller.is(Strategy::Engine));
    let free = given::gate_free_units(redis_url, &sku).await?;
    let mut auditor = Auditor::open(&stores.database_url).await?;
    let audit = auditor.audit(&sku, Some(&seller.name), free).await?;
    Ok(sale.counted(seller, (units, buyers), audit))
}
