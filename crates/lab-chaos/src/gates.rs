//! What phase 3's gates hold, seen from outside: permits that outlive their gate.

use std::collections::HashMap;
use std::time::Duration;

use crate::evidence::Evidence;
use crate::journal::unix_us;
use crate::redis;
use crate::world::World;

/// How often to look.
const LOOK: Duration = Duration::from_millis(20);

/// A gate that was seen so shortly before it was to expire has expired, and was not lost.
const BEFORE_END_MS: i64 = 60;

/// Longer than a purchase takes where nothing is broken.
const HELD_MS: i64 = 200;

/// When each permit was first and last seen, in milliseconds of Unix time. It goes by the name
/// of its request and by the time when its gate expires: a request may get another one of the
/// next gate.
pub(crate) type Seen = HashMap<(String, i64), (i64, i64)>;

/// Looks for permits again and again. It does not end on its own.
pub(crate) async fn watch(world: &World, seen: &mut Seen) {
    loop {
        for key in &world.gate_keys {
            // A Redis that is away says nothing of its permits.
            let Ok((expires_ms @ 1.., names)) =
                redis::permits(&world.redis_socket, key).await
            else {
                continue;
            };
            let now_ms = unix_us() / 1_000;
            for name in names {
                let times_ms =
                    seen.entry((name, expires_ms)).or_insert((now_ms, now_ms));
                times_ms.1 = now_ms;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Counts the units that somebody was admitted to and never bought, and that no settling
/// gave back: they were away until their gate expired.
pub(crate) fn stranded_units(seen: &Seen, evidence: &Evidence) -> i64 {
    let purchases = evidence.purchases();
    let unbought = purchases.iter().filter(|it| it.orders.is_empty());
    let wishes = unbought.filter_map(|it| Some(&it.attempts.first()?.wish));
    let units: HashMap<_, _> = wishes
        .map(|it| (format!("{} {}", it.buyer, it.key), it.units))
        .collect();
    seen.iter()
        .filter(|((_, expires_ms), (first_ms, last_ms))| {
            last_ms - first_ms >= HELD_MS && last_ms + BEFORE_END_MS >= *expires_ms
        })
        .filter_map(|((name, _), _)| units.get(name))
        .sum()
}
