//! The first view: the sales of the phases, live.

use std::process::Command;

use serde_json::Value;

use crate::browser::{HUGE, LARGE, SMALL, Tab};
use crate::running::{Page, program};

/// Who is shown.
pub(crate) const COLUMNS: &str = "[...document.querySelectorAll('.column')]
    .filter((it) => it.offsetWidth > 0).map((it) => it.dataset.strategy).join()";

const IDLE: &str = "document.body.dataset.stage === 'idle'";
const RUNNING: &str = "document.body.dataset.stage === 'running'";

/// So many sales have ended.
pub(crate) fn ended(sale: u32) -> String {
    format!(
        "document.body.dataset.stage === 'ended'
         && document.body.dataset.sale === '{sale}'"
    )
}

/// A page before its first sale.
pub(crate) fn open(arguments: &[&str]) -> (Page, Tab) {
    let page = Page::start(arguments);
    let tab = Tab::open(&page.url, SMALL);
    tab.wait_for(IDLE);
    (page, tab)
}

/// Where everything is that must not move.
const PLACES: &str = "JSON.stringify([...document.querySelectorAll(
    '.verdict, .chart, dd, #message, summary, #start button')]
    .map((it) => it.getBoundingClientRect()).map((it) => [it.x, it.y, it.height]))";

/// What stands in a column.
pub(crate) fn shown(tab: &Tab, strategy: &str, name: &str) -> String {
    tab.text(&format!("[data-strategy={strategy}] [data-is={name}]"))
}

pub(crate) fn number(tab: &Tab, strategy: &str, name: &str) -> i64 {
    shown(tab, strategy, name).parse().expect("a number")
}

/// Runs the command that the page shows for a strategy.
fn counted_again(tab: &Tab, place: usize) -> Value {
    let command = tab.text(&format!("#commands div:nth-child({place}) code"));
    let arguments = command.strip_prefix("./just").expect("a recipe");
    let lab = program("lab");
    let again = format!("exec '{}' {arguments} --json -", lab.display());
    let output = Command::new("/bin/sh").args(["-c", &again]).output();
    let counted = output.expect("lab starts").stdout;
    serde_json::from_slice(&counted).expect("JSON on standard output")
}

/// Starts a sale with the keyboard.
fn press_start(tab: &Tab) {
    tab.value("document.getElementById('buyers').focus()");
    tab.press("Enter");
}

#[test]
fn a_sale_is_shown_as_it_goes_and_as_the_audit_counts_it() {
    let (page, tab) = open(&[]);
    let places = tab.value(PLACES);
    let other = Tab::open(&page.url, SMALL);
    other.wait_for(IDLE);

    press_start(&tab);
    other.wait_for(RUNNING);
    tab.press("Enter");
    tab.wait_for(
        "document.getElementById('message').textContent
         .startsWith('A sale is running: 100 units, 1000 buyers.')",
    );

    let oversold = "document.querySelector('[data-strategy=naive] [data-is=verdict]')
                    .textContent.startsWith('✗ oversold by ')";
    tab.wait_for(oversold);
    other.reload();
    other.wait_for(oversold);
    tab.pictures("sale-running");

    tab.wait_for(&ended(1));
    other.wait_for(&ended(1));
    // Everything that the columns say.
    assert_eq!(tab.text("#columns"), other.text("#columns"));
    check_numbers(&tab);
    assert_eq!(tab.value(PLACES), places);
    tab.value("document.activeElement.blur()");
    tab.pictures("sale-ended");
    other.assert_quiet();
    // The browser reports the refusal that was asked for, and nothing else.
    let troubles = tab.troubles();
    assert_eq!(troubles.len(), 1, "{troubles:#?}");
    let told = troubles[0].to_string();
    assert!(told.contains("409 (Conflict)"), "{told}");
}

#[test]
fn the_engine_stands_beside_the_phases_where_there_is_room_and_counts_who_refused() {
    let page = Page::start(&[]);
    let tab = Tab::open(&page.url, LARGE);
    tab.wait_for(IDLE);
    assert_eq!(tab.value(COLUMNS), "naive,pessimistic,hybrid,engine");
    press_start(&tab);
    tab.wait_for(&ended(1));
    assert_eq!(shown(&tab, "engine", "verdict"), "✓ exact");
    // Its rooms are counted, and those that refused nobody are not named.
    let told = shown(&tab, "engine", "counts");
    let (sum, rooms) = told.split_once(" refused: ").expect("rooms");
    assert_eq!(sum, "900");
    let counts = rooms.split(", ").map(|room| {
        let (count, _) = room.split_once(" by ").expect("a room");
        count.parse::<u32>().expect("a number")
    });
    assert_eq!(counts.sum::<u32>(), 900, "{told}");
    assert!(!told.contains(" 0 by "), "{told}");
    tab.pictures("sale-four");
    // Also where there is hardly room, and it is chosen.
    for size in [SMALL, LARGE, HUGE] {
        tab.resize(size);
        check_looks(&tab);
        let sight = "document.documentElement.scrollHeight <= innerHeight * 1.1";
        assert!(tab.holds(sight), "{size:?}");
    }
    tab.assert_quiet();
}

/// What is projected can be read from the back, and nothing is cut.
pub(crate) fn check_looks(tab: &Tab) {
    const SMALLEST: &str = "Math.min(...[...document.querySelectorAll('body *')]
        .filter((it) => it.offsetWidth > 0 && it.textContent.trim() !== '')
        .map((it) => parseFloat(getComputedStyle(it).fontSize)),
        ...[...document.querySelectorAll('.chart text')]
        .filter((it) => it.getBoundingClientRect().width > 0)
        .map((it) => parseFloat(getComputedStyle(it).fontSize) * it.getScreenCTM().a))";
    const UNEVEN: &str = "['.verdict', '.chart', 'dl'].filter((part) =>
        new Set([...document.querySelectorAll(part)].map((it) => it.getBoundingClientRect())
            .filter((it) => it.width > 0).map((it) => Math.round(it.top))).size > 1).join()";
    const CUT: &str =
        "[...document.querySelectorAll('.verdict, .column')].filter((it) =>
        it.scrollWidth > it.clientWidth || it.scrollHeight > it.clientHeight).length";
    let smallest = tab.value(SMALLEST);
    assert!(smallest.as_f64().expect("a size") >= 16.0, "{smallest}");
    assert_eq!(tab.value(CUT), 0);
    assert_eq!(tab.value(UNEVEN), "");
}

/// A telephone and a laptop at 200 % show it without overflow.
pub(crate) fn check_small(tab: &Tab) {
    for (name, size) in [("390", (390, 844)), ("200", (640, 360))] {
        tab.resize(size);
        tab.picture(&format!("sale-{name}"));
        let fits = "document.documentElement.scrollWidth <= innerWidth";
        assert!(tab.holds(fits), "{name}");
    }
    tab.resize(SMALL);
}

/// What stands on the page is what the audit says now.
fn check_numbers(tab: &Tab) {
    // Only the engine counts who refused.
    for (place, strategy, refused) in [
        (1, "naive", None),
        (2, "pessimistic", Some("900 refused by PostgreSQL")),
        (3, "hybrid", Some("900 refused")),
    ] {
        let audit = counted_again(tab, place);
        let orders = number(tab, strategy, "orders");
        assert_eq!(audit["available_units"], number(tab, strategy, "stock"));
        assert_eq!(audit["accepted_units"], orders);
        let chart = format!("[data-strategy={strategy}] .chart[aria-label^=");
        let label = format!("{chart}'{strategy}: {orders} accepted in ']");
        assert!(tab.holds(&format!("document.querySelector(`{label}`) !== null")));
        if let Some(refused) = refused {
            assert_eq!(orders, 100, "{strategy}");
            assert_eq!(shown(tab, strategy, "counts"), refused);
        }
        let oversold = audit["oversold_units"].as_i64().expect("a number");
        let verdict = match oversold {
            0 => "✓ exact".to_owned(),
            some => format!("✗ oversold by {some}"),
        };
        assert_eq!(shown(tab, strategy, "verdict"), verdict);
        assert_eq!(oversold > 0, strategy == "naive");
    }
}
