//! The buyers: they connect, wait at the door until all are there, and post at once.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use flash_core::Sku;
use futures_util::{StreamExt, stream};
use tokio::task::JoinSet;

use crate::client::{Client, JsonRequest, purchase};
use crate::outcome::{Outcome, Told};
use crate::run::{Outcomes, Sale};

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

/// What whoever looks on is told of a sale.
#[derive(Debug, Clone, Copy)]
pub enum Moment<'a> {
    /// So many buyers are at the door.
    Arrived(u32),
    /// All buyers may ask from now on.
    Released(Instant),
    /// One more buyer has an answer, and so all have these.
    Answered(Answer, &'a Outcomes),
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
    tell: impl Fn(Moment<'_>),
) -> anyhow::Result<Sale> {
    let connecting = (0..buyers).map(|_| Client::connect(address));
    let mut connecting = stream::iter(connecting).buffer_unordered(CONNECTING_MAX);
    let mut at_the_door = Vec::new();
    for number in 1..=buyers {
        // A database keeps the pair of buyer and key for ever, so the key names the SKU too.
        let (buyer, key) = (format!("buyer-{number}"), format!("{sku}-{number}"));
        let request = purchase(address, sku.as_str(), (&buyer, &key), 1)?;
        let client = connecting.next().await.and_then(Result::ok);
        at_the_door.push((client, request));
        tell(Moment::Arrived(number));
    }

    let released = Instant::now();
    tell(Moment::Released(released));
    let mut crowd = JoinSet::new();
    for (client, request) in at_the_door {
        crowd.spawn(buy(client, request, released));
    }
    let mut sale = Sale::default();
    while let Some(answer) = crowd.join_next().await {
        let answer = answer.context("a buyer was lost")?;
        sale.outcomes.add(answer.outcome);
        sale.latencies.extend(answer.latency);
        tell(Moment::Answered(answer, &sale.outcomes));
    }
    sale.elapsed = released.elapsed();
    Ok(sale)
}

/// Who could not connect stays away.
async fn buy(
    client: Option<Client>,
    request: JsonRequest,
    released: Instant,
) -> Answer {
    let Some(mut client) = client else {
        return Answer {
            outcome: Outcome::Failed,
            latency: None,
        };
    };
    let answer = client.send(request, PATIENCE).await;
    Answer {
        latency: Some(released.elapsed()),
        outcome: Told::of(&answer).outcome,
    }
}
