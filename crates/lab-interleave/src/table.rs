//! Two buyers at work: who may take a step, and what each step leads to.

use std::time::{Duration, Instant};

use anyhow::bail;
use flash_core::Sku;
use flash_engine::ADMITTED;
use flash_lab_wire::{Statement, Store};
use tokio::sync::oneshot;

use crate::desk::{Disturbed, Event};
use crate::observer::Observer;
use crate::schedule::{Buyer, Schedule};
use crate::seat::Seat;
use crate::transcript::{BuyerState, NOT_ADMITTED, Place, Step, Wait};

/// How long anything may take that takes milliseconds. It only bounds how long a broken
/// run takes; no result depends on it.
const LIMIT: Duration = Duration::from_secs(20);

/// How often to ask whether a step that does not return waits for a lock.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Where a buyer is.
enum State {
    Ready,
    Held {
        statement: Statement,
        release: oneshot::Sender<()>,
    },
    /// The step with this index is on its way.
    Running(usize),
    /// It waits for a lock of the other buyer.
    Locked(usize),
    /// The engine's Redis did not admit the buyer: PostgreSQL has to decide for the other one first.
    AtGate(usize),
    Answered(String),
}

/// One run.
pub(crate) struct Table<'a> {
    pub(crate) seats: &'a mut [Seat; 2],
    pub(crate) observer: &'a mut Observer,
    sku: Sku,
    states: [State; 2],
    pids: [Option<i32>; 2],
    pub(crate) steps: Vec<Step>,
    pub(crate) schedule: Schedule,
    /// Where a buyer goes first, if that is known.
    first_store: Option<Store>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(
        seats: &'a mut [Seat; 2],
        observer: &'a mut Observer,
        sku: Sku,
        first: Option<&Statement>,
    ) -> Self {
        for seat in seats.iter_mut() {
            while seat.events.try_recv().is_ok() {}
            seat.desk.watch(sku.as_str());
        }
        Self {
            seats,
            observer,
            sku,
            states: [State::Ready, State::Ready],
            pids: [None, None],
            steps: Vec::new(),
            schedule: Schedule::default(),
            first_store: first.map(|it| it.store),
        }
    }

    /// Whether the next turn can be this buyer's.
    pub(crate) fn can_step(&self, buyer: Buyer) -> bool {
        let state = &self.states[buyer.index()];
        matches!(state, State::Ready | State::Held { .. })
    }

    /// Whether both buyers have their answers.
    pub(crate) fn is_over(&self) -> bool {
        let answered = |state: &State| matches!(state, State::Answered(_));
        self.states.iter().all(answered)
    }

    /// Lets a buyer take one step, and waits until nothing moves any more.
    pub(crate) async fn step(&mut self, buyer: Buyer) -> anyhow::Result<()> {
        if matches!(self.states[buyer.index()], State::Ready) {
            self.seats[buyer.index()].order(buyer, &self.sku);
            self.wait_for_first(buyer).await?;
        }
        let number = self.steps.len();
        let running = State::Running(number);
        let state = std::mem::replace(&mut self.states[buyer.index()], running);
        let State::Held { statement, release } = state else {
            bail!("buyer {buyer} has no step to take");
        };
        let is_first = !self.schedule.0.contains(&buyer);
        if is_first && self.first_store.is_some_and(|it| it != statement.store) {
            return Err(Disturbed("Redis was not asked").into());
        }
        self.steps.push(Step {
            buyer,
            statement,
            returned: None,
            waited: false,
            waited_for: None,
            waited_until: None,
            available_units_after: 0,
            answer: None,
        });
        self.schedule.0.push(buyer);
        if release.send(()).is_err() {
            bail!("the connection of buyer {buyer} was closed");
        }
        // This step may be what the other one waits for.
        let other = &mut self.states[buyer.other().index()];
        if let State::Locked(step) = *other {
            *other = State::Running(step);
        }
        self.settle().await?;
        let available_units = self.observer.available_units(&self.sku).await?;
        self.steps[number].available_units_after = available_units;
        Ok(())
    }

    async fn wait_for_first(&mut self, buyer: Buyer) -> anyhow::Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !matches!(self.states[buyer.index()], State::Held { .. }) {
            self.next_event(LIMIT).await?;
            if Instant::now() > deadline {
                bail!("buyer {buyer} sent a purchase request, and no statement came");
            }
        }
        Ok(())
    }

    /// Waits until each buyer is held, has an answer, or waits for the other one.
    async fn settle(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !self.is_settled() {
            if !self.next_event(LOOK_AGAIN).await? {
                self.find_locked().await?;
            }
            if Instant::now() > deadline {
                bail!("a step neither returned nor waited for a lock");
            }
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        Buyer::BOTH.into_iter().all(|buyer| {
            let other = &self.states[buyer.other().index()];
            match &self.states[buyer.index()] {
                State::Running(_) => false,
                State::AtGate(_) => matches!(other, State::Held { .. }),
                _ => true,
            }
        })
    }

    /// Handles the next event of either buyer; false if there is none for so long.
    async fn next_event(&mut self, limit: Duration) -> anyhow::Result<bool> {
        let [one, two] = self.seats;
        let (buyer, event) = tokio::select! {
            Some(event) = one.events.recv() => (Buyer::One, event),
            Some(event) = two.events.recv() => (Buyer::Two, event),
            () = tokio::time::sleep(limit) => return Ok(false),
        };
        self.on_event(buyer, event)?;
        Ok(true)
    }

    fn on_event(&mut self, buyer: Buyer, event: Event) -> anyhow::Result<()> {
        let now = self.steps.len();
        let other = &self.states[buyer.other().index()];
        let other_is_held = matches!(other, State::Held { .. });
        let state = &mut self.states[buyer.index()];
        let step = match *state {
            State::Running(step) | State::Locked(step) | State::AtGate(step) => {
                self.steps.get_mut(step).map(|it| (step, it))
            }
            _ => None,
        };
        match event {
            Event::Disturbed(why) => return Err(Disturbed(why).into()),
            Event::Held {
                statement,
                release,
                pid,
            } => {
                if let Some((_, step)) = step {
                    if step.statement.store == Store::Redis && step.returned.is_none() {
                        return Err(Disturbed("Redis was not waited for").into());
                    }
                    end_wait(step, now);
                }
                self.pids[buyer.index()] = pid;
                *state = State::Held { statement, release };
            }
            Event::Returned(text) => {
                let Some((number, step)) = step else {
                    bail!("buyer {buyer} got a result without a step");
                };
                end_wait(step, now);
                *state = State::Running(number);
                if step.statement.store == Store::Redis && is_held(&text) {
                    step.waited = other_is_held;
                    step.waited_for = other_is_held.then_some(Wait::Gate);
                    *state = State::AtGate(number);
                }
                step.returned = Some(text);
            }
            Event::Answered(answer) => {
                if let Some((_, step)) = step {
                    end_wait(step, now);
                    step.answer = Some(answer.clone());
                }
                *state = State::Answered(answer);
            }
        }
        Ok(())
    }

    /// Finds out whether a step that does not return waits for a lock of the other buyer.
    /// The other one is held, so that the wait lasts until we end it.
    async fn find_locked(&mut self) -> anyhow::Result<()> {
        for buyer in Buyer::BOTH {
            let other = buyer.other();
            let State::Running(number) = self.states[buyer.index()] else {
                continue;
            };
            if !matches!(self.states[other.index()], State::Held { .. }) {
                continue;
            }
            let (Some(pid), Some(other_pid)) =
                (self.pids[buyer.index()], self.pids[other.index()])
            else {
                continue;
            };
            if self.observer.waits_for(pid, other_pid).await? {
                self.states[buyer.index()] = State::Locked(number);
                self.steps[number].waited = true;
                self.steps[number].waited_for = Some(Wait::Lock);
            }
        }
        Ok(())
    }

    /// Where a buyer is; `first` is what a buyer sends first.
    pub(crate) fn buyer_state(
        &self,
        buyer: Buyer,
        first: Option<&Statement>,
    ) -> BuyerState {
        let state =
            |place, next: Option<&Statement>, answer: Option<&String>| BuyerState {
                place,
                next: next.cloned(),
                answer: answer.cloned(),
            };
        match &self.states[buyer.index()] {
            State::Ready => state(Place::Ready, first, None),
            State::Held { statement, .. } => state(Place::Held, Some(statement), None),
            State::Running(_) | State::Locked(_) | State::AtGate(_) => {
                state(Place::Waiting, None, None)
            }
            State::Answered(answer) => state(Place::Answered, None, Some(answer)),
        }
    }

    /// Lets everything pass from now on, and waits for the buyers who are on the way.
    pub(crate) async fn let_go(self) -> anyhow::Result<()> {
        for seat in self.seats.iter() {
            seat.desk.look_away();
        }
        let under_way = self.states.map(|state| {
            // Dropping what is held releases it.
            !matches!(state, State::Ready | State::Answered(_))
        });
        for (seat, under_way) in self.seats.iter_mut().zip(under_way) {
            if under_way {
                tokio::time::timeout(LIMIT, seat.wait_for_answer()).await?;
            }
        }
        Ok(())
    }
}

fn end_wait(step: &mut Step, now: usize) {
    if step.waited && step.waited_until.is_none() {
        step.waited_until = Some(now);
    }
}

/// Whether a gate neither admits a buyer nor refuses for good: the engine says `[fence, 0]`
/// where the units may come back. Phase 3 says `0`, and the buyer has an answer.
fn is_held(text: &str) -> bool {
    !text.ends_with(&format!(", {ADMITTED}]")) && text != "1" && text != NOT_ADMITTED
}
