//! The front of a shop that is attacked, as mallory sees it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use flash_core::Sku;
use flash_lab_crowd::client::JsonRequest;
use flash_lab_crowd::outcome::{Outcome, Told};
use flash_lab_crowd::{Client, purchase};
use flash_testkit::{Conductor, Stores, WAIT};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// Who attacks. The front of the shop knows who is who: nobody can buy in another name.
pub(crate) const MALLORY: &str = "mallory";

/// How often to look whether all have arrived.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// One request that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) key: String,
    /// Whether another one was under way.
    pub(crate) overlaps: bool,
    /// None while nothing has come back.
    pub(crate) told: Option<Told>,
}

/// A shop, and one SKU of it.
pub struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) sku: Sku,
    /// Whether requests that are under way together are made to meet.
    meets: bool,
    stores: Arc<Stores>,
    conductor: Mutex<Option<Conductor>>,
    /// Requests that mallory has sent and not yet heard the answer of.
    under_way: AtomicUsize,
    /// Those among them that are answered.
    answered: Arc<AtomicUsize>,
    sent: Arc<StdMutex<Vec<Sent>>>,
}

/// What mallory was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There is an order; whose it is, nobody says.
    Accepted,
    /// Nothing is left.
    SoldOut,
    /// Mallory has as many units as one may have.
    LimitReached,
    /// Anything else.
    Failed,
}

/// A request under way.
pub struct Pending<'a> {
    target: &'a Target,
    task: JoinHandle<anyhow::Result<Answer>>,
}

impl Target {
    pub(crate) fn new(
        address: SocketAddr,
        sku: Sku,
        stores: &Arc<Stores>,
        meets: bool,
    ) -> Self {
        Self {
            address,
            sku,
            meets,
            stores: Arc::clone(stores),
            conductor: Mutex::default(),
            under_way: AtomicUsize::default(),
            answered: Arc::default(),
            sent: Arc::default(),
        }
    }

    /// Sends a purchase of one unit with this key, and waits for the answer.
    ///
    /// # Errors
    ///
    /// The shop cannot be reached.
    pub async fn buy(&self, key: &str) -> anyhow::Result<Answer> {
        self.start_buying(key).await?.answer().await
    }

    /// Sends a purchase of one unit with this key on a connection of its own, and does not
    /// wait for the answer.
    ///
    /// # Errors
    ///
    /// The shop cannot be reached.
    pub async fn start_buying(&self, key: &str) -> anyhow::Result<Pending<'_>> {
        // Before anything is waited for: whoever starts two at once has two under way.
        let before = self.under_way.fetch_add(1, Ordering::SeqCst);
        let number = self.note(Sent {
            key: key.to_owned(),
            overlaps: before > 0,
            told: None,
        });
        let mut conductor = self.conductor.lock().await;
        if self.meets && conductor.is_none() {
            *conductor = Some(Conductor::hold_stock_rows(&self.stores).await?);
        }
        drop(conductor);
        let request = self.request(MALLORY, key)?;
        let mut client = Client::connect(self.address).await?;
        let (answered, sent) = (Arc::clone(&self.answered), Arc::clone(&self.sent));
        let task = tokio::spawn(async move {
            let told = Told::of(&client.send(request, WAIT).await);
            let answer = match told.outcome {
                Outcome::Accepted => Answer::Accepted,
                Outcome::SoldOut => Answer::SoldOut,
                Outcome::LimitReached => Answer::LimitReached,
                _ => Answer::Failed,
            };
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.get_mut(number).context("it was sent")?.told = Some(told);
            answered.fetch_add(1, Ordering::SeqCst);
            Ok(answer)
        });
        Ok(Pending { target: self, task })
    }

    /// A purchase of one unit. The name of the SKU is added to the key, which then stands for
    /// nothing else.
    pub(crate) fn request(
        &self,
        buyer: &str,
        key: &str,
    ) -> anyhow::Result<JsonRequest> {
        let sku = self.sku.as_str();
        purchase(self.address, sku, (buyer, &format!("{sku}-{key}")), 1)
    }

    fn note(&self, one: Sent) -> usize {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.push(one);
        sent.len() - 1
    }

    /// All that were sent, once all are answered.
    pub(crate) async fn sent(&self) -> anyhow::Result<Vec<Sent>> {
        self.let_all_meet().await?;
        let end = Instant::now() + WAIT;
        loop {
            let sent = self
                .sent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if sent.iter().all(|it| it.told.is_some()) {
                return Ok(sent);
            }
            ensure!(Instant::now() < end, "a request was not answered");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Lets the row go when each request that is under way stands before it, or has its
    /// answer: those that are under way together have read what there was before any of
    /// them, on every machine.
    async fn let_all_meet(&self) -> anyhow::Result<()> {
        let end = Instant::now() + WAIT;
        loop {
            let mut held = self.conductor.lock().await;
            let Some(conductor) = held.as_mut() else {
                return Ok(());
            };
            let arrived = usize::try_from(conductor.waiting().await?)?
                + self.answered.load(Ordering::SeqCst);
            if arrived >= self.under_way.load(Ordering::SeqCst) {
                let conductor = held.take().context("it holds the row")?;
                return conductor.release().await;
            }
            drop(held);
            ensure!(Instant::now() < end, "a request did not arrive at the row");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

impl Pending<'_> {
    /// Waits for the answer.
    ///
    /// # Errors
    ///
    /// The shop cannot be reached.
    pub async fn answer(self) -> anyhow::Result<Answer> {
        self.target.let_all_meet().await?;
        let answer = self
            .task
            .await
            .context("the request ended without a word")?;
        self.target.answered.fetch_sub(1, Ordering::SeqCst);
        self.target.under_way.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}
