//! Two buyers at work: who may take a step, and what each step leads to.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use flash_core::Sku;
use flash_lab_crowd::outcome::Told;
use flash_lab_wire::{Statement, Store, Turn};

use crate::desk::{Disturbed, Event, Held};
use crate::observer::Observer;
use crate::scenario::{Ask, Scenario};
use crate::schedule::{Buyer, Finish, Schedule, TURNS_MAX};
use crate::seat::Seat;
use crate::transcript::{BuyerState, Place, Step, Wait, is_held};

/// How long anything may take that takes milliseconds. It only bounds how long a broken
/// run takes; no result depends on it.
const LIMIT: Duration = Duration::from_secs(20);

/// How often to ask whether a buyer of whom nothing comes waits for the other one.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Where a buyer is.
enum State {
    Ready,
    Held(Held),
    /// The step with this index is on its way, or waits: for a lock of the other buyer, or
    /// since the engine's Redis did not admit and PostgreSQL has to decide for the other one.
    Running(usize, Option<Wait>),
    Answered,
}

/// One of the two, and what was asked and told at this server.
struct Side<'a> {
    seat: &'a mut Seat,
    state: State,
    /// What is still to be asked.
    asks: &'a [Ask],
    /// What was asked last, while there is no answer.
    asking: Option<&'a Ask>,
    told: Vec<Told>,
    /// What was said besides: a program may say several things at once.
    besides: VecDeque<Held>,
    pid: Option<i32>,
}

impl Side<'_> {
    fn is_held(&self) -> bool {
        matches!(self.state, State::Held(_))
    }

    fn can_step(&self) -> bool {
        self.is_held() || matches!(self.state, State::Ready)
    }

    fn hold(&mut self, held: Held) {
        self.pid = held.pid;
        self.state = State::Held(held);
    }

    /// Where it is when nothing is on its way.
    fn rest(&mut self) {
        match self.besides.pop_front() {
            Some(held) => self.hold(held),
            None if self.asks.is_empty() => self.state = State::Answered,
            None => self.state = State::Ready,
        }
    }
}

/// One run.
pub(crate) struct Table<'a> {
    observer: &'a mut Observer,
    sku: &'a Sku,
    /// What a buyer sends first, if that is known.
    first: Option<&'a Statement>,
    sides: [Side<'a>; 2],
    pub(crate) steps: Vec<Step>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(
        seats: &'a mut [Seat; 2],
        observer: &'a mut Observer,
        sku: &'a Sku,
        scenario: &'a Scenario,
        first: Option<&'a Statement>,
    ) -> Self {
        let mut asks = scenario.asks.iter();
        let sides = seats.each_mut().map(|seat| {
            seat.watch(sku);
            Side {
                seat,
                state: State::Ready,
                asks: asks.next().map_or(&[], Vec::as_slice),
                asking: None,
                told: Vec::new(),
                besides: VecDeque::new(),
                pid: None,
            }
        });
        Self {
            observer,
            sku,
            first,
            sides,
            steps: Vec::new(),
        }
    }

    /// What was told, in the order of what was asked.
    pub(crate) fn told(self) -> [Vec<Told>; 2] {
        self.sides.map(|side| side.told)
    }

    /// Whether both buyers have their answers.
    pub(crate) fn is_over(&self) -> bool {
        let answered = |side: &Side<'_>| matches!(side.state, State::Answered);
        self.sides.iter().all(answered)
    }

    /// Whether a buyer does the same again and again, and gets the same each time.
    fn is_spinning(&self, buyer: Buyer) -> bool {
        const TIMES: usize = 3;
        let own = self.steps.iter().rev().filter(|step| step.buyer == buyer);
        let last = own.take(TIMES).map(|it| (&it.statement, &it.returned));
        let last: Vec<_> = last.collect();
        last.len() == TIMES && last.windows(2).all(|pair| pair.first() == pair.last())
    }

    fn can_step(&self, buyer: Buyer) -> bool {
        self.sides[buyer.index()].can_step()
    }

    /// Lets the buyers take their steps. For each turn that is taken: whether it could have
    /// been the other buyer's.
    pub(crate) async fn take_turns(
        &mut self,
        schedule: &Schedule,
        finish: Finish,
    ) -> anyhow::Result<Vec<bool>> {
        let mut choices = Vec::new();
        let mut turns = schedule.0.iter().copied();
        let mut last = Buyer::One;
        loop {
            let wanted = match (turns.next(), finish) {
                (Some(buyer), _) => buyer,
                (None, Finish::Both) => Buyer::One,
                // Who does the same again and again waits for the other one.
                (None, Finish::Stay) if self.is_spinning(last) => last.other(),
                (None, Finish::Stay) => last,
                (None, Finish::Here) => return Ok(choices),
            };
            let mut either = [wanted, wanted.other()].into_iter();
            let Some(buyer) = either.find(|it| self.can_step(*it)) else {
                return Ok(choices);
            };
            let has_choice = self.can_step(buyer.other()) && !self.is_spinning(buyer);
            if self.step(buyer).await? {
                choices.push(has_choice);
            }
            ensure!(
                choices.len() <= TURNS_MAX,
                "after {TURNS_MAX} steps the buyers have no answers"
            );
            last = buyer;
        }
    }

    /// Lets a buyer take one step, and waits until nothing moves any more. False for a buyer
    /// who is answered without a word to a store.
    async fn step(&mut self, buyer: Buyer) -> anyhow::Result<bool> {
        let at = buyer.index();
        let side = &mut self.sides[at];
        if let (State::Ready, Some((ask, rest))) =
            (&side.state, side.asks.split_first())
        {
            side.asks = rest;
            side.asking = Some(ask);
            side.seat.order(ask, self.sku);
            let has_come = |it: &Self| {
                let side = &it.sides[at];
                side.asking.is_none() || !matches!(side.state, State::Ready)
            };
            let otherwise = "a purchase request was sent, and no statement came";
            self.wait_until(has_come, otherwise).await?;
        }
        let number = self.steps.len();
        let side = &mut self.sides[at];
        let running = State::Running(number, None);
        let held = match std::mem::replace(&mut side.state, running) {
            State::Held(held) => held,
            other => {
                side.state = other;
                return Ok(false);
            }
        };
        let is_first = self.steps.iter().all(|it| it.buyer != buyer);
        let store = held.statement.store;
        if is_first && self.first.is_some_and(|it| it.store != store) {
            return Err(Disturbed("Redis was not asked").into());
        }
        self.steps.push(Step::of(buyer, held.statement));
        if held.release.send(Turn::Go).is_err() {
            bail!("the connection of buyer {buyer} was closed");
        }
        // This step may be what the other one waits for.
        let other = &mut self.sides[buyer.other().index()].state;
        if let State::Running(_, waits) = other {
            *waits = None;
        }
        let otherwise = "a buyer neither went on nor waited for the other one";
        self.wait_until(Self::is_settled, otherwise).await?;
        let available_units = self.observer.available_units(self.sku).await?;
        self.steps[number].available_units_after = available_units;
        Ok(true)
    }

    /// Handles what happens until something is the case.
    async fn wait_until(
        &mut self,
        is_so: impl Fn(&Self) -> bool,
        otherwise: &'static str,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !is_so(self) {
            let [one, two] = &mut self.sides;
            let (buyer, event) = tokio::select! {
                Some(event) = one.seat.events.recv() => (Buyer::One, event),
                Some(event) = two.seat.events.recv() => (Buyer::Two, event),
                () = tokio::time::sleep(LOOK_AGAIN) => {
                    ensure!(Instant::now() < deadline, otherwise);
                    self.find_waiting().await?;
                    continue;
                }
            };
            self.on_event(buyer, event)?;
        }
        Ok(())
    }

    /// Whether each buyer is held, has an answer, or waits for the other one.
    fn is_settled(&self) -> bool {
        let moves = |side: &Side<'_>| matches!(side.state, State::Running(_, None));
        !self.sides.iter().any(moves)
    }

    fn on_event(&mut self, buyer: Buyer, event: Event) -> anyhow::Result<()> {
        let now = self.steps.len();
        let side = &mut self.sides[buyer.index()];
        let mut running = match side.state {
            State::Running(number, _) => self.steps.get_mut(number).zip(Some(number)),
            _ => None,
        };
        match event {
            Event::Disturbed(why) => return Err(why.into()),
            // A strategy of ours says one thing at a time: the clock ran out with which it
            // waits for Redis, while the question waited for its turn.
            Event::Held(_) if side.is_held() && self.first.is_some() => {
                return Err(Disturbed("Redis was not waited for").into());
            }
            Event::Held(held) if side.is_held() => side.besides.push_back(held),
            Event::Held(held) => {
                if let Some((step, _)) = running {
                    if step.statement.store == Store::Redis && step.returned.is_none() {
                        return Err(Disturbed("Redis was not waited for").into());
                    }
                    step.end_wait(now);
                }
                side.hold(held);
            }
            Event::Returned(text) => {
                let Some((step, number)) = running else {
                    bail!("buyer {buyer} got a result without a step");
                };
                step.end_wait(now);
                side.state = State::Running(number, None);
                step.returned = Some(text);
                if side.asking.is_none() || !side.besides.is_empty() {
                    side.rest();
                }
            }
            Event::Answered(told) => {
                if let Some((step, _)) = &mut running {
                    step.end_wait(now);
                    step.answer = Some(told.outcome.as_str().to_owned());
                }
                side.asking = None;
                side.told.push(told);
                // What still waits for a lock is answered over.
                let is_on_its_way = running
                    .is_some_and(|(step, _)| step.returned.is_none() && !step.waited);
                if !side.is_held() && !is_on_its_way {
                    side.rest();
                }
            }
        }
        Ok(())
    }

    /// Finds out whether a buyer of whom nothing comes waits for the other one, who is held,
    /// so that the wait lasts until we end it.
    async fn find_waiting(&mut self) -> anyhow::Result<()> {
        for buyer in Buyer::BOTH {
            let [at, other] = [buyer, buyer.other()].map(Buyer::index);
            if let State::Running(number, None) = self.sides[at].state
                && self.sides[other].is_held()
                && let Some(wait) = self.wait_of(at, other, number).await?
            {
                self.steps[number].waited = true;
                self.steps[number].waited_for = Some(wait);
                self.sides[at].state = State::Running(number, Some(wait));
            }
        }
        Ok(())
    }

    /// What a buyer waits for after this step: for a lock of the other one, or in the engine
    /// for units that the other one may give back. Who wants more than everybody sees does
    /// not wait for these, but goes on to PostgreSQL.
    async fn wait_of(
        &mut self,
        at: usize,
        other: usize,
        number: usize,
    ) -> anyhow::Result<Option<Wait>> {
        let (side, step) = (&self.sides[at], &self.steps[number]);
        let wait = match (&step.returned, side.pid, self.sides[other].pid) {
            (None, Some(pid), Some(other_pid)) => {
                let waits = self.observer.waits_for(pid, other_pid).await?;
                waits.then_some(Wait::Lock)
            }
            (Some(text), ..)
                if step.statement.store == Store::Redis
                    && self.first.is_some()
                    && is_held(text) =>
            {
                let wanted_units = side.asking.map_or(0, |ask| ask.units);
                let units = self.observer.available_units(self.sku).await?;
                (i64::from(wanted_units) <= units).then_some(Wait::Gate)
            }
            _ => None,
        };
        Ok(wait)
    }

    /// Where a buyer is.
    pub(crate) fn buyer_state(&self, buyer: Buyer) -> BuyerState {
        let side = &self.sides[buyer.index()];
        let (place, next) = match &side.state {
            State::Ready => (Place::Ready, self.first),
            State::Held(held) => (Place::Held, Some(&held.statement)),
            State::Running(..) => (Place::Waiting, None),
            State::Answered => (Place::Answered, None),
        };
        let last = side.told.last().filter(|_| side.asking.is_none());
        BuyerState {
            place,
            next: next.cloned(),
            answer: last.map(|told| told.outcome.as_str().to_owned()),
        }
    }

    /// Lets everything pass from now on, and waits for the buyers who are on the way.
    pub(crate) async fn let_go(&mut self) -> anyhow::Result<()> {
        for side in &mut self.sides {
            side.seat.desk.look_away();
            // Dropping what is held releases it.
            side.state = State::Answered;
            side.besides.clear();
        }
        for side in self.sides.iter_mut().filter(|side| side.asking.is_some()) {
            tokio::time::timeout(LIMIT, side.seat.wait_for_answer()).await?;
        }
        Ok(())
    }
}
