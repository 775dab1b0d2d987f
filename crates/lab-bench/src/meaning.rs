//! What a ratio means, in words: for whoever buys, sells or runs the shop.

use crate::ratios::Ratio;
use crate::statistics::significant;

/// One sentence about what was measured, and where the target was missed for sure,
/// another one about what that means for a user.
pub(crate) fn meaning(ratio: &Ratio) -> String {
    let Some(median) = ratio.median else {
        return "Not measured: no pair of blocks is valid.".to_owned();
    };
    let plain = plain(ratio.id, median);
    if ratio.met != Some(false) {
        return plain;
    }
    if ratio.is_undecided() {
        return format!("{plain} {UNDECIDED}");
    }
    format!("{plain} Target missed: {}", missed(ratio.id))
}

/// What is not met need not be missed.
const UNDECIDED: &str = "\
Not decided: the target lies between low and high, which more blocks or a machine at \
rest bring closer together.";

fn plain(id: &str, median: f64) -> String {
    let times = significant(median);
    let percent = format!("{:.0}", median * 100.0);
    match id {
        "refusals_vs_static" => format!(
            "While a fixed answer goes out 100 times, {percent} buyers learn that it is \
             sold out."
        ),
        "orders_vs_static" => format!(
            "While a fixed answer goes out 100 times, {percent} orders are on the disk."
        ),
        "orders_vs_pessimistic" => {
            format!("While phase 2 sells 1 unit, the engine sells {times}.")
        }
        "orders_vs_hybrid" => format!(
            "While hybrid, with one buyer per transaction, sells 1 unit, the engine sells \
             {times}."
        ),
        "orders_vs_pgbench" => format!(
            "While PostgreSQL alone, with nothing around it, sells 1 unit, the engine \
             sells {times}."
        ),
        "orders_many_skus" => format!(
            "While 100 units of one SKU are sold, {percent} are where the crowd wants \
             1,000 SKUs."
        ),
        "orders_crowd" => format!(
            "With everybody there at once it sells {percent} % of what it sells to the \
             crowd that suits it best."
        ),
        "burst_vs_pessimistic" => format!(
            "The last of a burst has an answer after {percent} % of the time that phase 2 \
             takes."
        ),
        "hybrid_burst_vs_pessimistic" => format!(
            "Where only 100 of a burst can buy, hybrid's last answer comes after {percent} \
             % of phase 2's time: its losers no longer wait in line."
        ),
        "hybrid_refusals_vs_pessimistic" => format!(
            "While phase 2 sends 1 buyer away after the sell-out, hybrid sends {times}."
        ),
        "commits_per_order" => {
            format!("100 orders take {} commits.", significant(median * 100.0))
        }
        "wal_vs_pessimistic" => format!(
            "For 100 bytes of log that phase 2 writes for an order, the engine \
             writes {percent}."
        ),
        "redis_down_vs_normal" => {
            format!("Without Redis it sells {percent} % of what it sells with it.")
        }
        "overload_goodput" => format!(
            "Asked for three times what it can do, it sells {percent} % of what it can."
        ),
        "order_p50_half_load" => format!(
            "At half its capacity an order takes as long as {times} lone commits."
        ),
        "own_orders_vs_pessimistic" => {
            format!(
                "While phase 2 sells 1 unit, the program of --server sells {times}."
            )
        }
        "own_refusals_vs_pessimistic" => {
            format!("While phase 2 sends 1 buyer away, it sends {times}.")
        }
        _ => format!("{times} times."),
    }
}

fn missed(id: &str) -> &'static str {
    match id {
        "refusals_vs_static" => {
            "a refusal costs noticeably more than any answer must, so the crowd that comes \
             too late is sent away more slowly than this machine could."
        }
        "orders_vs_static" => {
            "the stores are slower than the HTTP server, so buyers wait for them and not \
             for the network."
        }
        "orders_vs_pessimistic" => {
            "whoever moves from phase 2 gains this much here, and not fifty times."
        }
        "orders_vs_hybrid" => {
            "buyers gain less from sharing a transaction on this machine; its commits are \
             quick, or its processor is short."
        }
        "orders_vs_pgbench" => {
            "with a server, HTTP and a generator beside it, PostgreSQL gets less of this \
             machine; on stores of their own it would have all."
        }
        "orders_crowd" => {
            "sales slow down just when most buyers come, so they wait longer than they \
             would in a line before the door."
        }
        "burst_vs_pessimistic" => {
            "buyers of a burst still wait a good part of what phase 2 lets them wait."
        }
        "hybrid_burst_vs_pessimistic" => {
            "Redis answers the losers hardly sooner than PostgreSQL, or the commits of the \
             winners take nearly all of the time."
        }
        "hybrid_refusals_vs_pessimistic" => {
            "a question to Redis costs nearly as much here as a lock of the row."
        }
        "commits_per_order" => {
            "the disk is asked more often, so a slow disk limits sales sooner."
        }
        "redis_down_vs_normal" => {
            "buyers notice when Redis fails: they wait longer until it is back."
        }
        "overload_goodput" => {
            "a rush beyond the capacity costs sales: some should be turned away before \
             they reach the server."
        }
        _ => "see docs/PERFORMANCE.md.",
    }
}
