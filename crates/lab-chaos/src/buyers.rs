//! Who buys, cancels and restocks, and writes down what they are told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use flash_lab_crowd::{Client, Method, Reply, SendError, json_request, purchase};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::journal::{Answer, Ask, Entry, Journal};
use crate::schedule::{Plan, PlannedRestock, PlannedSku, SALE_MS};

/// How long to wait before asking again, in milliseconds.
const AGAIN_MS: std::ops::Range<u64> = 20..120;

/// How long a buyer waits for an answer, in milliseconds: some less than the server.
const PATIENCE_MS: std::ops::Range<u64> = 300..4_000;

/// Of a hundred purchases, how many are asked for once, whatever is answered.
const LEAVING_PERCENT: u64 = 10;

/// The patience of who restocks, and of the probe.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// What all of them know.
#[derive(Debug)]
pub(crate) struct Sale {
    pub(crate) addresses: [SocketAddr; 2],
    pub(crate) skus: Vec<PlannedSku>,
    pub(crate) journal: Journal,
    /// The moment after which nobody asks again; none before all faults are healed.
    pub(crate) deadline: watch::Sender<Option<Instant>>,
    /// Whether somebody cancels: a program of somebody's own is not asked to.
    pub(crate) has_cancels: bool,
}

/// How long everybody waits once all faults are healed: only what is never answered is wrong,
/// however busy the machine is.
pub(crate) const HEALED_PATIENCE: Duration = Duration::from_secs(60);

/// What is sent, again and again, until there is a final answer.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) sku: String,
    pub(crate) buyer: String,
    pub(crate) key: String,
    pub(crate) units: i64,
    pub(crate) ask: Ask,
    /// Whether the buyer asks once and goes away, whatever is answered.
    pub(crate) leaves: bool,
}

/// Connections to both instances, used in turn.
pub(crate) struct Buyer {
    sale: Arc<Sale>,
    rng: Rng,
    clients: [Option<Client>; 2],
    turn: usize,
    patience: Duration,
}

#[derive(Serialize)]
struct NewUnits {
    units: i64,
}

impl Buyer {
    pub(crate) fn new(sale: Arc<Sale>, seed: u64, patience: Duration) -> Self {
        let mut rng = Rng::with_seed(seed);
        Self {
            sale,
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
        let wish = wish.clone();
        self.sale.journal.add(Entry {
            sku: wish.sku,
            buyer: wish.buyer,
            key: wish.key,
            units: wish.units,
            ask: wish.ask,
            instance,
            sent_us,
            answered_us: self.sale.journal.now_us(),
            answer: answer.clone(),
            leaves: wish.leaves,
        });
        answer
    }

    async fn exchange(
        &mut self,
        wish: &Wish,
        instance: usize,
    ) -> Result<Reply, SendError> {
        let not_sent = |error: anyhow::Error| SendError::NotSent(error.to_string());
        let address = self.sale.addresses[instance];
        let key = Some(wish.key.as_str());
        let units = wish.units;
        let request = match &wish.ask {
            Ask::Order => purchase(address, &wish.sku, (&wish.buyer, &wish.key), units),
            Ask::Restock => {
                let path = format!("/v1/skus/{}/restock", wish.sku);
                json_request(Method::POST, address, &path, key, &NewUnits { units })
            }
            Ask::Cancel { order_id } => {
                let path = format!("/v1/orders/{order_id}/cancel");
                json_request(Method::POST, address, &path, None, &())
            }
        };
        let request = request.map_err(not_sent)?;
        let patience = self.patience();
        let mut client = match self.clients[instance].take() {
            Some(client) => client,
            None => tokio::time::timeout(patience, Client::connect(address))
                .await
                .map_err(|elapsed| SendError::NotSent(elapsed.to_string()))?
                .map_err(not_sent)?,
        };
        let reply = client.send(request, patience).await;
        if reply.is_ok() {
            self.clients[instance] = Some(client);
        }
        reply
    }

    fn patience(&self) -> Duration {
        let is_healed = self.sale.deadline.borrow().is_some();
        if is_healed {
            HEALED_PATIENCE
        } else {
            self.patience
        }
    }

    async fn pause(&mut self, range_ms: std::ops::Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(range_ms))).await;
    }
}

/// The life of one buyer: purchases until the sale closes.
pub(crate) async fn shop(sale: Arc<Sale>, plan: Arc<Plan>, number: u64) {
    let mut rng = Rng::with_seed(plan.seed ^ (number + 1).wrapping_mul(0x9E37_79B9));
    let patience = Duration::from_millis(rng.u64(PATIENCE_MS));
    let mut buyer = Buyer::new(Arc::clone(&sale), rng.u64(..), patience);
    let closing = sale.journal.at_ms(SALE_MS);
    buyer.pause(0..plan.pause_ms).await;
    for purchase in 0.. {
        if closing <= std::time::Instant::now() {
            return;
        }
        let wish = Wish {
            sku: sale.skus[rng.usize(..sale.skus.len())].sku.clone(),
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
    match answer {
        Answer::Accepted { order_id } => {
            if rng.u64(0..100) < 20 && buyer.sale.has_cancels {
                let mut cancel = wish.clone();
                cancel.ask = Ask::Cancel { order_id };
                cancel.leaves = false;
                buyer.insist(&cancel).await;
            }
            if rng.u64(0..100) < 15 {
                buyer.insist(wish).await;
            }
        }
        refusal if refusal.is_sold_out() && rng.u64(0..100) < 10 => {
            buyer.insist(wish).await;
        }
        _ => {}
    }
}

/// Adds units, for as long as it takes to be told that they were added.
pub(crate) async fn restock(
    sale: Arc<Sale>,
    seed: u64,
    number: usize,
    planned: PlannedRestock,
) {
    let mut buyer = Buyer::new(Arc::clone(&sale), seed, PATIENCE);
    tokio::time::sleep_until(sale.journal.at_ms(planned.at_ms).into()).await;
    let wish = Wish {
        sku: sale.skus[planned.sku].sku.clone(),
        buyer: "operator".to_owned(),
        key: format!("restock-{number}"),
        units: i64::try_from(planned.units).unwrap_or(i64::MAX),
        ask: Ask::Restock,
        leaves: false,
    };
    buyer.insist(&wish).await;
}
