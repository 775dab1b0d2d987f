//! The second room: Redis admits as many as may fit; the others wait for PostgreSQL's word.

use std::collections::HashMap;
use std::sync::Arc;

use flash_core::{Sku, Store, StrategyError};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::breaker::{Breaker, PROBE};
use crate::event::{self, Event};
use crate::fences::Fences;
use crate::gate::{Admission, Ask, Gates, TIMEOUT};
use crate::held::{HELD_MAX, Held, LOOK_AGAIN};
use crate::latch::{Latches, NOTHING_LEFT};
use crate::metrics::METRICS;
use crate::quiet::{self, QUIET, Recent};
use crate::supply::{Found, Supply};
use crate::ticket::Ticket;
use crate::vault_queue::Entrance;

/// The most notices that are heard before anybody else is admitted.
const EVENTS_AT_ONCE: usize = 256;

pub(crate) struct Bouncer {
    pub(crate) queue: mpsc::Receiver<Ticket>,
    pub(crate) events: mpsc::Receiver<Event>,
    /// For the tasks that the bouncer starts.
    pub(crate) tell: mpsc::Sender<Event>,
    pub(crate) vault: Entrance,
    pub(crate) gates: Arc<Gates>,
    pub(crate) latches: Arc<Latches>,
    pub(crate) supply: Supply,
    pub(crate) batch_max: usize,
    pub(crate) held: Held,
    pub(crate) state: State,
}

/// What the bouncer remembers.
#[derive(Default)]
pub(crate) struct State {
    fences: Fences,
    breaker: Breaker,
    recent: Recent,
}

impl Bouncer {
    /// Works until the door is closed.
    ///
    /// While no lane is free there is no hurry to admit anybody: requests gather at the
    /// door, and Redis is asked once for all of them.
    pub(crate) async fn work(mut self) {
        let (mut tickets, mut events) = (Vec::new(), Vec::new());
        let mut asked = Instant::now();
        let mut compare = tokio::time::interval(QUIET);
        compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            METRICS.show_waiting(self.queue.len(), self.held.count());
            let next = async {
                if self.batch_max > 1 {
                    self.vault.lane_free(asked).await;
                }
                self.queue.recv_many(&mut tickets, self.batch_max).await
            };
            tokio::select! {
                // The bouncer tells itself, so there is always one.
                _ = self.events.recv_many(&mut events, EVENTS_AT_ONCE) => {
                    self.on_events(&mut events).await;
                }
                count = next => {
                    if count == 0 {
                        return;
                    }
                    self.admit(std::mem::take(&mut tickets)).await;
                    asked = Instant::now();
                }
                () = tokio::time::sleep(LOOK_AGAIN), if !self.held.is_empty() => {
                    self.look_again();
                }
                _ = compare.tick() => self.compare_quiet(),
            }
        }
    }

    /// Asks Redis for all that wait, in one round trip. While the answer is on its way the
    /// next ones gather.
    async fn admit(&mut self, tickets: Vec<Ticket>) {
        let mut by_sku: HashMap<Sku, Vec<Ticket>> = HashMap::new();
        for ticket in tickets {
            if ticket.is_abandoned() {
                continue;
            } else if self.latches.refuse(&ticket.request) {
                METRICS.refused_by_latch.inc();
                ticket.answer(Ok(NOTHING_LEFT));
            } else if self.state.breaker.is_open() {
                self.pass_by(ticket).await;
            } else if self.held.contains(&ticket.request.sku) {
                // Who came earlier is still waiting.
                self.hold(ticket);
            } else {
                let sku = ticket.request.sku.clone();
                by_sku.entry(sku).or_default().push(ticket);
            }
        }
        if !by_sku.is_empty() {
            self.ask(by_sku).await;
        }
    }

    async fn ask(&mut self, by_sku: HashMap<Sku, Vec<Ticket>>) {
        let asks: Vec<_> = by_sku
            .iter()
            .map(|(sku, tickets)| Ask {
                sku,
                seen_fence: self.state.fences.newest(sku),
                units: tickets.iter().map(|t| t.request.units.get()).collect(),
            })
            .collect();
        match self.gates.admit(&asks).await {
            Ok(admissions) => {
                drop(asks);
                for ((sku, tickets), admission) in by_sku.into_iter().zip(admissions) {
                    self.admitted(&sku, tickets, admission).await;
                }
            }
            Err(reason) => {
                drop(asks);
                self.redis_failed(&reason);
                for ticket in by_sku.into_values().flatten() {
                    self.pass_on(ticket).await;
                }
            }
        }
    }

    async fn admitted(
        &mut self,
        sku: &Sku,
        tickets: Vec<Ticket>,
        admission: Admission,
    ) {
        match admission {
            Admission::NotLoaded if self.state.fences.may_reconcile(sku) => {
                for ticket in tickets {
                    // Where others take all the room, the vault can tell without a gate.
                    if let Err(ticket) = self.held.hold(ticket) {
                        self.pass_on(ticket).await;
                    }
                }
                self.look(sku, true);
            }
            // It was loaded a moment ago and is gone again.
            Admission::NotLoaded => {
                for ticket in tickets {
                    self.pass_by(ticket).await;
                }
            }
            Admission::Decided { fence, admitted } => {
                self.state.fences.see(sku, fence);
                self.state.recent.asked(sku);
                for (mut ticket, admitted) in tickets.into_iter().zip(admitted) {
                    if admitted {
                        ticket.permit = Some(fence);
                        self.pass_on(ticket).await;
                        self.held.moves(sku);
                    } else {
                        self.hold(ticket);
                    }
                }
                self.look(sku, false);
            }
        }
    }

    /// To the vault. Its queue is bounded: when it is full the bouncer waits, the door's
    /// queue fills, and buyers are told `busy`.
    async fn pass_on(&mut self, ticket: Ticket) {
        if let Err(unsent) = self.vault.put(ticket).await {
            let store = Store::PostgreSql;
            unsent.answer(Err(StrategyError::Unavailable { store }));
        }
    }

    /// To the vault, although Redis was not asked.
    async fn pass_by(&mut self, ticket: Ticket) {
        METRICS.past_redis.inc();
        self.pass_on(ticket).await;
    }

    fn hold(&mut self, ticket: Ticket) {
        if let Err(ticket) = self.held.hold(ticket) {
            ticket.answer(Err(StrategyError::Busy));
        }
    }

    /// Looks at PostgreSQL for a SKU that somebody waits for, or loads its gate from there,
    /// unless that is under way.
    fn look(&mut self, sku: &Sku, reload: bool) {
        let Some(unmoved) = self.held.begin_look(sku) else {
            return;
        };
        let reloaded = (reload || unmoved > HELD_MAX) && !self.state.breaker.is_open();
        let (supply, tell, sku) = (self.supply.clone(), self.tell.clone(), sku.clone());
        tokio::spawn(async move {
            let found = supply.find_out(&sku, reloaded).await;
            // The bouncer is gone only when the strategy is.
            let _ = tell
                .send(Event::Looked {
                    sku,
                    reloaded,
                    found,
                })
                .await;
        });
    }

    fn look_again(&mut self) {
        for sku in self.held.skus() {
            self.look(&sku, false);
        }
    }

    /// Compares the gates that were in use and are not any more.
    fn compare_quiet(&mut self) {
        let mut quiet = self.state.recent.take_quiet();
        quiet.retain(|sku| !self.latches.is_latched(sku) && !self.held.contains(sku));
        if !quiet.is_empty() && !self.state.breaker.is_open() {
            tokio::spawn(quiet::compare(self.supply.clone(), quiet));
        }
    }

    /// Hears of all that has happened; Redis is told once of what it gets back, and asked
    /// once for those who were held.
    async fn on_events(&mut self, events: &mut Vec<Event>) {
        let mut unused = HashMap::new();
        let mut asking = HashMap::new();
        for event in events.drain(..) {
            match event {
                Event::Unused { sku, fence, units } => {
                    *unused.entry((sku, fence)).or_insert(0) += units;
                }
                event => asking.extend(self.on_event(event).await),
            }
        }
        if !unused.is_empty()
            && !self.state.breaker.is_open()
            && let Err(reason) = self.gates.release(&unused).await
        {
            self.redis_failed(&reason);
        }
        if !asking.is_empty() {
            let skus: Vec<_> = asking.keys().cloned().collect();
            self.ask(asking).await;
            for sku in &skus {
                self.held.tidy_up(sku);
            }
        }
    }

    /// Returns those who have to ask Redis again.
    async fn on_event(&mut self, event: Event) -> Option<(Sku, Vec<Ticket>)> {
        match event {
            Event::SoldOut(sku) => {
                // Those who come next find the latch.
                let supply = self.supply.clone();
                if self.held.contains(&sku) {
                    self.look(&sku, false);
                } else if !self.latches.is_latched(&sku) {
                    tokio::spawn(async move { supply.look(&sku).await });
                }
            }
            Event::Unused { .. } => {}
            Event::Looked {
                sku,
                reloaded,
                found,
            } => {
                return self.looked(sku, reloaded, found).await;
            }
            Event::RedisFailed(reason) => self.redis_failed(&reason),
            Event::RedisIsBack => self.state.breaker.reset(),
        }
        None
    }

    /// Those who were held are answered, passed on, or have to ask again and are returned.
    async fn looked(
        &mut self,
        sku: Sku,
        reloaded: bool,
        found: Result<Found, StrategyError>,
    ) -> Option<(Sku, Vec<Ticket>)> {
        let tickets = self.held.end_look(&sku);
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.held.tidy_up(&sku);
                for ticket in tickets {
                    ticket.answer(Err(event::same(&error)));
                }
                return None;
            }
        };

        let mut asking = Vec::new();
        for ticket in tickets {
            if self.latches.refuse(&ticket.request) {
                METRICS.refused_by_bouncer.inc();
                ticket.answer(Ok(NOTHING_LEFT));
            } else if ticket.request.units.get() > found.available_units {
                // Refused, or the retry of a winner: PostgreSQL knows.
                self.pass_on(ticket).await;
            } else if self.state.breaker.is_open()
                || (reloaded && ticket.since.elapsed() > TIMEOUT)
            {
                // Redis has kept it waiting for long enough.
                self.pass_by(ticket).await;
            } else {
                asking.push(ticket);
            }
        }
        if reloaded {
            self.state.fences.reconciled(&sku, found.fence);
            self.held.moves(&sku);
        } else if self.state.fences.newest(&sku) < found.fence {
            // Units were added elsewhere.
            self.supply.load(&sku, found).await;
        }
        if asking.is_empty() {
            self.held.tidy_up(&sku);
            return None;
        }
        Some((sku, asking))
    }

    fn redis_failed(&mut self, reason: &str) {
        if let Some(pause) = self.state.breaker.trip(reason) {
            let (gates, tell) = (Arc::clone(&self.gates), self.tell.clone());
            tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                while gates.probe().await.is_err() {
                    tokio::time::sleep(PROBE).await;
                }
                // The bouncer is gone only when the strategy is.
                let _ = tell.send(Event::RedisIsBack).await;
            });
        }
    }
}
