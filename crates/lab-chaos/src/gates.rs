//! What phase 3's gates hold, seen from outside: permits that outlive their gate.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::books::Books;
use crate::journal::{Ask, Entry};
use crate::redis;
use crate::schedule::PlannedSku;
use crate::world::World;

/// How often to look.
const LOOK: Duration = Duration::from_millis(20);

/// A gate that was seen so shortly before it was to expire has expired, and was not lost.
const BEFORE_END_MS: i64 = 60;

/// Longer than a purchase takes where nothing is broken.
const HELD_MS: i64 = 200;

/// All permits that were seen.
#[derive(Debug)]
pub(crate) struct Gates {
    socket: PathBuf,
    /// Each SKU and the key of its gate.
    keys: Vec<(String, String)>,
    seen: HashMap<Permit, Seen>,
}

/// A permit of one gate: a request may get another one of the next.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Permit {
    sku: String,
    /// Buyer and key.
    name: String,
    /// When its gate expires, in milliseconds of Unix time, as all times here.
    expires_ms: i64,
}

#[derive(Debug)]
struct Seen {
    first_ms: i64,
    last_ms: i64,
}

impl Gates {
    pub(crate) fn new(world: &Arc<World>, skus: &[PlannedSku]) -> Self {
        Self {
            socket: world.redis_socket.clone(),
            keys: skus
                .iter()
                .map(|it| (it.sku.clone(), world.gate_key(&it.sku)))
                .collect(),
            seen: HashMap::new(),
        }
    }

    /// Looks again and again. It does not end on its own.
    pub(crate) async fn watch(&mut self) {
        loop {
            for (sku, key) in &self.keys {
                // A Redis that is away says nothing of its permits.
                let Ok((expires_ms @ 1.., names)) =
                    redis::permits(&self.socket, key).await
                else {
                    continue;
                };
                let now_ms = unix_ms();
                for name in names {
                    let permit = Permit {
                        sku: sku.clone(),
                        name,
                        expires_ms,
                    };
                    let seen = self.seen.entry(permit).or_insert(Seen {
                        first_ms: now_ms,
                        last_ms: now_ms,
                    });
                    seen.last_ms = now_ms;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Counts the units that somebody was admitted to and never bought, and that no settling
    /// gave back: they were away until their gate expired.
    pub(crate) fn stranded_units(&self, entries: &[Entry], books: &Books) -> i64 {
        let orders = books.orders.iter();
        let bought: HashSet<_> = orders
            .map(|it| format!("{} {}", it.buyer_id, it.idempotency_key))
            .collect();
        let asked = entries.iter().filter(|it| it.ask == Ask::Order);
        let units: HashMap<_, _> = asked
            .map(|it| (format!("{} {}", it.buyer, it.key), it.units))
            .collect();
        self.seen
            .iter()
            .filter(|(permit, seen)| {
                seen.last_ms - seen.first_ms >= HELD_MS
                    && seen.last_ms + BEFORE_END_MS >= permit.expires_ms
                    && !bought.contains(&permit.name)
            })
            .filter_map(|(permit, _)| units.get(&permit.name))
            .sum()
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}
