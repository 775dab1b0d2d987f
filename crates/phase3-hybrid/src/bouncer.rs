//! The second room: Redis admits as many as may fit; the others wait for PostgreSQL's word.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flash_core::{Placement, Sku, Store, StrategyError};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::breaker::{Breaker, PROBE};
use crate::gate::{Admission, Ask, Gates};
use crate::latch::Latches;
use crate::supply::{Found, Supply};
use crate::ticket::Ticket;

/// How long permits may be out before the gate is loaded again. A healthy commit takes
/// milliseconds; a gate that is loaded too early only lets more requests through to the
/// vault.
const HELD_MAX: Duration = Duration::from_millis(500);

/// How often to look whether held units were sold or came back.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How many SKUs' fences are remembered. One that is forgotten costs a reload at most.
const FENCES_MAX: usize = 100_000;

/// How long nobody must have asked for a SKU before its gate is compared with PostgreSQL.
const QUIET: Duration = Duration::from_millis(500);

/// How many SKUs are remembered for that.
const RECENT_MAX: usize = 1_000;

/// What the bouncer is told by the others.
pub(crate) enum Event {
    /// PostgreSQL said that nothing is left.
    SoldOut(Sku),
    /// A permit became no order.
    Unused { sku: Sku, fence: i64, units: i64 },
    /// Somebody looked at PostgreSQL, or loaded the gate from there.
    Looked {
        sku: Sku,
        reloaded: bool,
        found: Result<Found, StrategyError>,
    },
    /// Redis answers again.
    RedisIsBack,
}

/// The requests of one SKU that were not admitted and not refused.
struct Held {
    tickets: Vec<Ticket>,
    /// Since when nobody was admitted.
    since: Instant,
    /// Whether a look or a load is under way.
    looking: bool,
}

pub(crate) struct Bouncer {
    pub(crate) queue: mpsc::Receiver<Ticket>,
    pub(crate) events: mpsc::Receiver<Event>,
    /// For the tasks that the bouncer starts.
    pub(crate) tell: mpsc::Sender<Event>,
    pub(crate) vault: mpsc::Sender<Ticket>,
    pub(crate) gates: Arc<Gates>,
    pub(crate) latches: Arc<Latches>,
    pub(crate) supply: Supply,
    pub(crate) batch_max: usize,
    pub(crate) held_max: usize,
    pub(crate) state: State,
}

/// What the bouncer remembers.
#[derive(Default)]
pub(crate) struct State {
    held: HashMap<Sku, Held>,
    held_tickets: usize,
    /// The newest fence that was seen of each gate.
    fences: HashMap<Sku, i64>,
    breaker: Breaker,
    /// When somebody last asked for a SKU.
    recent: HashMap<Sku, Instant>,
}

impl Bouncer {
    /// Works until the door is closed.
    pub(crate) async fn work(mut self) {
        let mut tickets = Vec::new();
        let mut compare = tokio::time::interval(QUIET);
        compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let waiting = !self.state.held.is_empty();
            tokio::select! {
                Some(event) = self.events.recv() => self.on_event(event).await,
                count = self.queue.recv_many(&mut tickets, self.batch_max) => {
                    if count == 0 {
                        return;
                    }
                    self.admit(std::mem::take(&mut tickets)).await;
                }
                () = tokio::time::sleep(LOOK_AGAIN), if waiting => self.look_again(),
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
                ticket.answer(Ok(Placement::SoldOut));
            } else if self.state.breaker.is_open() {
                self.pass_on(ticket).await;
            } else if self.state.held.contains_key(&ticket.request.sku) {
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
                seen_fence: self.state.fences.get(sku).copied().unwrap_or(0),
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
            Admission::NotLoaded => {
                for ticket in tickets {
                    self.hold(ticket);
                }
                self.look(sku, true);
            }
            Admission::Decided { fence, admitted } => {
                self.state.see_fence(sku, fence);
                if self.state.recent.len() < RECENT_MAX {
                    self.state.recent.insert(sku.clone(), Instant::now());
                }
                for (mut ticket, admitted) in tickets.into_iter().zip(admitted) {
                    if admitted {
                        ticket.permit = Some(fence);
                        self.pass_on(ticket).await;
                        if let Some(held) = self.state.held.get_mut(sku) {
                            held.since = Instant::now();
                        }
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
        if let Err(unsent) = self.vault.send(ticket).await {
            let store = Store::PostgreSql;
            unsent.0.answer(Err(StrategyError::Unavailable { store }));
        }
    }

    fn hold(&mut self, ticket: Ticket) {
        if self.state.held_tickets >= self.held_max {
            ticket.answer(Err(StrategyError::Busy));
            return;
        }
        self.state.held_tickets += 1;
        let held = self.state.held.entry(ticket.request.sku.clone());
        let held = held.or_insert_with(|| Held {
            tickets: Vec::new(),
            since: Instant::now(),
            looking: false,
        });
        held.tickets.push(ticket);
    }

    /// Looks at PostgreSQL for a SKU that somebody waits for, or loads its gate from there,
    /// unless that is under way.
    fn look(&mut self, sku: &Sku, reload: bool) {
        let Some(held) = self.state.held.get_mut(sku) else {
            return;
        };
        if std::mem::replace(&mut held.looking, true) {
            return;
        }
        let reloaded = reload || held.since.elapsed() > HELD_MAX;
        let (supply, tell, sku) = (self.supply.clone(), self.tell.clone(), sku.clone());
        tokio::spawn(async move {
            let found = if reloaded {
                supply.reload(&sku).await
            } else {
                supply.look(&sku).await
            };
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
        let skus: Vec<_> = self.state.held.keys().cloned().collect();
        for sku in skus {
            self.look(&sku, false);
        }
    }

    /// Compares the gates that were in use and are not any more, once.
    fn compare_quiet(&mut self) {
        let (latches, state) = (&self.latches, &mut self.state);
        let mut quiet = Vec::new();
        state.recent.retain(|sku, asked| {
            if asked.elapsed() < QUIET || state.held.contains_key(sku) {
                return true;
            }
            if !latches.is_latched(sku) {
                quiet.push(sku.clone());
            }
            false
        });
        if quiet.is_empty() || state.breaker.is_open() {
            return;
        }
        let supply = self.supply.clone();
        tokio::spawn(async move {
            for sku in quiet {
                if let Err(error) = supply.compare(&sku).await {
                    tracing::debug!(%sku, %error, "a gate was not compared");
                }
            }
        });
    }

    async fn on_event(&mut self, event: Event) {
        match event {
            Event::SoldOut(sku) => {
                // Those who come next find the latch.
                let supply = self.supply.clone();
                if self.state.held.contains_key(&sku) {
                    self.look(&sku, false);
                } else if !self.latches.is_latched(&sku) {
                    tokio::spawn(async move { supply.look(&sku).await });
                }
            }
            Event::Unused { sku, fence, units } => {
                if !self.state.breaker.is_open()
                    && let Err(reason) = self.gates.release(&sku, fence, units).await
                {
                    self.redis_failed(&reason);
                }
            }
            Event::Looked {
                sku,
                reloaded,
                found,
            } => {
                self.looked(sku, reloaded, found).await;
            }
            Event::RedisIsBack => self.state.breaker.reset(),
        }
    }

    /// Those who were held are answered, passed on, or ask again.
    async fn looked(
        &mut self,
        sku: Sku,
        reloaded: bool,
        found: Result<Found, StrategyError>,
    ) {
        let Some(held) = self.state.held.get_mut(&sku) else {
            return;
        };
        let tickets = std::mem::take(&mut held.tickets);
        held.looking = false;
        self.state.held_tickets -= tickets.len();
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.state.held.remove(&sku);
                for ticket in tickets {
                    ticket.answer(Err(same(&error)));
                }
                return;
            }
        };

        let mut asking = Vec::new();
        for ticket in tickets {
            if self.latches.refuse(&ticket.request) {
                ticket.answer(Ok(Placement::SoldOut));
            } else if ticket.request.units.get() > found.available_units {
                // Refused, or the retry of a winner: PostgreSQL knows.
                self.pass_on(ticket).await;
            } else {
                asking.push(ticket);
            }
        }
        if reloaded {
            self.state.see_fence(&sku, found.fence);
            if let Some(held) = self.state.held.get_mut(&sku) {
                held.since = Instant::now();
            }
        } else if self
            .state
            .fences
            .get(&sku)
            .is_some_and(|seen| *seen < found.fence)
        {
            // Units were added elsewhere.
            self.supply.load(&sku, found).await;
        }
        if !asking.is_empty() {
            self.ask(HashMap::from([(sku.clone(), asking)])).await;
        }
        if self
            .state
            .held
            .get(&sku)
            .is_some_and(|held| held.tickets.is_empty())
        {
            self.state.held.remove(&sku);
        }
    }

    fn redis_failed(&mut self, reason: &str) {
        if self.state.breaker.trip(reason) {
            let (gates, tell) = (Arc::clone(&self.gates), self.tell.clone());
            tokio::spawn(async move {
                while gates.ping().await.is_err() {
                    tokio::time::sleep(PROBE).await;
                }
                // The bouncer is gone only when the strategy is.
                let _ = tell.send(Event::RedisIsBack).await;
            });
        }
    }
}

impl State {
    fn see_fence(&mut self, sku: &Sku, fence: i64) {
        if let Some(seen) = self.fences.get_mut(sku) {
            *seen = fence.max(*seen);
        } else {
            if self.fences.len() >= FENCES_MAX {
                self.fences.clear();
            }
            self.fences.insert(sku.clone(), fence);
        }
    }
}

/// One failure, told to several buyers.
fn same(error: &StrategyError) -> StrategyError {
    match error {
        StrategyError::UnknownSku => StrategyError::UnknownSku,
        StrategyError::Busy => StrategyError::Busy,
        _ => StrategyError::Unavailable {
            store: Store::PostgreSql,
        },
    }
}
