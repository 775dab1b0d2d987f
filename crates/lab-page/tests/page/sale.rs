//! The first view: the sales of the phases, live.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::browser::{Browser, Tab};
use crate::running::{Page, SMALL, program, take_pictures, text};

/// What the page promises for the oversell.
const OVERSELL_LIMIT: Duration = Duration::from_secs(10);

/// All three sales, on a busy machine.
const SALE_LIMIT: Duration = Duration::from_secs(60);

/// Anything that the page does at once.
const SOON: Duration = Duration::from_secs(5);

const STRATEGIES: [&str; 3] = ["naive", "pessimistic", "hybrid"];

const RUNNING: &str = "document.body.dataset.stage === 'running'";
const ENDED: &str = "document.body.dataset.stage === 'ended'";

/// Where everything is that must not move.
const PLACES: &str = "JSON.stringify([...document.querySelectorAll(
    '.verdict, .chart, dd, #message, summary, button')]
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
    browser.wait_for(&tab, idle, SOON).expect("the form");
    let places = browser.value(&tab, PLACES).expect("places");
    let other = browser.open(&page.url, SMALL).expect("a second tab");
    browser.wait_for(&other, idle, SOON).expect("the form");

    let focus = "document.getElementById('buyers').focus()";
    browser.value(&tab, focus).expect("a field");
    browser.press(&tab, "Enter").expect("a key");
    browser.wait_for(&other, RUNNING, SOON).expect("the same");
    browser.press(&tab, "Enter").expect("a key");
    let refused = "document.getElementById('message').textContent
                   .startsWith('A sale is running: 100 units, 1000 buyers.')";
    browser.wait_for(&tab, refused, SOON).expect("a refusal");

    let oversold = "document.querySelector('[data-strategy=naive] [data-is=verdict]')
                    .textContent.startsWith('✗ oversold by ')";
    browser
        .wait_for(&tab, oversold, OVERSELL_LIMIT)
        .expect("an oversell");
    browser.reload(&other).expect("a reload");
    let caught_up = format!("{RUNNING} && {oversold}");
    browser
        .wait_for(&other, &caught_up, SOON)
        .expect("all of it");
    take_pictures(&mut browser, &tab, "sale-running");

    for tab in [&tab, &other] {
        browser.wait_for(tab, ENDED, SALE_LIMIT).expect("an end");
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
fn the_engine_counts_who_turned_buyers_away() {
    let page = Page::start_with(&["--strategy", "engine"]);
    let mut browser = Browser::start().expect("a browser");
    let tab = browser.open(&page.url, SMALL).expect("a page");
    let idle = "document.body.dataset.stage === 'idle'";
    browser.wait_for(&tab, idle, SOON).expect("the form");
    let focus = "document.getElementById('buyers').focus()";
    browser.value(&tab, focus).expect("a field");
    browser.press(&tab, "Enter").expect("a key");
    browser.wait_for(&tab, ENDED, SALE_LIMIT).expect("an end");
    assert_eq!(shown(&mut browser, &tab, "engine", "verdict"), "✓ exact");
    let by = ["latch", "redis", "postgresql"];
    let turned_away = by.map(|it| number(&mut browser, &tab, "engine", it));
    assert_eq!(turned_away.iter().sum::<i64>(), 900);
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
        let refused = number(browser, tab, strategy, "refused");
        assert_eq!(orders + refused, 1000);
        assert_eq!(number(browser, tab, strategy, "waiting"), 0);

        let oversold = audit["oversold_units"].as_i64().expect("a number");
        let verdict = match oversold {
            0 => "✓ exact".to_owned(),
            some => format!("✗ oversold by {some}"),
        };
        assert_eq!(shown(browser, tab, strategy, "verdict"), verdict);
        assert_eq!(oversold > 0, strategy == "naive");
    }
    // Only the engine counts who refused.
    let by = ["latch", "redis", "postgresql"];
    let turned_away = by.map(|it| shown(browser, tab, "hybrid", it));
    assert_eq!(turned_away, ["–"; 3]);
}
