//! Real stores, two real servers of one strategy, and a buyer at each.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use flash_core::Sku;
use flash_lab_crowd::audit::Auditor;
use flash_lab_crowd::cli::Strategy;
use flash_lab_crowd::outcome::Outcome;
use flash_lab_crowd::server_process;
use flash_lab_wire::Statement;
use flash_sandbox::{Options, Sandbox};
use uuid::Uuid;

use crate::desk::Disturbed;
use crate::observer::Observer;
use crate::schedule::{Buyer, Schedule};
use crate::seat::Seat;
use crate::table::Table;
use crate::transcript::{Ending, Transcript};

/// Four strategies with two servers each, their admin calls, and the observers.
const MAX_CONNECTIONS: u32 = 100;

/// Units that are there to rehearse with.
const REHEARSAL_UNITS: i64 = 10;

/// How often a run is repeated in which a clock of a server ran out.
const TRIES_MAX: u32 = 10;

/// What to do when the schedule has no more turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Stop there: the transcript says what each buyer would do next.
    Here,
    /// Go on, the first buyer whenever there is a choice, until both have answers.
    Both,
}

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
    let starting = tokio::task::spawn_blocking(move || Sandbox::start(&options));
    Ok(Arc::new(starting.await??))
}

/// Plays schedules with one strategy, any number of them, one after the other.
pub struct Stage {
    strategy: Strategy,
    seats: [Seat; 2],
    observer: Observer,
    auditor: Auditor,
    /// Part of the name of each SKU, so that stages do not meet.
    name: String,
    plays: u64,
    /// What a buyer sends first.
    first: Option<Statement>,
    // After what depends on it, so that it ends last.
    _stores: Arc<Sandbox>,
}

/// A transcript, and where it could have gone another way.
pub(crate) struct Played {
    pub(crate) transcript: Transcript,
    /// For each turn, whether it could have been the other buyer's.
    pub(crate) choices: Vec<bool>,
}

impl Stage {
    /// Starts two servers with this strategy on these stores.
    ///
    /// # Errors
    ///
    /// Whatever keeps a server from selling.
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends what it has started.
    pub async fn open(
        stores: Arc<Sandbox>,
        strategy: Strategy,
    ) -> anyhow::Result<Self> {
        Self::open_with(&server_process::find()?, stores, strategy).await
    }

    /// Starts two servers from this program, as [`open`](Self::open) does from the one
    /// beside the running program.
    ///
    /// # Errors
    ///
    /// Whatever keeps a server from selling.
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends what it has started.
    pub async fn open_with(
        program: &Path,
        stores: Arc<Sandbox>,
        strategy: Strategy,
    ) -> anyhow::Result<Self> {
        let database_url = stores.database_url().context("there is no database")?;
        let seats = [
            // The first one makes the tables.
            Seat::take(program, strategy, &stores).await?,
            Seat::take(program, strategy, &stores).await?,
        ];
        let id = Uuid::now_v7().simple().to_string();
        let (_, random) = id.split_at(id.len() - 8);
        let mut stage = Self {
            strategy,
            seats,
            observer: Observer::open(database_url).await?,
            auditor: Auditor::open(database_url).await?,
            name: format!("tee-{random}"),
            plays: 0,
            first: None,
            _stores: stores,
        };
        stage.rehearse().await?;
        Ok(stage)
    }

    /// Who sells.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Each server records an order, so that its statements are prepared and the
    /// connection is known over which it does that.
    async fn rehearse(&mut self) -> anyhow::Result<()> {
        let sku = Sku::new(format!("{}-rehearsal", self.name))?;
        self.observer.create(&sku, REHEARSAL_UNITS).await?;
        for seat in &self.seats {
            seat.rehearse(&sku, 1, Outcome::Accepted).await?;
        }
        let one: Schedule = Schedule(vec![Buyer::One]);
        let solo = self.play(&one, Finish::Here).await?;
        self.first = solo.steps.into_iter().next().map(|step| step.statement);
        Ok(())
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
        Ok(self.play_with_choices(schedule, finish).await?.transcript)
    }

    pub(crate) async fn play_with_choices(
        &mut self,
        schedule: &Schedule,
        finish: Finish,
    ) -> anyhow::Result<Played> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.play_once(schedule, finish).await {
                Err(error) if error.is::<Disturbed>() && tries < TRIES_MAX => {}
                played => {
                    return played.with_context(|| {
                        format!("{}: cannot play {schedule}", self.strategy)
                    });
                }
            }
        }
    }

    async fn play_once(
        &mut self,
        schedule: &Schedule,
        finish: Finish,
    ) -> anyhow::Result<Played> {
        let sku = self.new_sku().await?;
        let mut table = Table::new(
            &mut self.seats,
            &mut self.observer,
            sku.clone(),
            self.first.as_ref(),
        );
        let choices = take_turns(&mut table, schedule, finish).await;
        let over = table.is_over();
        let buyers = Buyer::BOTH.map(|it| table.buyer_state(it, self.first.as_ref()));
        let steps = std::mem::take(&mut table.steps);
        let taken = std::mem::take(&mut table.schedule);
        // Also after an error, so that the next run finds everybody at rest.
        let gone = table.let_go().await;
        let choices = choices?;
        gone.context("a buyer does not come to an end")?;
        let ending = if over {
            Some(self.judge(&sku).await?)
        } else {
            None
        };
        Ok(Played {
            transcript: Transcript {
                strategy: self.strategy.to_string(),
                schedule: taken,
                steps,
                buyers,
                ending,
            },
            choices,
        })
    }

    /// Puts one unit on sale. A gate in Redis is reconciled before the buyers come,
    /// by somebody at each server who wants two units and is refused.
    async fn new_sku(&mut self) -> anyhow::Result<Sku> {
        self.plays += 1;
        let sku = Sku::new(format!("{}-{}", self.name, self.plays))?;
        self.observer.create(&sku, 1).await?;
        if self.strategy.uses_redis() {
            for seat in &self.seats {
                seat.rehearse(&sku, 2, Outcome::SoldOut).await?;
            }
        }
        Ok(sku)
    }

    async fn judge(&mut self, sku: &Sku) -> anyhow::Result<Ending> {
        let strategy = self.strategy.as_str();
        let audit = self.auditor.audit(sku, Some(strategy), None).await?;
        let audit = audit.context("the SKU has vanished")?;
        Ok(Ending {
            verdict: audit.verdict,
            oversold_units: audit.oversold_units,
            accepted_units: audit.accepted_units,
            available_units: audit.available_units,
            lost_updates: audit.lost_updates,
        })
    }
}

async fn take_turns(
    table: &mut Table<'_>,
    schedule: &Schedule,
    finish: Finish,
) -> anyhow::Result<Vec<bool>> {
    let mut choices = Vec::new();
    let mut turns = schedule.0.iter().copied();
    loop {
        let wanted = match (turns.next(), finish) {
            (Some(buyer), _) => buyer,
            (None, Finish::Both) => Buyer::One,
            (None, Finish::Here) => return Ok(choices),
        };
        let buyer = if table.can_step(wanted) {
            wanted
        } else if table.can_step(wanted.other()) {
            wanted.other()
        } else {
            return Ok(choices);
        };
        choices.push(table.can_step(buyer.other()));
        table.step(buyer).await?;
    }
}
