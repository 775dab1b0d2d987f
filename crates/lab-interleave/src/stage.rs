//! Real stores, two real servers of one strategy, and a buyer at each.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use flash_core::{Audit, Sku};
use flash_lab_crowd::audit::Auditor;
use flash_lab_crowd::cli::Strategy;
use flash_lab_crowd::outcome::{Outcome, Told};
use flash_lab_crowd::seller::Seller;
use flash_lab_crowd::server_process::{LESSON_GATE_LIFETIME, create_sku};
use flash_lab_crowd::stores;
use flash_lab_wire::Statement;
use flash_sandbox::{Options, Sandbox};

use crate::desk::Disturbed;
use crate::observer::{Observer, OrderRow};
use crate::scenario::Scenario;
use crate::schedule::{Buyer, Finish, Schedule};
use crate::seat::Seat;
use crate::table::Table;
use crate::transcript::{Ending, Transcript};

/// Four strategies with two servers each, their admin calls, and the observers.
const MAX_CONNECTIONS: u32 = 100;

/// Units that are there to rehearse with.
const REHEARSAL_UNITS: u32 = 10_000;

/// How often a run is repeated in which a clock of a server ran out.
const TRIES_MAX: u32 = 10;

/// Starts private stores for any number of stages.
///
/// # Errors
///
/// A program that is missing, or stores that do not start.
///
/// # Cancel safety
///
/// A dropped future ends and removes what it has started.
pub async fn start_stores() -> anyhow::Result<Arc<Sandbox>> {
    let options = Options {
        max_connections: MAX_CONNECTIONS,
        ..Options::default()
    };
    Ok(Arc::new(stores::start(options).await?))
}

/// Plays schedules with one seller, any number of them, one after the other.
pub struct Stage {
    seller: Seller,
    pub(crate) seats: [Seat; 2],
    observer: Observer,
    auditor: Auditor,
    /// Part of the name of each SKU, so that stages do not meet.
    name: String,
    plays: u64,
    /// What a buyer sends first.
    first: Option<Statement>,
    // After what depends on it, so that it ends last.
    stores: Arc<Sandbox>,
}

/// A transcript, and what else is known of a run.
pub struct Played {
    /// What happened, step by step.
    pub transcript: Transcript,
    /// For each turn, whether it could have been the other buyer's.
    pub choices: Vec<bool>,
    /// What was told at each server, in the order of what was asked.
    pub told: [Vec<Told>; 2],
    /// The books, where all have their answers.
    pub books: Option<Books>,
}

/// What the database says of a SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    /// The sums.
    pub audit: Audit,
    /// The orders, the oldest first.
    pub orders: Vec<OrderRow>,
}

impl Stage {
    /// Starts two servers on these stores.
    ///
    /// # Errors
    ///
    /// Whatever keeps a server from selling.
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends what it has started.
    pub async fn open(stores: Arc<Sandbox>, seller: &Seller) -> anyhow::Result<Self> {
        Self::open_with(stores, seller, LESSON_GATE_LIFETIME).await
    }

    /// The same, with another life of phase 3's gates.
    ///
    /// # Errors
    ///
    /// Whatever keeps a server from selling.
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends what it has started.
    pub async fn open_with(
        stores: Arc<Sandbox>,
        seller: &Seller,
        gate_lifetime: Duration,
    ) -> anyhow::Result<Self> {
        let database_url = stores.database_url().context("there is no database")?;
        let seats = [
            Seat::take(seller, &stores, gate_lifetime, "1").await?,
            Seat::take(seller, &stores, gate_lifetime, "1").await?,
        ];
        let mut stage = Self {
            seller: seller.clone(),
            seats,
            observer: Observer::open(database_url).await?,
            auditor: Auditor::open(database_url).await?,
            name: format!("tee-{:08x}", fastrand::u32(..)),
            plays: 0,
            first: None,
            stores,
        };
        stage.rehearse().await?;
        Ok(stage)
    }

    /// Who sells.
    #[must_use]
    pub fn seller(&self) -> &Seller {
        &self.seller
    }

    /// Each server records an order, so that its statements are prepared and the
    /// connection is known over which it does that.
    async fn rehearse(&mut self) -> anyhow::Result<()> {
        let sku = self.rehearsal_sku()?;
        create_sku(self.seats[0].address, &sku, REHEARSAL_UNITS, None).await?;
        for seat in &self.seats {
            seat.rehearse(&sku, 1, Outcome::Accepted).await?;
        }
        let one = Schedule(vec![Buyer::One]);
        let solo = self.play(&one, Finish::Here).await?;
        if self.seller.strategy.is_some() {
            self.first = solo.steps.into_iter().next().map(|step| step.statement);
        }
        Ok(())
    }

    fn rehearsal_sku(&self) -> anyhow::Result<Sku> {
        Ok(Sku::new(format!("{}-rehearsal", self.name))?)
    }

    /// A third server, which serves several buyers at once.
    pub(crate) async fn roomy_seat(&self) -> anyhow::Result<Seat> {
        Seat::take(&self.seller, &self.stores, LESSON_GATE_LIFETIME, "4").await
    }

    /// Starts the first server again, after it was killed.
    pub(crate) async fn start_again(&mut self) -> anyhow::Result<()> {
        let sku = self.rehearsal_sku()?;
        self.seats[0].start().await?;
        self.seats[0].rehearse(&sku, 1, Outcome::Accepted).await
    }

    /// Plays a schedule: one unit of a new SKU, two buyers who want it.
    ///
    /// # Errors
    ///
    /// A store or a server that does not do what it should.
    ///
    /// # Cancel safety
    ///
    /// A stage whose play was dropped must not be used again.
    pub async fn play(
        &mut self,
        schedule: &Schedule,
        finish: Finish,
    ) -> anyhow::Result<Transcript> {
        let played = self.play_scenario(Scenario::last_unit(), schedule, finish);
        Ok(played.await?.transcript)
    }

    /// Plays a schedule of any scenario.
    ///
    /// # Errors
    ///
    /// As [`play`](Self::play).
    ///
    /// # Cancel safety
    ///
    /// As [`play`](Self::play).
    pub async fn play_scenario(
        &mut self,
        scenario: &Scenario,
        schedule: &Schedule,
        finish: Finish,
    ) -> anyhow::Result<Played> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.play_once(scenario, schedule, finish).await {
                Err(error) if error.is::<Disturbed>() && tries < TRIES_MAX => {}
                played => {
                    let what = || format!("{}: cannot play {schedule}", self.seller);
                    return played.with_context(what);
                }
            }
        }
    }

    async fn play_once(
        &mut self,
        scenario: &Scenario,
        schedule: &Schedule,
        finish: Finish,
    ) -> anyhow::Result<Played> {
        let sku = self.put_on_sale(scenario.units, scenario.limit).await?;
        let (seats, first) = (&mut self.seats, self.first.as_ref());
        let mut table = Table::new(seats, &mut self.observer, &sku, scenario, first);
        let choices = table.take_turns(schedule, finish).await;
        let is_over = table.is_over();
        let buyers = Buyer::BOTH.map(|it| table.buyer_state(it));
        // Also after an error, so that the next run finds everybody at rest.
        let gone = table.let_go().await;
        let choices = choices?;
        gone.context("a buyer does not come to an end")?;
        let steps = std::mem::take(&mut table.steps);
        let told = table.told();
        let books = match is_over {
            true => Some(self.read_books(&sku).await?),
            false => None,
        };
        Ok(Played {
            transcript: Transcript {
                strategy: self.seller.to_string(),
                schedule: Schedule(steps.iter().map(|it| it.buyer).collect()),
                steps,
                buyers,
                ending: books.as_ref().map(|it| Ending::of(&it.audit)),
            },
            choices,
            told,
            books,
        })
    }

    /// Puts units on sale. A gate of ours is reconciled before the buyers come, by somebody
    /// at each server who wants too many and is refused.
    ///
    /// # Errors
    ///
    /// A server that does not do what it should.
    pub async fn put_on_sale(
        &mut self,
        units: u32,
        limit: Option<u32>,
    ) -> anyhow::Result<Sku> {
        self.plays += 1;
        let sku = Sku::new(format!("{}-{}", self.name, self.plays))?;
        create_sku(self.seats[0].address, &sku, units, limit).await?;
        if self.seller.strategy.is_some_and(Strategy::uses_redis) {
            for seat in &self.seats {
                seat.rehearse(&sku, units + 1, Outcome::SoldOut).await?;
            }
        }
        Ok(sku)
    }

    /// What the database says of a SKU.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub async fn read_books(&mut self, sku: &Sku) -> anyhow::Result<Books> {
        let name = Some(&*self.seller.name);
        Ok(Books {
            audit: self.auditor.audit(sku, name, None).await?,
            orders: self.observer.orders(sku).await?,
        })
    }
}
