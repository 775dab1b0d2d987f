//! One buyer: a server of its own, behind wires of one's own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flash_core::Sku;
use flash_lab_crowd::client::{Client, SendError, purchase};
use flash_lab_crowd::outcome::{Outcome, Told};
use flash_lab_crowd::seller::Seller;
use flash_lab_crowd::server_process::Server;
use flash_lab_wire::{Cable, Store};
use flash_sandbox::Sandbox;
use tokio::sync::mpsc;

use crate::desk::{Desk, Event, Watch};
use crate::scenario::Ask;

/// How long a buyer waits: longer than the servers.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than a schedule takes, in milliseconds.
const SERVER_WAIT_MS: &str = "50000";

/// A purchase that nobody watched and that went wrong.
#[derive(Debug, thiserror::Error)]
#[error("a rehearsal ended with {outcome:?} ({said}) instead of {expected:?}{log}")]
pub struct Unrehearsed {
    /// What the buyer was told.
    pub outcome: Outcome,
    said: String,
    expected: Outcome,
    log: String,
}

/// One buyer's way to the stores.
pub(crate) struct Seat {
    pub(crate) desk: Arc<Desk>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) address: SocketAddr,
    server: Server,
    seller: Seller,
    gate_lifetime: Duration,
    postgres: Cable,
    redis: Cable,
}

impl Seat {
    /// Starts a server whose every word to the stores we can hear. With one connection for
    /// buyers, what is run over it is this buyer's.
    pub(crate) async fn take(
        seller: &Seller,
        sandbox: &Sandbox,
        gate_lifetime: Duration,
        pool_size: &'static str,
    ) -> anyhow::Result<Self> {
        let watch = match seller.strategy() {
            Some(_) => Watch::Sale,
            None => Watch::Everything,
        };
        let (desk, events) = Desk::new(watch);
        let desk = Arc::new(desk);
        let dir = sandbox.dir();
        let open =
            |store, socket| Cable::open(store, dir.join(socket), Some(desk.clone()));
        let postgres = open(Store::PostgreSQL, ".s.PGSQL.5432").await?;
        let redis = open(Store::Redis, "redis.sock").await?;
        let (server, address) =
            start(seller, &postgres, &redis, gate_lifetime, pool_size).await?;
        Ok(Self {
            desk,
            events,
            address,
            server,
            seller: seller.clone(),
            gate_lifetime,
            postgres,
            redis,
        })
    }

    /// Kills the server, with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts the server again, after it was killed.
    pub(crate) async fn start_again(&mut self) -> anyhow::Result<()> {
        let (postgres, redis) = (&self.postgres, &self.redis);
        (self.server, self.address) =
            start(&self.seller, postgres, redis, self.gate_lifetime, "1").await?;
        Ok(())
    }

    /// Sends a purchase request, whose steps are watched.
    pub(crate) fn order(&self, ask: &Ask, sku: &Sku) {
        let Ask { buyer, units, key } = *ask;
        let (address, desk, sku) = (self.address, Arc::clone(&self.desk), sku.clone());
        desk.expect_question();
        tokio::spawn(async move {
            desk.tell(Event::Answered(buy(address, buyer, key, units, &sku).await));
        });
    }

    /// Sends a purchase request that nobody watches, and checks what comes of it.
    pub(crate) async fn rehearse(
        &self,
        sku: &Sku,
        units: u32,
        expected: Outcome,
    ) -> anyhow::Result<()> {
        // Both seats rehearse, each with a key of its own.
        let name = format!("eve-{}", self.address.port());
        let told = buy(self.address, &name, &name, units, sku).await;
        if told.outcome != expected {
            let said = told
                .status
                .map_or("no answer".to_owned(), |it| it.to_string());
            return Err(Unrehearsed {
                outcome: told.outcome,
                said,
                expected,
                log: self.server.last_words(),
            }
            .into());
        }
        Ok(())
    }

    /// Waits until the buyer has an answer.
    pub(crate) async fn wait_for_answer(&mut self) {
        while let Some(event) = self.events.recv().await {
            if matches!(event, Event::Answered(_)) {
                return;
            }
        }
    }
}

async fn start(
    seller: &Seller,
    postgres: &Cable,
    redis: &Cable,
    gate_lifetime: Duration,
    pool_size: &str,
) -> anyhow::Result<(Server, SocketAddr)> {
    let gate_lifetime_ms = gate_lifetime.as_millis().to_string();
    let flags = [
        ("--pool-size", pool_size),
        ("--gate-lifetime-ms", &gate_lifetime_ms),
        ("--lanes", "1"),
        ("--workers", "1"),
        ("--pool-wait-ms", SERVER_WAIT_MS),
        ("--lock-wait-ms", SERVER_WAIT_MS),
        ("--request-timeout-ms", SERVER_WAIT_MS),
        ("--log-format", "pretty"),
    ];
    let database_url = format!("postgresql://flash@{}/flash", postgres.address());
    let redis_url = format!("redis://{}", redis.address());
    seller.start(&flags, &database_url, Some(&redis_url)).await
}

/// Buys, as anybody does; the key is completed by the name of the SKU, since a database keeps
/// the pair of buyer and key for ever.
pub(crate) async fn buy(
    address: SocketAddr,
    buyer: &str,
    key: &str,
    units: u32,
    sku: &Sku,
) -> Told {
    let not_sent = |error: anyhow::Error| SendError::NotSent(error.to_string());
    let key = format!("{key}-{sku}");
    let sent = async {
        let request = purchase(address, sku.as_str(), (buyer, &key), units.into());
        let request = request.map_err(not_sent)?;
        let mut client = Client::connect(address).await.map_err(not_sent)?;
        client.send(request, PATIENCE).await
    };
    Told::of(&sent.await)
}
