//! One purchase that is broken at one of its steps, and the server that comes back.

use std::time::Duration;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use flash_core::Sku;
use flash_lab_crowd::outcome::Told;
use flash_lab_wire::Turn;
use serde::Serialize;

use crate::desk::Event;
use crate::scenario::Ask;
use crate::schedule::Buyer;
use crate::seat::buy;
use crate::stage::Stage;
use crate::transcript::Step;

/// How long anything may take that takes milliseconds; no result depends on it.
const LIMIT: Duration = Duration::from_secs(60);

/// What happens at a step of a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The server is killed, and the step does not arrive
    KilledBefore,
    /// The step arrives, and the server is killed before it hears what came of it
    KilledAfter,
    /// The step arrives, and its connection breaks before anybody hears what came of it
    AnswerLost,
    /// The connection breaks, and the step does not arrive
    StepLost,
}

impl Fault {
    fn turn(self) -> Turn {
        match self {
            Self::KilledBefore => Turn::Never,
            Self::KilledAfter => Turn::Unheard,
            Self::AnswerLost => Turn::Cut,
            Self::StepLost => Turn::Lost,
        }
    }
}

/// What came of a purchase that was broken.
#[derive(Debug, Clone)]
pub struct Broken {
    /// Its steps up to the one that was broken.
    pub steps: Vec<Step>,
    /// What the buyer was told.
    pub told: Told,
}

impl Stage {
    /// Buys at one of the two servers; nobody watches.
    pub async fn buy(&self, at: Buyer, ask: &Ask, sku: &Sku) -> Told {
        buy(self.seats[at.index()].address, ask, sku).await
    }

    /// Buys at the first server, and breaks the step with this number, counted from 1.
    /// A server that was killed is there again afterwards. None where there was no such step:
    /// then the purchase went through.
    ///
    /// # Errors
    ///
    /// A store or a server that does not do what it should.
    ///
    /// # Cancel safety
    ///
    /// A stage whose purchase was dropped must not be used again.
    pub async fn break_purchase(
        &mut self,
        ask: &Ask,
        sku: &Sku,
        number: usize,
        fault: Fault,
    ) -> anyhow::Result<Option<Broken>> {
        let seat = &mut self.seats[0];
        seat.watch(sku);
        seat.order(ask, sku);
        let mut steps: Vec<Step> = Vec::new();
        let mut was_broken = false;
        let told = loop {
            let event = tokio::time::timeout(LIMIT, seat.events.recv()).await;
            let event = event.context("a purchase does not come to an end")?;
            match event.context("the server is gone")? {
                Event::Held(held) => {
                    steps.push(Step::of(Buyer::One, held.statement));
                    was_broken = steps.len() == number;
                    let turn = if was_broken { fault.turn() } else { Turn::Go };
                    let is_sent = held.release.send(turn).is_ok();
                    ensure!(is_sent, "the connection of {} was closed", ask.buyer);
                    if was_broken {
                        seat.desk.look_away();
                    }
                    if was_broken && fault == Fault::KilledBefore {
                        seat.kill();
                    }
                }
                Event::Returned(text) => {
                    if let Some(step) = steps.last_mut() {
                        step.returned = Some(text);
                    }
                    if was_broken && fault == Fault::KilledAfter {
                        seat.kill();
                    }
                }
                Event::Answered(told) => break told,
                Event::Disturbed(_) => {}
            }
        };
        seat.desk.look_away();
        if was_broken && matches!(fault, Fault::KilledBefore | Fault::KilledAfter) {
            self.start_again().await?;
        }
        Ok(was_broken.then_some(Broken { steps, told }))
    }
}
