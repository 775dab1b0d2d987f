//! One buyer: a server of its own, behind wires of one's own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use flash_core::Sku;
use flash_lab_crowd::cli::Strategy;
use flash_lab_crowd::client::{Client, Method, json_request};
use flash_lab_crowd::outcome::Outcome;
use flash_lab_crowd::server_process::{self, Server};
use flash_lab_wire::{Port, hold_postgres, hold_redis};
use flash_sandbox::Sandbox;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::desk::{Desk, Event};
use crate::schedule::Buyer;
use crate::transcript::SOLD_OUT;

/// How long a buyer waits: longer than the servers.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than a schedule takes, in milliseconds.
const SERVER_WAIT_MS: &str = "50000";

/// One buyer's way to the stores.
pub(crate) struct Seat {
    pub(crate) desk: Arc<Desk>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    address: SocketAddr,
    _server: Server,
    _wires: [Port; 2],
}

impl Seat {
    /// Starts a server whose every word to the stores we can hear.
    pub(crate) async fn take(
        program: &Path,
        strategy: Strategy,
        sandbox: &Sandbox,
    ) -> anyhow::Result<Self> {
        let (desk, events) = Desk::new();
        let desk = Arc::new(desk);
        let dir = sandbox.dir();
        let postgres = hold_postgres(dir.join(".s.PGSQL.5432"), desk.clone()).await?;
        let redis = hold_redis(dir.join("redis.sock"), desk.clone()).await?;
        // One connection for buyers: what is run over it is this buyer's.
        let arguments = server_process::flags(&[
            ("--strategy", strategy.as_str()),
            ("--listen", "127.0.0.1:0"),
            ("--pool-size", "1"),
            ("--lanes", "1"),
            ("--workers", "1"),
            server_process::LESSON_GATE,
            ("--pool-wait-ms", SERVER_WAIT_MS),
            ("--lock-wait-ms", SERVER_WAIT_MS),
            ("--request-timeout-ms", SERVER_WAIT_MS),
            ("--log-format", "pretty"),
        ]);
        let environment = [
            (
                "DATABASE_URL",
                format!("postgresql://flash@{}/flash", postgres.address),
            ),
            ("REDIS_URL", format!("redis://{}", redis.address)),
            ("ADMIN_TOKEN", String::new()),
            ("RUST_LOG", "warn".to_owned()),
        ];
        let (server, address) =
            Server::start_with(program, arguments, environment).await?;
        Ok(Self {
            desk,
            events,
            address,
            _server: server,
            _wires: [postgres, redis],
        })
    }

    /// Sends the purchase request of a buyer, who wants one unit.
    pub(crate) fn order(&self, buyer: Buyer, sku: &Sku) {
        let request = Purchase::new(buyer.name(), 1, sku);
        let (address, desk) = (self.address, Arc::clone(&self.desk));
        desk.expect_question();
        tokio::spawn(async move {
            let answer = match request.send(address).await {
                Ok(outcome) => told(outcome).to_owned(),
                Err(error) => format!("{error:#}"),
            };
            desk.tell(Event::Answered(answer));
        });
    }

    /// Sends a purchase request that nobody watches, and checks what comes of it.
    pub(crate) async fn rehearse(
        &self,
        sku: &Sku,
        units: i64,
        expected: Outcome,
    ) -> anyhow::Result<()> {
        // Both seats rehearse, each with a key of its own.
        let name = format!("eve-{}", self.address.port());
        let outcome = Purchase::new(&name, units, sku).send(self.address).await?;
        if outcome != expected {
            bail!("a rehearsal ended with {outcome:?} instead of {expected:?}");
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

/// A database keeps the pair of buyer and key for ever, so the key names the SKU.
struct Purchase {
    path: String,
    key: String,
    body: NewOrder,
}

#[derive(Serialize)]
struct NewOrder {
    buyer_id: String,
    units: i64,
}

impl Purchase {
    fn new(buyer: &str, units: i64, sku: &Sku) -> Self {
        Self {
            path: format!("/v1/skus/{sku}/orders"),
            key: format!("{buyer}-{sku}"),
            body: NewOrder {
                buyer_id: buyer.to_owned(),
                units,
            },
        }
    }

    async fn send(self, address: SocketAddr) -> anyhow::Result<Outcome> {
        let Self { path, key, body } = self;
        let request = json_request(Method::POST, address, &path, Some(&key), &body)
            .context("no purchase request")?;
        let mut client = Client::connect(address).await?;
        Ok(Outcome::of(&client.send(request, PATIENCE).await))
    }
}

fn told(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::SoldOut => SOLD_OUT,
        Outcome::LimitReached => "limit reached",
        Outcome::Busy => "busy",
        Outcome::Failed => "failed",
        Outcome::Unknown => "outcome unknown",
    }
}
