//! Two buyers at work: who may take a step, and what each step leads to.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::bail;
use flash_core::Sku;
use flash_engine::ADMITTED;
use flash_lab_crowd::outcome::Told;
use flash_lab_wire::{Statement, Store, Turn};
use tokio::sync::oneshot;

use crate::desk::{Disturbed, Event};
use crate::observer::Observer;
use crate::scenario::{Ask, Scenario};
use crate::schedule::{Buyer, Schedule};
use crate::seat::Seat;
use crate::transcript::{BuyerState, NOT_ADMITTED, Place, Step, Wait};

/// How long anything may take that takes milliseconds. It only bounds how long a broken
/// run takes; no result depends on it.
const LIMIT: Duration = Duration::from_secs(20);

/// How often to ask whether a step that does not return waits for a lock.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A statement that waits for its turn.
struct Held {
    statement: Statement,
    release: oneshot::Sender<Turn>,
    pid: Option<i32>,
}

/// Where a buyer is.
enum State {
    Ready,
    Held(Held),
    /// The step with this index is on its way.
    Running(usize),
    /// It waits for a lock of the other buyer.
    Locked(usize),
    /// The engine's Redis did not admit the buyer: PostgreSQL has to decide for the other one first.
    AtGate(usize),
    Answered,
}

/// One of the two, and what was asked and told at this server.
struct Side {
    state: State,
    /// What is still to be asked.
    asks: &'static [Ask],
    /// Whether there is no answer to what was asked last.
    is_asking: bool,
    told: Vec<Told>,
    /// What was said besides: a program may say several things at once.
    besides: VecDeque<Held>,
    pid: Option<i32>,
}

impl Side {
    /// Where it is when nothing is on its way.
    fn rest(&mut self) {
        self.state = match self.besides.pop_front() {
            Some(held) => self.hold(held),
            None if self.asks.is_empty() => State::Answered,
            None => State::Ready,
        };
    }

    fn hold(&mut self, held: Held) -> State {
        self.pid = held.pid;
        State::Held(held)
    }
}

/// One run.
pub(crate) struct Table<'a> {
    pub(crate) seats: &'a mut [Seat; 2],
    pub(crate) observer: &'a mut Observer,
    sku: Sku,
    sides: [Side; 2],
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
        scenario: &Scenario,
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
            sides: Buyer::BOTH.map(|side| Side {
                state: State::Ready,
                asks: scenario.asks(side),
                is_asking: false,
                told: Vec::new(),
                besides: VecDeque::new(),
                pid: None,
            }),
            steps: Vec::new(),
            schedule: Schedule::default(),
            first_store: first.map(|it| it.store),
        }
    }

    /// What was told, in the order of what was asked.
    pub(crate) fn told(&mut self) -> [Vec<Told>; 2] {
        self.sides
            .each_mut()
            .map(|side| std::mem::take(&mut side.told))
    }

    /// Whether a buyer does the same again and again, and gets the same each time.
    pub(crate) fn is_spinning(&self, buyer: Buyer) -> bool {
        const TIMES: usize = 3;
        let own = self.steps.iter().rev().filter(|step| step.buyer == buyer);
        let last: Vec<_> = own.take(TIMES).collect();
        let alike = |pair: &[&Step]| match pair {
            [one, other] => {
                one.statement == other.statement && one.returned == other.returned
            }
            _ => false,
        };
        last.len() == TIMES && last.windows(2).all(alike)
    }

    /// Whether the next turn can be this buyer's.
    pub(crate) fn can_step(&self, buyer: Buyer) -> bool {
        let state = &self.sides[buyer.index()].state;
        matches!(state, State::Ready | State::Held(_))
    }

    /// Whether both buyers have their answers.
    pub(crate) fn is_over(&self) -> bool {
        let answered = |side: &Side| matches!(side.state, State::Answered);
        self.sides.iter().all(answered)
    }

    /// Lets a buyer take one step, and waits until nothing moves any more. A buyer who is
    /// answered without a word to a store takes none.
    pub(crate) async fn step(&mut self, buyer: Buyer) -> anyhow::Result<()> {
        let side = &mut self.sides[buyer.index()];
        if matches!(side.state, State::Ready)
            && let Some((ask, rest)) = side.asks.split_first()
        {
            side.asks = rest;
            side.is_asking = true;
            self.seats[buyer.index()].order(ask, &self.sku);
            self.wait_for_first(buyer).await?;
        }
        let number = self.steps.len();
        let side = &mut self.sides[buyer.index()];
        if !matches!(side.state, State::Held(_)) {
            // It was answered without a word to a store.
            return Ok(());
        }
        let state = std::mem::replace(&mut side.state, State::Running(number));
        let State::Held(Held {
            statement, release, ..
        }) = state
        else {
            bail!("buyer {buyer} has no step to take");
        };
        let is_first = !self.schedule.0.contains(&buyer);
        if is_first && self.first_store.is_some_and(|it| it != statement.store) {
            return Err(Disturbed("Redis was not asked").into());
        }
        self.steps.push(Step::of(buyer, statement));
        self.schedule.0.push(buyer);
        if release.send(Turn::Go).is_err() {
            bail!("the connection of buyer {buyer} was closed");
        }
        // This step may be what the other one waits for.
        let other = &mut self.sides[buyer.other().index()].state;
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
        let is_coming =
            |side: &Side| side.is_asking && matches!(side.state, State::Ready);
        while is_coming(&self.sides[buyer.index()]) {
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
            let other = &self.sides[buyer.other().index()].state;
            match &self.sides[buyer.index()].state {
                State::Running(_) => false,
                State::AtGate(_) => matches!(other, State::Held(_)),
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
        let other = &self.sides[buyer.other().index()].state;
        let other_is_held = matches!(other, State::Held(_));
        let side = &mut self.sides[buyer.index()];
        let step = match side.state {
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
                let held = Held {
                    statement,
                    release,
                    pid,
                };
                if matches!(side.state, State::Held(_)) {
                    side.besides.push_back(held);
                    return Ok(());
                }
                if let Some((_, step)) = step {
                    if step.statement.store == Store::Redis && step.returned.is_none() {
                        return Err(Disturbed("Redis was not waited for").into());
                    }
                    end_wait(step, now);
                }
                side.state = side.hold(held);
            }
            Event::Returned(text) => {
                let Some((number, step)) = step else {
                    bail!("buyer {buyer} got a result without a step");
                };
                end_wait(step, now);
                side.state = State::Running(number);
                if step.statement.store == Store::Redis
                    && is_held(&text)
                    && self.first_store.is_some()
                {
                    step.waited = other_is_held;
                    step.waited_for = other_is_held.then_some(Wait::Gate);
                    side.state = State::AtGate(number);
                }
                step.returned = Some(text);
                if !side.is_asking || !side.besides.is_empty() {
                    side.rest();
                }
            }
            Event::Answered(told) => {
                let is_on_its_way = step.as_ref().is_some_and(|(_, step)| {
                    // What still waits for a lock is answered over.
                    step.returned.is_none() && !step.waited
                });
                if let Some((_, step)) = step {
                    end_wait(step, now);
                    step.answer = Some(told.outcome.as_str().to_owned());
                }
                side.is_asking = false;
                side.told.push(told);
                if !matches!(side.state, State::Held(_)) && !is_on_its_way {
                    side.rest();
                }
            }
        }
        Ok(())
    }

    /// Finds out whether a step that does not return waits for a lock of the other buyer.
    /// The other one is held, so that the wait lasts until we end it.
    async fn find_locked(&mut self) -> anyhow::Result<()> {
        for buyer in Buyer::BOTH {
            let other = buyer.other();
            let State::Running(number) = self.sides[buyer.index()].state else {
                continue;
            };
            if !matches!(self.sides[other.index()].state, State::Held(_)) {
                continue;
            }
            let (Some(pid), Some(other_pid)) =
                (self.sides[buyer.index()].pid, self.sides[other.index()].pid)
            else {
                continue;
            };
            if self.observer.waits_for(pid, other_pid).await? {
                self.sides[buyer.index()].state = State::Locked(number);
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
        let side = &self.sides[buyer.index()];
        let (place, next) = match &side.state {
            State::Ready => (Place::Ready, first),
            State::Held(held) => (Place::Held, Some(&held.statement)),
            State::Running(_) | State::Locked(_) | State::AtGate(_) => {
                (Place::Waiting, None)
            }
            State::Answered => (Place::Answered, None),
        };
        let last = side.told.last().filter(|_| !side.is_asking);
        BuyerState {
            place,
            next: next.cloned(),
            answer: last.map(|told| told.outcome.as_str().to_owned()),
        }
    }

    /// Lets everything pass from now on, and waits for the buyers who are on the way.
    pub(crate) async fn let_go(self) -> anyhow::Result<()> {
        for seat in self.seats.iter() {
            seat.desk.look_away();
        }
        // Dropping what is held releases it.
        let under_way = self.sides.map(|side| side.is_asking);
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
