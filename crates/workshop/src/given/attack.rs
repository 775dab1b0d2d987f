//! Judges attacks: by what the stores have afterwards, and by nothing else.

use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Parser;
use flash_core::Sku;
use flash_db::orders;
use flash_lab_crowd::outcome::{Outcome, Told};
use flash_lab_crowd::{Client, Ending, Seller, Server, Strategy, count, create_sku};
use flash_server::cli::Settings;
use flash_testkit::{Stores as Tested, WAIT};

use super::finding::{Finding, tell};
use super::redis::Redis;
use super::sells::served;
use super::serve::serve_with;
use super::target::{MALLORY, Sent, Target};
use super::weak_shop::WeakShop;

/// How the weak shop is asked for, of a program that has it.
pub const WEAK_SHOP: &str = "e10/weak-shop";

/// As many refusals as make an attack.
const REFUSALS: i64 = 100;

/// Counts what a database of Redis holds: keys, and the fields of hashes.
const COUNT: &str = "\
local count = 0
for _, key in ipairs(redis.call('KEYS', '*')) do
    local is_hash = redis.call('TYPE', key).ok == 'hash'
    count = count + (is_hash and redis.call('HLEN', key) or 1)
end
return count";

/// Three attacks of mallory's.
pub trait Attacks {
    /// A buyer may have one unit: have two.
    fn have_two(shop: &Target) -> impl Future<Output = anyhow::Result<()>>;

    /// See the order of somebody else.
    fn see_another_order(shop: &Target) -> impl Future<Output = anyhow::Result<()>>;

    /// Have the shop remember what it refused.
    fn be_remembered(shop: &Target) -> impl Future<Output = anyhow::Result<()>>;
}

#[derive(Parser)]
struct Args {
    #[arg(long, hide = true)]
    variant: Option<String>,

    #[command(flatten)]
    settings: Settings,
}

/// Attacks the weak shop and then the engine, or is the weak shop.
pub fn break_in<A: Attacks>() -> ExitCode {
    let args = Args::parse();
    match args.variant.as_deref() {
        Some(WEAK_SHOP) => serve_with(args.settings, (served::<WeakShop>, true)),
        _ => attack::<A>(),
    }
}

/// Attacks the weak shop, which the running program is as well, and then the engine.
pub fn attack<A: Attacks>() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().map_err(anyhow::Error::from);
    tell(runtime.and_then(|runtime| runtime.block_on(look_at::<A>())))
}

async fn look_at<A: Attacks>() -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let program = env::current_exe().context("cannot find this program")?;
    let weak = Seller::own(&program)?.with_arguments(&format!("--variant {WEAK_SHOP}"));
    let weak = Shop::open(&weak, true).await?;
    for (rule, found) in weak.found::<A>().await? {
        if !finding.holds(rule, found.err()) {
            return Ok(finding);
        }
    }
    let engine = Shop::open(&engine(&program)?, false).await?;
    let mut fallen = engine.found::<A>().await?.into_iter();
    let fallen = fallen.find_map(|(rule, found)| Some((rule, found.ok()?)));
    let fallen = fallen.map(|(rule, evidence)| {
        format!(
            "the engine fell for it, too ({rule}): {evidence}. Tell us: SECURITY.md"
        )
    });
    finding.holds("the-engine-stands", fallen);
    Ok(finding)
}

/// The engine, as it goes live.
fn engine(program: &Path) -> anyhow::Result<Seller> {
    // Examples stand in a folder of their own.
    let folder = program.parent().and_then(Path::parent);
    let server = folder
        .context("this program stands in no folder")?
        .join("server");
    if !server.is_file() {
        let text =
            "there is no `server` to attack: run `cargo build --workspace --bins`";
        return Err(Ending::MissingProgram(text.to_owned()).into());
    }
    Ok(Seller::of_server(server, Strategy::Engine))
}

/// A shop that runs, with stores of its own.
struct Shop {
    address: SocketAddr,
    stores: Arc<Tested>,
    /// Whether requests that are under way together are made to meet.
    meets: bool,
    // Ends with this value.
    _server: Server,
}

/// What an attack has done, or why it has done nothing.
type Found = Result<String, String>;

impl Shop {
    async fn open(seller: &Seller, meets: bool) -> anyhow::Result<Self> {
        let stores = Arc::new(Tested::new().await?);
        let flags = "--pool-size 8 --lock-wait-ms 60000";
        let redis_url = Some(stores.redis_url());
        let (server, address) = seller
            .start(flags, stores.database_url(), redis_url)
            .await?;
        Ok(Self {
            address,
            stores,
            meets,
            _server: server,
        })
    }

    /// What each attack finds, up to the first that finds nothing.
    async fn found<A: Attacks>(&self) -> anyhow::Result<Vec<(&'static str, Found)>> {
        let mut found = vec![("limit", self.have_two::<A>().await?)];
        if self.meets && found.iter().any(|(_, it)| it.is_err()) {
            return Ok(found);
        }
        found.push(("key", self.see_another_order::<A>().await?));
        if self.meets && found.iter().any(|(_, it)| it.is_err()) {
            return Ok(found);
        }
        found.push(("refusals", self.be_remembered::<A>().await?));
        Ok(found)
    }

    async fn target(
        &self,
        sku: &str,
        (units, limit): (u32, Option<u32>),
        meets: bool,
    ) -> anyhow::Result<Target> {
        let sku = Sku::new(sku)?;
        create_sku(self.address, &sku, units, limit).await?;
        Ok(Target::new(self.address, sku, &self.stores, meets))
    }

    async fn buy(&self, target: &Target, buyer: &str, key: &str) -> anyhow::Result<()> {
        let mut client = Client::connect(self.address).await?;
        let told = Told::of(&client.send(target.request(buyer, key)?, WAIT).await);
        ensure!(
            told.outcome != Outcome::Failed,
            "{buyer} cannot buy: {told:?}"
        );
        Ok(())
    }

    async fn have_two<A: Attacks>(&self) -> anyhow::Result<Found> {
        let target = self.target("one-each", (10, Some(1)), self.meets).await?;
        // Whatever a shop does at the first request for a SKU is done.
        self.buy(&target, "ann", "k1").await?;
        A::have_two(&target).await?;
        let sent = target.sent().await?;
        let mut conn = self.stores.connect().await?;
        let counts = flash_db::audit::count(&mut conn, &target.sku, None).await?;
        let overruns = counts.context("the SKU is gone")?.limit_overruns;
        if overruns > 0 {
            return Ok(Ok(
                "one buyer has more units than the limit allows".to_owned()
            ));
        }
        Ok(Err(format!("the weak shop held. {}", why_held(&sent))))
    }

    async fn see_another_order<A: Attacks>(&self) -> anyhow::Result<Found> {
        let target = self.target("seen", (10, None), false).await?;
        self.buy(&target, "ann", "k7").await?;
        self.buy(&target, MALLORY, "k8").await?;
        A::see_another_order(&target).await?;
        let sent = target.sent().await?;
        let named = sent
            .iter()
            .filter_map(|it| it.told.as_ref()?.order_id.as_deref());
        let mut conn = self.stores.connect().await?;
        for order in named {
            let order =
                orders::get(&mut conn, serde_json::from_value(order.into())?).await?;
            let buyer = order.buyer_id.as_str();
            if buyer != MALLORY {
                return Ok(Ok(format!("mallory was told of an order of {buyer}'s")));
            }
        }
        Ok(Err(format!(
            "no answer named an order of somebody else: you asked with {}. This shop counts its \
             keys, and your last one was k8; who came right before you?",
            keys(&sent)
        )))
    }

    async fn be_remembered<A: Attacks>(&self) -> anyhow::Result<Found> {
        let target = self.target("gone", (1, None), false).await?;
        for (buyer, key) in [("ann", "k1"), ("bob", "k2")] {
            self.buy(&target, buyer, key).await?;
        }
        let before = self.remembered().await?;
        A::be_remembered(&target).await?;
        let sent = target.sent().await?;
        let grown = self.remembered().await? - before;
        let refused = |it: &&Sent| {
            let outcome = it.told.as_ref().map(|it| it.outcome);
            outcome == Some(Outcome::SoldOut)
        };
        let refused = i64::try_from(sent.iter().filter(refused).count())?;
        let told = format!(
            "{} left {} more in the memory of the shop",
            count(refused, "refusal"),
            count(grown, "thing")
        );
        Ok(match (grown >= REFUSALS, refused >= REFUSALS) {
            (true, _) => Ok(told),
            (false, true) => Err(format!("{told}: what is the same is kept once")),
            (false, false) => Err(format!(
                "{told}. Whoever fills a memory is refused {REFUSALS} times"
            )),
        })
    }

    /// How much the shop has in Redis.
    async fn remembered(&self) -> anyhow::Result<i64> {
        let redis = Redis::new(self.stores.redis_url())?;
        let count = redis.script(COUNT, "any", &[]).await?;
        count.context("Redis counts nothing")
    }
}

fn keys(sent: &[Sent]) -> String {
    let keys: Vec<_> = sent.iter().map(|it| it.key.as_str()).collect();
    match keys.as_slice() {
        [] => "no key at all".to_owned(),
        keys => keys.join(", "),
    }
}

/// Why nobody has more than the limit allows.
fn why_held(sent: &[Sent]) -> String {
    let mut names: Vec<_> = sent.iter().map(|it| it.key.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    match (sent.len(), names.len()) {
        (0 | 1, _) => "One request has one answer: what it takes is two".to_owned(),
        (_, 1) => format!(
            "All your requests had key {}, and a key stands for one purchase",
            names.concat()
        ),
        _ if !sent.iter().any(|it| it.overlaps) => {
            "Your second request was sent after the first was answered: they did not overlap"
                .to_owned()
        }
        _ => "Those that were under way together are counted".to_owned(),
    }
}
