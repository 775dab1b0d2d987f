//! The rules of the engine, and how each is broken. docs/ARCHITECTURE.md has them with their
//! reasons.

/// One rule, broken in one place, and the test that has to notice.
pub(crate) struct Mutant {
    pub(crate) rule: &'static str,
    pub(crate) broken_by: &'static str,
    /// From the root of the workspace.
    pub(crate) file: &'static str,
    /// Stands in the file exactly once.
    pub(crate) find: &'static str,
    pub(crate) replace: &'static str,
    /// A test of the target [`TARGET`].
    pub(crate) caught_by: &'static str,
}

/// The test target that all these tests are in.
pub(crate) const TARGET: &str = "engine";

const UNDER_THE_LOCK: &str = "the vault checks stock, key and limit under the row lock";
const ONE_PER_KEY: &str = "one order per buyer and key, in the same transaction";
const FINAL: &str = "final only by PostgreSQL's word; 0 in Redis means held";
const WINNERS: &str = "the latch carries the winners";
const UNKNOWN: &str = "an unanswered COMMIT is run again, never failed";
const RECONCILE: &str =
    "permits that died come back; a gate is reconciled forward only";
const FENCE: &str = "adding units moves the fence; what is older sells nothing";
const RELEASE: &str = "a release names its fence and is capped";
const HELD: &str = "who finds held units waits, or is busy";
const CONFIRMED: &str =
    "a latch is believed only while PostgreSQL has lately confirmed it";
const LIFT: &str = "adding units lifts every latch";

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        rule: UNDER_THE_LOCK,
        broken_by: "read the stock without its lock",
        file: "crates/engine/src/vault.rs",
        find: "ORDER BY sku FOR NO KEY UPDATE",
        replace: "ORDER BY sku",
        caught_by: "suites::with_batches::two_buyers_want_one_unit_each",
    },
    Mutant {
        rule: UNDER_THE_LOCK,
        broken_by: "trust Redis about the stock",
        file: "crates/engine/src/vault.rs",
        find: "if units > row.available_units {",
        replace: "row.available_units = row.available_units.max(units);
    if units > row.available_units {",
        caught_by: "races::two_buyers_whom_a_wrong_gate_admits_do_not_both_get_the_last_unit",
    },
    Mutant {
        rule: UNDER_THE_LOCK,
        broken_by: "sell one unit too many",
        file: "crates/engine/src/vault.rs",
        find: "row.available_units -= units;",
        replace: "row.available_units = (row.available_units - units).max(1);",
        caught_by: "suites::with_batches::the_last_unit_is_sold_and_no_more",
    },
    Mutant {
        rule: UNDER_THE_LOCK,
        broken_by: "do not look whether the key was used",
        file: "crates/engine/src/vault.rs",
        find: "if let Some(order) = known.get(&key) {",
        replace: "if let Some(order) = known.get(&key).filter(|_| false) {",
        caught_by: "suites::with_batches::the_same_key_gets_the_same_order",
    },
    Mutant {
        rule: UNDER_THE_LOCK,
        broken_by: "look up the keys before the rows are locked",
        file: "crates/engine/src/vault.rs",
        find: "let (mut stock, known) = tokio::try_join!(biased; reading, finding)?;",
        replace: "let (known, mut stock) = tokio::try_join!(biased; finding, reading)?;",
        caught_by: "races::who_asks_again_behind_a_purchase_that_waits_gets_its_order",
    },
    Mutant {
        rule: UNDER_THE_LOCK,
        broken_by: "do not count what the batch itself sells to a buyer",
        file: "crates/engine/src/vault.rs",
        find: "*owned_units += units;",
        replace: "",
        caught_by: "keys::one_batch_does_not_overrun_the_limit",
    },
    Mutant {
        rule: UNDER_THE_LOCK,
        broken_by: "do not look at the limit",
        file: "crates/engine/src/vault.rs",
        find: "if *owned_units + units > limit {",
        replace: "if limit < 0 {",
        caught_by: "suites::one_by_one::one_buyer_wants_more_than_the_limit_with_two_keys",
    },
    Mutant {
        rule: ONE_PER_KEY,
        broken_by: "commit the decrement before the orders are inserted",
        file: "crates/engine/src/vault.rs",
        find: "tokio::try_join!(biased; writing, recording)?;",
        replace: "writing.await?;
        let mut conn = conn;
        conn.batch_execute(\"COMMIT; BEGIN\").await?;
        recording.await?;",
        caught_by: "keys::a_key_that_is_taken_meanwhile_sells_nothing",
    },
    Mutant {
        rule: FINAL,
        broken_by: "say \"sold out\" when Redis has nothing left",
        file: "crates/engine/src/engine.rs",
        find: "drop(room.take());",
        replace: "return Ok(Passed::SoldOut);",
        caught_by: "gate::a_gate_that_is_too_low_still_sells_every_unit",
    },
    Mutant {
        rule: FINAL,
        broken_by: "latch whatever was looked at",
        file: "crates/engine/src/stock.rs",
        find: "let is_sold_out = found.available_units == 0;",
        replace: "let is_sold_out = found.available_units >= 0;",
        caught_by: "gate::a_buyer_waits_for_units_that_are_only_held",
    },
    Mutant {
        rule: WINNERS,
        broken_by: "refuse winners like everybody else",
        file: "crates/engine/src/latch.rs",
        find: "&& !self.is_winner(winners, request)",
        replace: "&& (self.is_winner(winners, request) || true)",
        caught_by: "keys::a_winner_is_shown_the_order_by_the_latch_too",
    },
    Mutant {
        rule: UNKNOWN,
        broken_by: "report a COMMIT without an answer as failed",
        file: "crates/engine/src/committers.rs",
        find: "Err(error) if !unknown && (runs == RUNS_MAX || conn.is_none()) => {",
        replace: "Err(error) if unknown || runs == RUNS_MAX || conn.is_none() => {",
        caught_by: "commit::a_commit_whose_answer_is_lost_is_one_order_and_the_buyer_is_told",
    },
    Mutant {
        rule: UNKNOWN,
        broken_by: "forget it when the next run fails earlier",
        file: "crates/engine/src/committers.rs",
        find: "*unknown |= committing && result.is_err();",
        replace: "*unknown = committing && result.is_err();",
        caught_by: "commit::a_commit_stays_unknown_however_often_its_batch_is_run_in_vain",
    },
    Mutant {
        rule: RECONCILE,
        broken_by: "wait for permits that died for ever",
        file: "crates/engine/src/stock.rs",
        find: "it.elapsed() > HELD_MAX",
        replace: "it.elapsed() > HELD_MAX * 1_000_000",
        caught_by: "gate::a_gate_that_is_too_low_still_sells_every_unit",
    },
    Mutant {
        rule: RECONCILE,
        broken_by: "let a late loader overwrite the gate",
        file: "crates/engine/src/reconcile.lua",
        find: "if fence and fence < 2^52 and fence >= tonumber(ARGV[1]) then return fence end",
        replace: "",
        caught_by: "scripts::a_gate_is_loaded_forward_only",
    },
    Mutant {
        rule: RECONCILE,
        broken_by: "believe a gate that was rolled back",
        file: "crates/engine/src/admit.lua",
        find: " or fence < tonumber(ARGV[1]) then return {} end",
        replace: " then return {} end",
        caught_by: "scripts::a_gate_older_than_was_seen_counts_as_not_loaded",
    },
    Mutant {
        rule: FENCE,
        broken_by: "restock under the old fence",
        file: "crates/engine/src/stock.rs",
        find: "move_fence(&mut conn, sku, 0).await?;",
        replace: "",
        caught_by: "races::units_that_are_added_are_in_the_gate_at_once",
    },
    Mutant {
        rule: FENCE,
        broken_by: "sell what was added since the batch was first run",
        file: "crates/engine/src/vault.rs",
        find: "if row.fence > first_fence || entry.ticket.purchase.is_abandoned() {",
        replace: "if row.fence < first_fence || entry.ticket.purchase.is_abandoned() {",
        caught_by: "commit::a_batch_that_is_run_again_sells_nothing_that_was_added_meanwhile",
    },
    Mutant {
        rule: RELEASE,
        broken_by: "give units back to any gate",
        file: "crates/engine/src/release.lua",
        find: "if gate[1] ~= ARGV[1] then return 0 end",
        replace: "if not gate[1] then return 0 end",
        caught_by: "scripts::units_go_back_to_the_gate_that_gave_them_and_never_above_it",
    },
    Mutant {
        rule: RELEASE,
        broken_by: "no cap",
        file: "crates/engine/src/release.lua",
        find: "math.min(free_units, tonumber(gate[3]))",
        replace: "free_units",
        caught_by: "scripts::units_go_back_to_the_gate_that_gave_them_and_never_above_it",
    },
    Mutant {
        rule: HELD,
        broken_by: "say \"sold out\" about units that are held",
        file: "crates/engine/src/engine.rs",
        find: "place = Some(waiting);",
        replace: "return Ok(Passed::SoldOut);",
        caught_by: "gate::a_buyer_waits_for_units_that_are_only_held",
    },
    Mutant {
        rule: HELD,
        broken_by: "say \"sold out\" where there is no room to wait",
        file: "crates/engine/src/engine.rs",
        find: "Admission::Full => return Err(StrategyError::Busy),",
        replace: "Admission::Full => return Ok(Passed::SoldOut),",
        caught_by: "races::who_finds_no_room_to_wait_for_held_units_is_busy",
    },
    Mutant {
        rule: LIFT,
        broken_by: "do not listen to other processes",
        file: "crates/engine/src/latch.rs",
        find: "latches.lift(&sku);",
        replace: "drop(sku);",
        caught_by: "elsewhere::added_units_are_heard_of_long_before_they_are_looked_for",
    },
    Mutant {
        rule: CONFIRMED,
        broken_by: "do not ask PostgreSQL whether a latch holds",
        file: "crates/engine/src/latch.rs",
        find: "let changed = sql::changed(&*pool.get().await?, &latched).await?;",
        replace: "let mut changed = sql::changed(&*pool.get().await?, &latched).await?;
        changed.clear();",
        caught_by: "elsewhere::units_that_are_added_by_hand_are_sold",
    },
    Mutant {
        rule: CONFIRMED,
        broken_by: "believe what nobody confirms",
        file: "crates/engine/src/latch.rs",
        find: "saturating_sub(confirmed) < self.lease",
        replace: "saturating_sub(confirmed) < Duration::MAX",
        caught_by: "elsewhere::a_latch_that_nobody_confirms_is_not_believed",
    },
    // Last, because nearly everything is built again for it.
    Mutant {
        rule: ONE_PER_KEY,
        broken_by: "no UNIQUE constraint",
        file: "crates/db/src/migrate.rs",
        find: "let mut conn = harness.into_inner();",
        replace: "let mut conn = harness.into_inner();
    conn.batch_execute(\"ALTER TABLE orders DROP CONSTRAINT orders_one_per_key\")
        .await?;",
        caught_by: "keys::a_key_that_is_taken_meanwhile_sells_nothing",
    },
];
