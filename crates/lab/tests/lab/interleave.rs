//! `lab interleave`, from its command line to its verdict.

use std::path::Path;

use flash_lab_crowd::{Seller, Strategy};
use flash_lab_interleave::{Finish, Place, Schedule, Stage, start_stores};
use serde_json::Value;

use crate::{json, lab, list};

#[track_caller]
fn played(arguments: &str) -> (Value, String) {
    let (run, said) = json(&mut lab(&format!("interleave {arguments}")), 0);
    // Nothing is wider than its column.
    let wide = said.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None, "{said}");
    (run, said)
}

fn matrix(run: &Value) -> [u64; 5] {
    ["schedules", "oversold", "exact", "blocked", "refused_early"]
        .map(|what| run["matrix"][what].as_u64().expect("a count"))
}

#[test]
fn naive_oversells_in_some_orders_and_the_shortest_is_found() {
    let (run, said) = played("--strategy naive");
    assert_eq!(run["strategy"], "naive");
    // The README tells these numbers.
    assert_eq!(matrix(&run), [350, 336, 14, 182, 14]);

    let shortest = &run["shortest_oversell"];
    assert_eq!(shortest["schedule"], "111222222111");
    assert_eq!(shortest["ending"]["verdict"], "oversold");
    let steps = list(&shortest["steps"]);
    let is_read = |step: &&Value| {
        let sql = step["sql"].as_str().expect("a text");
        sql.starts_with("SELECT") && sql.contains("\"available_units\"")
    };
    let reads: Vec<_> = steps.iter().filter(is_read).collect();
    assert_eq!(reads.len(), 2);
    for read in reads {
        let row = "available_units = 1, restocked_units = 0, per_buyer_limit = NULL";
        assert_eq!(read["returned"], row);
        assert_eq!(read["parameters"][0], "'tee'");
        let readable = read["readable"].as_str().expect("a text");
        assert!(
            readable.ends_with("WHERE (sku = 'tee') LIMIT 1"),
            "{readable}"
        );
    }
    assert_eq!(steps[11]["available_units_after"], 0);
    assert!(
        said.contains("oversold by 1: 2 orders for 1 unit"),
        "{said}"
    );
}

#[test]
fn all_others_sell_the_unit_once_in_every_order() {
    let others = "--strategy pessimistic --strategy hybrid --strategy engine";
    let (json, said) = played(others);
    let [pessimistic, hybrid, engine] = list(&json["runs"]) else {
        panic!("{json}");
    };
    for (run, expected) in [
        (pessimistic, [50, 0, 50, 36, 14]),
        (hybrid, [14, 0, 14, 0, 14]),
        (engine, [14, 0, 14, 0, 14]),
    ] {
        assert_eq!(matrix(run), expected, "{said}");
        assert!(run["shortest_oversell"].is_null(), "{said}");
    }
    let those = |run: &Value, key: &str, is: Value| -> Vec<Value> {
        let steps = list(&run["chosen"]["steps"]).iter();
        steps.filter(|it| it[key] == is).cloned().collect()
    };
    let waited = those(pessimistic, "waited", true.into());
    assert_eq!(waited.len(), 1);
    assert_eq!(waited[0]["waited_for"], "lock");
    let sql = waited[0]["sql"].as_str().expect("a text");
    assert!(sql.contains("FOR UPDATE"), "{sql}");
    // In hybrid the second buyer never gets as far as the row, and is told at once.
    assert!(those(hybrid, "waited", true.into()).is_empty());
    let refusal = &those(hybrid, "answer", "sold out".into())[0];
    assert_eq!(refusal["store"], "Redis");
    assert_eq!(refusal["returned"], "0");
    // The unit is only held: nobody has committed.
    assert_eq!(refusal["available_units_after"], 1);
    // In the engine that buyer waits for the word of PostgreSQL.
    let waited = those(engine, "waited", true.into());
    assert_eq!(waited.len(), 1);
    assert_eq!(waited[0]["store"], "Redis");
    assert_eq!(waited[0]["answer"], "sold out");
}

#[test]
fn the_same_schedule_gives_the_same_transcript() {
    for (strategy, asked, taken) in [
        // T2 waits at its UPDATE until T1 has committed: its turns pass to T1.
        ("naive", "121212121212", "121212121122"),
        ("pessimistic", "12121212", "1212111122"),
        ("hybrid", "1121", "11211111"),
        ("engine", "1121", "11211111"),
    ] {
        let arguments = format!("--strategy {strategy} --schedule {asked}");
        let (first, said) = played(&arguments);
        assert_eq!(first, played(&arguments).0, "{said}");
        assert_eq!(first["matrix"]["schedules"], 1);
        assert_eq!(first["chosen"]["schedule"], taken, "{said}");
        // Also of statements that are sent together, each has an answer of its own.
        for step in list(&first["chosen"]["steps"]) {
            let is_told = !step["returned"].is_null() || step["waited"] == true;
            assert!(is_told, "{step}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_play_can_stop_in_the_middle_and_the_stage_goes_on() -> anyhow::Result<()> {
    let server = Path::new(env!("CARGO_BIN_EXE_lab")).with_file_name("server");
    let stores = start_stores().await?;
    let mut stage =
        Stage::open(stores, &Seller::of_server(server, Strategy::Pessimistic)).await?;

    // T1 has the row, T2 waits for it: the next turn can only be T1's.
    let schedule: Schedule = "1122".parse().map_err(anyhow::Error::msg)?;
    let transcript = stage.play(&schedule, Finish::Here).await?;
    let [one, two] = &transcript.buyers;
    assert_eq!((one.place, two.place), (Place::Held, Place::Waiting));
    let next = one.next.as_ref().expect("a statement");
    assert_eq!(next.purpose, Some("was this order placed before?"));
    assert!(two.next.is_none());
    assert_eq!(transcript.ending, None);
    assert_eq!(transcript.steps[3].returned, None);

    // Nobody has begun: both would send the same.
    let transcript = stage.play(&Schedule::default(), Finish::Here).await?;
    for buyer in &transcript.buyers {
        assert_eq!(buyer.place, Place::Ready);
        assert_eq!(buyer.next.as_ref().expect("a statement").sql, "BEGIN");
    }
    let transcript = stage.play(&schedule, Finish::Both).await?;
    assert!(transcript.is_exact() && transcript.has_blocked());
    assert_eq!(transcript.steps[3].waited_until, Some(8));
    Ok(())
}
