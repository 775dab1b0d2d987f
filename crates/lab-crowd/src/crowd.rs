//! The buyers: they connect one by one, wait at the barrier, and post at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use flash_core::{Audit, Sku};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::client::{Client, JsonRequest, purchase};
use crate::outcome::Outcome;
use crate::run::{Latency, Outcomes, Run, millis, undersold_units};
use crate::seller::Seller;

/// Connections being opened at once: well below any backlog of a listener.
const CONNECTING_MAX: usize = 64;

/// How long a buyer waits for an answer. The slowest strategy serves the largest crowd
/// well within it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What became of one buyer.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// What the buyer was told.
    pub outcome: Outcome,
    /// From the release to the answer; none for a buyer who never came to ask.
    pub latency: Option<Duration>,
}

/// Somebody who is told how a sale goes.
pub trait Onlooker {
    /// One more buyer is at the door.
    fn arrived(&self, arrived: u32);
    /// All buyers may ask from now on.
    fn released(&self, released: Instant);
    /// One more buyer has an answer; `outcomes` has it too.
    fn answered(&self, answer: Answer, outcomes: &Outcomes);
}

/// What became of all buyers.
#[derive(Debug)]
pub struct Sale {
    /// How many of each.
    pub outcomes: Outcomes,
    /// From the release to the answer, in no order; without buyers who never came to ask.
    pub latencies: Vec<Duration>,
    /// From the release to the last answer.
    pub elapsed: Duration,
}

impl Sale {
    /// What a sale to so many was, once it is counted.
    pub fn counted(
        self,
        seller: &Seller,
        (units, buyers): (u32, u32),
        audit: Audit,
    ) -> Run {
        Run {
            seller: seller.clone(),
            units,
            buyers,
            undersold_units: undersold_units(&self.outcomes, &audit),
            outcomes: self.outcomes,
            elapsed_ms: millis(self.elapsed),
            latency_ms: Latency::of(self.latencies),
            audit,
        }
    }
}

/// Lets each of `buyers` ask for one unit, all at the same moment.
///
/// # Errors
///
/// A request that cannot be made. What the server does is an outcome, not an error.
///
/// # Cancel safety
///
/// A dropped future sends all buyers home.
pub async fn rush(
    address: SocketAddr,
    sku: &Sku,
    buyers: u32,
    onlooker: &impl Onlooker,
) -> anyhow::Result<Sale> {
    let door = Arc::new(Semaphore::new(CONNECTING_MAX));
    let (barrier, _) = watch::channel(None);
    let (arrival, mut arrivals) = mpsc::unbounded_channel();

    let mut crowd = JoinSet::new();
    for number in 0..buyers {
        // A database keeps the pair of buyer and key for ever, so the key names the SKU too.
        let (buyer, key) = (format!("buyer-{number}"), format!("{sku}-{number}"));
        let request = purchase(address, sku.as_str(), (&buyer, &key), 1)?;
        crowd.spawn(buy(
            address,
            request,
            Arc::clone(&door),
            arrival.clone(),
            barrier.subscribe(),
        ));
    }
    drop(arrival);

    for arrived in 1..=buyers {
        if arrivals.recv().await.is_none() {
            break;
        }
        onlooker.arrived(arrived);
    }

    let released = Instant::now();
    barrier.send_replace(Some(released));
    onlooker.released(released);
    let mut sale = Sale {
        outcomes: Outcomes::default(),
        latencies: Vec::new(),
        elapsed: Duration::ZERO,
    };
    while let Some(answer) = crowd.join_next().await {
        let answer = answer.context("a buyer was lost")?;
        sale.outcomes.add(answer.outcome);
        sale.latencies.extend(answer.latency);
        onlooker.answered(answer, &sale.outcomes);
    }
    sale.elapsed = released.elapsed();
    Ok(sale)
}

/// The life of one buyer.
async fn buy(
    address: SocketAddr,
    request: JsonRequest,
    door: Arc<Semaphore>,
    arrival: mpsc::UnboundedSender<()>,
    mut barrier: watch::Receiver<Option<Instant>>,
) -> Answer {
    const STAYED_AWAY: Answer = Answer {
        outcome: Outcome::Failed,
        latency: None,
    };
    let connected = {
        let _turn = door.acquire().await;
        Client::connect(address).await
    };
    // Nobody listens only once the sale is called off, and this task with it.
    let _listening = arrival.send(());
    let Ok(mut client) = connected else {
        return STAYED_AWAY;
    };
    let Some(released) = barrier
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|released| *released)
    else {
        return STAYED_AWAY;
    };
    let answer = client.send(request, PATIENCE).await;
    Answer {
        outcome: Outcome::of(&answer),
        latency: Some(released.elapsed()),
    }
}
