//! One buyer: a server of its own, behind wires of one's own.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use flash_core::Sku;
use flash_lab_crowd::client::{Client, SendError, purchase};
use flash_lab_crowd::outcome::{Outcome, Told};
use flash_lab_crowd::seller::Seller;
use flash_lab_crowd::server_process::{Server, limits};
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
    /// None once it was killed. It ends before what is behind it.
    server: Option<Server>,
    seller: Seller,
    gate_lifetime: Duration,
    pool_size: &'static str,
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
        let watch = match seller.strategy {
            Some(_) => Watch::Sale,
            None => Watch::Everything,
        };
        let (desk, events) = Desk::new(watch);
        let desk = Arc::new(desk);
        let dir = sandbox.dir();
        let open =
            |store, socket| Cable::open(store, dir.join(socket), Some(desk.clone()));
        let (postgres, redis) = (
            open(Store::PostgreSQL, ".s.PGSQL.5432").await?,
            open(Store::Redis, "redis.sock").await?,
        );
        let mut seat = Self {
            desk,
            events,
            // Until there is a server, nobody asks.
            address: postgres.address(),
            server: None,
            seller: seller.clone(),
            gate_lifetime,
            pool_size,
            postgres,
            redis,
        };
        seat.start().await?;
        Ok(seat)
    }

    /// Kills the server, with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// Starts the server, also again after it was killed.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        let flags = format!(
            "{} --gate-lifetime-ms {} --lanes 1 --workers 1",
            limits(self.pool_size, SERVER_WAIT_MS, SERVER_WAIT_MS),
            self.gate_lifetime.as_millis()
        );
        let database_url =
            format!("postgresql://flash@{}/flash", self.postgres.address());
        let redis_url = format!("redis://{}", self.redis.address());
        let starting = self.seller.start(&flags, &database_url, Some(&redis_url));
        let (server, address) = starting.await?;
        (self.server, self.address) = (Some(server), address);
        Ok(())
    }

    /// From now on the steps for this SKU wait for their turns, and nothing has happened yet.
    pub(crate) fn watch(&mut self, sku: &Sku) {
        while self.events.try_recv().is_ok() {}
        self.desk.watch(sku.as_str());
    }

    /// Sends a purchase request, whose steps are watched.
    pub(crate) fn order(&self, ask: &Ask, sku: &Sku) {
        let (address, desk) = (self.address, Arc::clone(&self.desk));
        let (ask, sku) = (ask.clone(), sku.clone());
        desk.expect_question();
        tokio::spawn(async move {
            desk.tell(Event::Answered(buy(address, &ask, &sku).await));
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
        let name: Cow<'_, _> = format!("eve-{}", self.address.port()).into();
        let ask = Ask {
            buyer: name.clone(),
            units,
            key: name,
        };
        let told = buy(self.address, &ask, sku).await;
        let status = told.status.map(|it| it.to_string());
        let unrehearsed = || Unrehearsed {
            outcome: told.outcome,
            said: status.unwrap_or("no answer".to_owned()),
            expected,
            log: self
                .server
                .as_ref()
                .map_or(String::new(), Server::last_words),
        };
        ensure!(told.outcome == expected, unrehearsed());
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

/// Buys, as anybody does; the key is completed by the name of the SKU, since a database keeps
/// the pair of buyer and key for ever.
pub(crate) async fn buy(address: SocketAddr, ask: &Ask, sku: &Sku) -> Told {
    let not_sent = |error: anyhow::Error| SendError::NotSent(error.to_string());
    let key = format!("{}-{sku}", ask.key);
    let sent = async {
        let names = (&*ask.buyer, &*key);
        let request = purchase(address, sku.as_str(), names, ask.units.into());
        let request = request.map_err(not_sent)?;
        let mut client = Client::connect(address).await.map_err(not_sent)?;
        client.send(request, PATIENCE).await
    };
    Told::of(&sent.await)
}
