//! The first view: the sales of the phases, live.

use std::process::Command;

use serde_json::Value;

use crate::browser::{Browser, Tab};
use crate::running::{
    HUGE, LARGE, Page, SMALL, assert_quiet, program, take_picture, take_pictures, text,
};

const STRATEGIES: [&str; 3] = ["naive", "pessimistic", "hybrid"];

/// Who is shown.
const COLUMNS: &str = "[...document.querySelectorAll('.column')]
    .filter((it) => it.offsetWidth > 0).map((it) => it.dataset.strategy).join()";

const ALL: &str = "naive,pessimistic,hybrid,engine";

const RUNNING: &str = "document.body.dataset.stage === 'running'";
const ENDED: &str = "document.body.dataset.stage === 'ended'";

/// Where everything is that must not move.
const PLACES: &str = "JSON.stringify([...document.querySelectorAll(
    '.verdict, .chart, dd, #message, summary, #start button')]
    .map((it) => it.getBoundingClientRect()).map((it) => [it.x, it.y, it.height]))";

fn part(strategy: &str, name: &str) -> String {
    format!("[data-strategy={strategy}] [data-is={name}]")
}

fn shown(browser: &mut Browser, tab: &Tab, strategy: &str, name: &str) -> String {
    text(browser, tab, &part(strategy, name))
}

fn number(browser: &mut Browser, tab: &Tab, strategy: &str, name: &str) -> i64 {
    let text = shown(browser, tab, strategy, name);
    text.parse().expect("a number")
}

/// Everything that the columns say.
fn columns(browser: &mut Browser, tab: &Tab) -> String {
    text(browser, tab, "#columns")
}

/// Runs the command that the page shows for a strategy.
fn counted_again(browser: &mut Browser, tab: &Tab, place: usize) -> Value {
    let selector = format!("#commands div:nth-child({place}) code");
    let command = text(browser, tab, &selector);
    let arguments = command.strip_prefix("./just").expect("a recipe");
    let lab = program();
    let output = Command::new("/bin/sh")
        .args([
            "-c",
            &format!("exec '{}' {arguments} --json -", lab.display()),
        ])
        .output()
        .expect("lab starts");
    serde_json::from_slice(&output.stdout).expect("JSON on standard output")
}

#[test]
fn a_sale_is_shown_as_it_goes_and_as_the_audit_counts_it() {
    let page = Page::start();
    let mut browser = Browser::start().expect("a browser");
    let tab = browser.open(&page.url, SMALL).expect("a page");
    let idle = "document.body.dataset.stage === 'idle'";
    browser.wait_for(&tab, idle).expect("the form");
    let places = browser.value(&tab, PLACES).expect("places");
    let other = browser.open(&page.url, SMALL).expect("a second tab");
    browser.wait_for(&other, idle).expect("the form");

    let focus = "document.getElementById('buyers').focus()";
    browser.value(&tab, focus).expect("a field");
    browser.press(&tab, "Enter").expect("a key");
    browser.wait_for(&other, RUNNING).expect("the same");
    browser.press(&tab, "Enter").expect("a key");
    let refused = "document.getElementById('message').textContent
                   .startsWith('A sale is running: 100 units, 1000 buyers.')";
    browser.wait_for(&tab, refused).expect("a refusal");

    let oversold = "document.querySelector('[data-strategy=naive] [data-is=verdict]')
                    .textContent.startsWith('✗ oversold by ')";
    browser.wait_for(&tab, oversold).expect("an oversell");
    browser.reload(&other).expect("a reload");
    browser.wait_for(&other, oversold).expect("all of it");
    take_pictures(&mut browser, &tab, "sale-running");

    for tab in [&tab, &other] {
        browser.wait_for(tab, ENDED).expect("an end");
    }
    assert_eq!(columns(&mut browser, &tab), columns(&mut browser, &other));
    check_numbers(&mut browser, &tab);
    assert_eq!(browser.value(&tab, PLACES).expect("places"), places);
    let blur = "document.activeElement.blur()";
    browser.value(&tab, blur).expect("a field");
    take_pictures(&mut browser, &tab, "sale-ended");
    // The browser reports the refusal that was asked for, and nothing else.
    let troubles = browser.troubles();
    assert_eq!(troubles.len(), 1, "{troubles:#?}");
    assert!(troubles[0].contains("409 (Conflict)"), "{troubles:#?}");
}

#[test]
fn the_engine_stands_beside_the_phases_where_there_is_room_and_counts_who_refused() {
    let page = Page::start();
    let mut browser = Browser::start().expect("a browser");
    let tab = browser.open(&page.url, LARGE).expect("a page");
    let idle = "document.body.dataset.stage === 'idle'";
    browser.wait_for(&tab, idle).expect("the form");
    assert_eq!(browser.value(&tab, COLUMNS).expect("columns"), ALL);
    let focus = "document.getElementById('buyers').focus()";
    browser.value(&tab, focus).expect("a field");
    browser.press(&tab, "Enter").expect("a key");
    browser.wait_for(&tab, ENDED).expect("an end");
    assert_eq!(shown(&mut browser, &tab, "engine", "verdict"), "✓ exact");
    // Its rooms are counted, and those that refused nobody are not named.
    let told = shown(&mut browser, &tab, "engine", "counts");
    let (sum, rooms) = told.split_once(" refused: ").expect("rooms");
    assert_eq!(sum, "900");
    let counts = rooms.split(", ").map(|room| {
        let (count, _) = room.split_once(" by ").expect("a room");
        count.parse::<u32>().expect("a number")
    });
    assert_eq!(counts.sum::<u32>(), 900, "{told}");
    assert!(!told.contains(" 0 by "), "{told}");
    take_pictures(&mut browser, &tab, "sale-four");
    // Also where there is hardly room, and it is chosen.
    for size in [SMALL, LARGE, HUGE] {
        browser.resize(&tab, size).expect("a size");
        check_looks(&mut browser, &tab);
        let sight = "document.documentElement.scrollHeight <= innerHeight * 1.1";
        assert_eq!(browser.value(&tab, sight).expect("a height"), true);
    }
    assert_quiet(&mut browser);
}

/// The text of the button that starts.
fn start_text(browser: &mut Browser, tab: &Tab) -> String {
    text(browser, tab, "#start button")
}

#[test]
fn strategies_are_chosen_and_sell_one_at_a_time() {
    let page = Page::start_with(&["--buyers", "300"]);
    let mut browser = Browser::start().expect("a browser");
    let tab = browser.open(&page.url, SMALL).expect("a page");
    let idle = "document.body.dataset.stage === 'idle'";
    browser.wait_for(&tab, idle).expect("the form");
    // There is no room for the engine; hybrid is not wanted.
    let chosen = "document.querySelector('#who [value=hybrid]').click();
        document.getElementById('slowly').click()";
    browser.value(&tab, chosen).expect("boxes");
    let shown_columns = browser.value(&tab, COLUMNS).expect("columns");
    assert_eq!(shown_columns, "naive,pessimistic");
    assert_eq!(start_text(&mut browser, &tab), "Start: naive");
    browser.press(&tab, "PageDown").expect("a key");
    let first = format!("{ENDED} && document.body.dataset.sale === '1'");
    browser.wait_for(&tab, &first).expect("an end");
    let guess = shown(&mut browser, &tab, "pessimistic", "verdict");
    assert_eq!(guess, "? what will happen");
    let oversold = shown(&mut browser, &tab, "naive", "verdict");
    assert!(oversold.starts_with("✗ oversold by"), "{oversold}");
    take_pictures(&mut browser, &tab, "sale-guess");

    assert_eq!(start_text(&mut browser, &tab), "Next: pessimistic");
    browser.press(&tab, "PageDown").expect("a key");
    let second = format!("{ENDED} && document.body.dataset.sale === '2'");
    browser.wait_for(&tab, &second).expect("an end");
    assert_eq!(shown(&mut browser, &tab, "naive", "verdict"), oversold);
    assert_eq!(
        shown(&mut browser, &tab, "pessimistic", "verdict"),
        "✓ exact"
    );
    assert_eq!(
        shown(&mut browser, &tab, "hybrid", "verdict"),
        "? what will happen"
    );

    let sums = shown(&mut browser, &tab, "naive", "sentence");
    assert!(sums.starts_with("expected 100 − 300 = −200row "), "{sums}");
    let wrong = text(
        &mut browser,
        &tab,
        "[data-strategy=naive] .wrong:last-child",
    );
    assert!(wrong.contains(" lost update"), "{wrong}");
    let exact = shown(&mut browser, &tab, "pessimistic", "sentence");
    assert_eq!(exact, "expected 100 − 100 = 0row 0");

    check_looks(&mut browser, &tab);
    check_small(&mut browser, &tab);
    check_replay(&mut browser, &tab);
    check_ways(&mut browser, &tab);
    let why = "document.querySelector('[data-strategy=naive] a').href";
    let why = browser.value(&tab, why).expect("a link");
    let why = why.as_str().expect("an address");
    let tab = browser.open(why, SMALL).expect("the player");
    let bad = "location.pathname === '/steps' && document.body.dataset.steps > 0
        && document.getElementById('order').value === 'worst'";
    browser.wait_for(&tab, bad).expect("the player");
    assert_quiet(&mut browser);
}

/// What is projected can be read from the back, and nothing is cut.
fn check_looks(browser: &mut Browser, tab: &Tab) {
    const SMALLEST: &str = "Math.min(...[...document.querySelectorAll('body *')]
        .filter((it) => it.offsetWidth > 0 && it.textContent.trim() !== '')
        .map((it) => parseFloat(getComputedStyle(it).fontSize)),
        ...[...document.querySelectorAll('.chart text')]
        .filter((it) => it.getBoundingClientRect().width > 0)
        .map((it) => parseFloat(getComputedStyle(it).fontSize) * it.getScreenCTM().a))";
    const UNEVEN: &str = "['.verdict', '.chart', 'dl'].filter((part) =>
        new Set([...document.querySelectorAll(part)].map((it) => it.getBoundingClientRect())
            .filter((it) => it.width > 0).map((it) => Math.round(it.top))).size > 1).join()";
    let smallest = browser.value(tab, SMALLEST).expect("sizes");
    assert!(smallest.as_f64().expect("a size") >= 16.0, "{smallest}");
    let cut = "[...document.querySelectorAll('.verdict, .column')]
        .filter((it) => it.scrollWidth > it.clientWidth || it.scrollHeight > it.clientHeight)
        .length";
    assert_eq!(browser.value(tab, cut).expect("boxes"), 0);
    assert_eq!(browser.value(tab, UNEVEN).expect("places"), "");
}

/// A telephone and a laptop at 200 % show it without overflow.
fn check_small(browser: &mut Browser, tab: &Tab) {
    for (name, size) in [("390", (390, 844)), ("200", (640, 360))] {
        browser.resize(tab, size).expect("a size");
        take_picture(browser, tab, &format!("sale-{name}"));
        let fits = "document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.value(tab, fits).expect("a width"), true, "{name}");
    }
    browser.resize(tab, SMALL).expect("a size");
}

fn check_replay(browser: &mut Browser, tab: &Tab) {
    let begin = "document.getElementById('replay').click()";
    browser.value(tab, begin).expect("a button");
    let slow =
        "document.getElementById('replay').textContent.includes(' times slower: ')";
    browser.wait_for(tab, slow).expect("a replay");
    let over = "document.getElementById('replay').textContent === 'slow replay'";
    browser.wait_for(tab, over).expect("its end");
}

/// The list of ways to count the books opens in view, and can be copied.
fn check_ways(browser: &mut Browser, tab: &Tab) {
    let unfold = "document.querySelector('summary').click()";
    browser.value(tab, unfold).expect("a list");
    let sight = "document.getElementById('commands').getBoundingClientRect().bottom
        <= innerHeight + 1";
    browser.wait_for(tab, sight).expect("in view");
    let copy = "document.querySelector('#commands button').click()";
    browser.value(tab, copy).expect("a button");
    let copied = "['copied', 'selected'].includes(
            document.querySelector('#commands button').textContent)
        && getSelection().toString().startsWith('./just audit --sku ')";
    browser.wait_for(tab, copied).expect("a copy");
    take_picture(browser, tab, "sale-ways");
    // Beside it everything can be read as before.
    check_looks(browser, tab);
}

/// What stands on the page is what the audit says now.
fn check_numbers(browser: &mut Browser, tab: &Tab) {
    for (place, strategy) in (1..).zip(STRATEGIES) {
        let audit = counted_again(browser, tab, place);
        assert_eq!(
            audit["available_units"],
            number(browser, tab, strategy, "stock")
        );
        let orders = number(browser, tab, strategy, "orders");
        assert_eq!(audit["accepted_units"], orders);
        let counts = shown(browser, tab, strategy, "counts");
        let refused = match strategy {
            "naive" => "",
            "pessimistic" => "900 refused by PostgreSQL",
            // Only the engine counts who refused.
            _ => "900 refused",
        };
        assert!(strategy == "naive" || orders == 100, "{orders}");
        assert!(strategy == "naive" || counts == refused, "{counts}");

        let oversold = audit["oversold_units"].as_i64().expect("a number");
        let verdict = match oversold {
            0 => "✓ exact".to_owned(),
            some => format!("✗ oversold by {some}"),
        };
        assert_eq!(shown(browser, tab, strategy, "verdict"), verdict);
        assert_eq!(oversold > 0, strategy == "naive");
    }
}
