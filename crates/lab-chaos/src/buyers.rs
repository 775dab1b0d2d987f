//! Who buys, cancels and restocks, and takes what is left; all write down what they are told.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use flash_lab_crowd::client::JsonRequest;
use flash_lab_crowd::{Client, Method, Reply, SendError, json_request, purchase};
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::journal::{Answer, Ask, Entry, Journal, Wish};
use crate::schedule::{Plan, PlannedRestock, PlannedSku, SALE_MS};
use crate::world::World;

/// How long to wait before asking again, in milliseconds.
const AGAIN_MS: Range<u64> = 20..120;

/// How long a buyer waits for an answer, in milliseconds: some less than the server.
const PATIENCE_MS: Range<u64> = 300..4_000;

/// Of a hundred purchases, how many are asked for once, whatever is answered.
const LEAVING_PERCENT: u64 = 10;

/// The patience of who restocks, and of the probe.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long everybody waits once all faults are healed: only what is never answered is wrong,
/// however busy the machine is.
pub(crate) const HEALED_PATIENCE: Duration = Duration::from_secs(60);

/// How long the probe waits before it asks again.
const PROBE_AGAIN: Duration = Duration::from_millis(10);

/// Its purchases at once, and about how many there are in all.
const HANDS: usize = 64;

/// What all of them know.
pub(crate) struct Sale {
    pub(crate) world: World,
    pub(crate) plan: Plan,
    pub(crate) journal: Journal,
    /// The moment after which nobody asks again; none before all faults are healed.
    pub(crate) deadline: watch::Sender<Option<Instant>>,
}

/// Connections to both instances, used in turn.
pub(crate) struct Buyer {
    sale: Arc<Sale>,
    rng: Rng,
    clients: [Option<Client>; 2],
    turn: usize,
    patience: Duration,
}

impl Buyer {
    pub(crate) fn new(sale: &Arc<Sale>, seed: u64, patience: Duration) -> Self {
        let mut rng = Rng::with_seed(seed);
        Self {
            sale: Arc::clone(sale),
            turn: rng.usize(0..2),
            rng,
            clients: [None, None],
            patience,
        }
    }

    /// Asks until there is a final answer, or the sale closes.
    pub(crate) async fn insist(&mut self, wish: &Wish) -> Answer {
        loop {
            self.turn = 1 - self.turn;
            let answer = self.ask(wish, self.turn).await;
            let deadline = *self.sale.deadline.borrow();
            let is_over = wish.leaves || answer.is_final();
            if is_over || deadline.is_some_and(|end| Instant::now() > end) {
                return answer;
            }
            self.pause(AGAIN_MS).await;
        }
    }

    /// Asks one instance once, and writes down what comes of it.
    pub(crate) async fn ask(&mut self, wish: &Wish, instance: usize) -> Answer {
        let sent_us = self.sale.journal.now_us();
        let reply = self.exchange(wish, instance).await;
        let answer = Answer::of(&wish.ask, &reply);
        let entry = Entry {
            wish: wish.clone(),
            instance,
            sent_us,
            answered_us: self.sale.journal.now_us(),
            answer: answer.clone(),
        };
        self.sale.journal.entries().push(entry);
        answer
    }

    async fn exchange(
        &mut self,
        wish: &Wish,
        instance: usize,
    ) -> Result<Reply, SendError> {
        let address = self.sale.world.instances[instance].address;
        let is_healed = self.sale.deadline.borrow().is_some();
        let patience = if is_healed {
            HEALED_PATIENCE
        } else {
            self.patience
        };
        let open = self.clients[instance].take();
        let preparing = async {
            let client = match open {
                Some(client) => client,
                None => {
                    let connecting = Client::connect(address);
                    tokio::time::timeout(patience, connecting).await??
                }
            };
            anyhow::Ok((client, request(wish, address)?))
        };
        let prepared = preparing.await;
        let (mut client, request) =
            prepared.map_err(|error| SendError::NotSent(error.to_string()))?;
        let reply = client.send(request, patience).await;
        if reply.is_ok() {
            self.clients[instance] = Some(client);
        }
        reply
    }

    async fn pause(&mut self, range_ms: Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(range_ms))).await;
    }
}

fn request(wish: &Wish, address: SocketAddr) -> anyhow::Result<JsonRequest> {
    let (sku, key, units) = (&wish.sku, &wish.key, wish.units);
    match &wish.ask {
        Ask::Order => purchase(address, sku, (&wish.buyer, key), units),
        Ask::Restock => {
            let (path, body) =
                (format!("/v1/skus/{sku}/restock"), json!({ "units": units }));
            json_request(Method::POST, address, &path, Some(key), &body)
        }
        Ask::Cancel(order_id) => {
            let path = format!("/v1/orders/{order_id}/cancel");
            json_request(Method::POST, address, &path, None, &())
        }
    }
}

/// The life of one buyer: purchases until the sale closes.
pub(crate) async fn shop(sale: Arc<Sale>, number: u64) {
    let plan = &sale.plan;
    let mut rng = Rng::with_seed(plan.seed ^ (number + 1).wrapping_mul(0x9E37_79B9));
    let patience = Duration::from_millis(rng.u64(PATIENCE_MS));
    let mut buyer = Buyer::new(&sale, rng.u64(..), patience);
    let closing = sale.journal.at_ms(SALE_MS);
    buyer.pause(0..plan.pause_ms).await;
    for purchase in 0.. {
        if closing <= Instant::now() {
            return;
        }
        let wish = Wish {
            sku: plan.skus[rng.usize(..plan.skus.len())].sku.clone(),
            buyer: format!("buyer-{number}"),
            key: format!("{}-{number}-{purchase}", plan.seed),
            units: rng.i64(1..=3),
            ask: Ask::Order,
            leaves: rng.u64(0..100) < LEAVING_PERCENT,
        };
        let answer = buyer.insist(&wish).await;
        buyer.pause(0..plan.pause_ms).await;
        live_with(&mut buyer, &mut rng, &wish, answer).await;
    }
}

/// Some ask again although they know; some cancel.
async fn live_with(buyer: &mut Buyer, rng: &mut Rng, wish: &Wish, answer: Answer) {
    let mut percent = |likely| rng.u64(0..100) < likely;
    let asks_again = if let Answer::Accepted(order_id) = answer {
        if percent(20) && buyer.sale.world.recipe.is_ours() {
            let cancel = Wish {
                ask: Ask::Cancel(order_id),
                leaves: false,
                ..wish.clone()
            };
            buyer.insist(&cancel).await;
        }
        percent(15)
    } else {
        answer.is_sold_out() && percent(10)
    };
    if asks_again {
        buyer.insist(wish).await;
    }
}

/// Adds units, for as long as it takes to be told that they were added.
pub(crate) async fn restock(sale: Arc<Sale>, number: usize, planned: PlannedRestock) {
    let mut buyer = Buyer::new(&sale, sale.plan.seed, PATIENCE);
    tokio::time::sleep_until(sale.journal.at_ms(planned.at_ms)).await;
    let wish = Wish {
        sku: sale.plan.skus[planned.sku].sku.clone(),
        buyer: "operator".to_owned(),
        key: format!("restock-{number}"),
        units: planned.units,
        ask: Ask::Restock,
        leaves: false,
    };
    buyer.insist(&wish).await;
}

/// What the probe got of one SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) sku: String,
    /// Units that PostgreSQL had left.
    pub(crate) left_units: i64,
    /// Units that were bought in time.
    pub(crate) bought_units: i64,
    /// What each instance said to the next buyer, in time.
    pub(crate) then: [Answer; 2],
}

/// The buyer who comes when everything is over: buys what is left of a SKU in orders as small
/// as can be, at both instances.
pub(crate) async fn probe(
    sale: &Arc<Sale>,
    planned: &PlannedSku,
    left_units: i64,
    gate_lifetime: Duration,
) -> Probe {
    // Until then a gate may not know of them yet.
    let expired = Instant::now() + gate_lifetime;
    let end = expired + HEALED_PATIENCE;
    sale.deadline.send_replace(Some(end));
    let wishes = wishes(planned, left_units);
    let buying = wishes.iter().map(|wish| async move {
        let mut buyer = Buyer::new(sale, 0, PATIENCE);
        let mut answer = buyer.insist(wish).await;
        while answer.is_sold_out() && Instant::now() < expired {
            tokio::time::sleep(PROBE_AGAIN).await;
            answer = buyer.insist(wish).await;
        }
        let is_bought = matches!(answer, Answer::Accepted(_)) && Instant::now() <= end;
        if is_bought { wish.units } else { 0 }
    });
    let bought: Vec<i64> = stream::iter(buying).buffered(HANDS).collect().await;

    let mut buyer = Buyer::new(sale, 0, PATIENCE);
    let mut then = [Answer::NotSent, Answer::NotSent];
    for (instance, then) in then.iter_mut().enumerate() {
        let wish = wish(&planned.sku, wishes.len() + instance, 1);
        while !then.is_final() && Instant::now() < end {
            *then = buyer.ask(&wish, instance).await;
            tokio::time::sleep(PROBE_AGAIN).await;
        }
    }
    Probe {
        sku: planned.sku.clone(),
        left_units,
        bought_units: bought.into_iter().sum(),
        then,
    }
}

/// One unit each; where so many are left that this would only measure the disk, more, as
/// far as the limit allows.
fn wishes(planned: &PlannedSku, left_units: i64) -> Vec<Wish> {
    let hands = i64::try_from(HANDS).unwrap_or(i64::MAX);
    let most_units = (left_units / hands).clamp(1, planned.limit.unwrap_or(i64::MAX));
    let mut wishes = Vec::new();
    let mut open_units = left_units;
    while open_units > 0 {
        let units = most_units.min(open_units);
        wishes.push(wish(&planned.sku, wishes.len(), units));
        open_units -= units;
    }
    wishes
}

/// Each order for a buyer of its own, so that no limit stands in the way.
fn wish(sku: &str, number: usize, units: i64) -> Wish {
    Wish {
        sku: sku.to_owned(),
        buyer: format!("probe-{sku}-{number}"),
        key: format!("probe-{number}"),
        units,
        ask: Ask::Order,
        leaves: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_left_is_wished_for_and_nobody_beyond_the_limit() {
        for (limit, left_units) in [(None, 0), (None, 7), (Some(2), 400), (None, 401)] {
            let wishes = wishes(&PlannedSku::tee(1, limit), left_units);
            let units = || wishes.iter().map(|wish| wish.units);
            assert_eq!(units().sum::<i64>(), left_units);
            let most = limit.unwrap_or(i64::MAX);
            assert!(units().all(|units| (1..=most).contains(&units)));
        }
    }
}
