//! The second view: two buyers, step by step.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::browser::{Browser, Tab};
use crate::running::{
    Page, SMALL, assert_quiet, choose, program, take_picture, take_pictures, text,
};

/// Turns that both buyers have at most, with some to spare.
const TURNS_MAX: usize = 40;

/// What a learner tries: the second one sells while the first one decides.
const TURNS: &str = "112222222211111111";

const CALM: &str = "document.body.dataset.busy === 'false'";

const PLAYED: &str =
    "document.body.dataset.busy === 'false' && document.body.dataset.steps > 0";

fn wait_for_step(browser: &mut Browser, tab: &Tab, step: u64) {
    let there = format!("{CALM} && document.body.dataset.at === '{step}'");
    browser.wait_for(tab, &there).expect("that step");
}

fn press(browser: &mut Browser, tab: &Tab, key: &str, step: u64) {
    browser.press(tab, key).expect("a key");
    wait_for_step(browser, tab, step);
}

/// Where a step stops; a hidden one does not.
fn stops(browser: &mut Browser, tab: &Tab) -> Vec<u64> {
    let stops = browser.value(tab, "stops()").expect("stops");
    serde_json::from_value(stops).expect("numbers")
}

fn is(browser: &mut Browser, tab: &Tab, name: &str) -> String {
    text(browser, tab, &format!("[data-is={name}]"))
}

fn verdict(browser: &mut Browser, tab: &Tab) -> String {
    is(browser, tab, "verdict")
}

fn open(browser: &mut Browser, page: &Page, hash: &str) -> Tab {
    let url = format!("{}steps{hash}", page.url);
    let tab = browser.open(&url, SMALL).expect("a page");
    browser.wait_for(&tab, PLAYED).expect("a transcript");
    tab
}

/// The line of naive that writes over what the other sold, as it stands in the workspace.
fn guilty_line() -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = here.with_file_name("phase1-naive").join("src/strategy.rs");
    let code = fs::read_to_string(file).expect("the code of naive");
    let mut lines = (1..).zip(code.lines());
    let write =
        "        .set(skus::available_units.eq(available_units - request.units.get()))";
    let (number, line) = lines.find(|(_, it)| *it == write).expect("its write");
    format!("{number}{}✗ writes over what the other sold", &line[4..])
}

fn holds(browser: &mut Browser, tab: &Tab, condition: &str) -> bool {
    browser.value(tab, condition).expect("an expression") == true
}

#[test]
fn a_schedule_is_stepped_through_with_the_keyboard() {
    let page = Page::start();
    let mut browser = Browser::start().expect("a browser");
    let tab = open(&mut browser, &page, "");
    let stops = stops(&mut browser, &tab);
    let (last, before) = (stops[stops.len() - 1], stops[stops.len() - 2]);
    assert!(last > 5, "{last} steps");
    for step in &stops[1..] {
        assert!(!verdict(&mut browser, &tab).contains("oversold"));
        press(&mut browser, &tab, "ArrowRight", *step);
    }
    assert_eq!(verdict(&mut browser, &tab), "✗ oversold by 1");
    take_pictures(&mut browser, &tab, "steps-naive");
    press(&mut browser, &tab, "ArrowLeft", before);
    assert!(!verdict(&mut browser, &tab).contains("oversold"));
    for (key, step) in [
        ("Home", 0),
        ("PageDown", stops[1]),
        (" ", stops[2]),
        ("PageUp", stops[1]),
        ("End", last),
    ] {
        press(&mut browser, &tab, key, step);
    }
    press(&mut browser, &tab, "r", 0);

    choose(&mut browser, &tab, "order", "choose");
    assert_eq!(break_it(&mut browser, &tab, "naive"), "✗ oversold by 1");
    for strategy in ["pessimistic", "hybrid", "engine"] {
        choose(&mut browser, &tab, "strategy", strategy);
        assert_eq!(break_it(&mut browser, &tab, strategy), "✓ exact");
    }
    assert_quiet(&mut browser);
}

#[test]
fn a_buyer_carries_what_was_read_and_it_turns_red_when_it_is_no_longer_true() {
    let page = Page::start();
    let mut browser = Browser::start().expect("a browser");
    let tab = open(
        &mut browser,
        &page,
        "#strategy=naive&order=111222222111&step=8",
    );
    assert_eq!(is(&mut browser, &tab, "belief1"), "read 1");
    assert_eq!(is(&mut browser, &tab, "belief2"), "read 1");
    press(&mut browser, &tab, "ArrowRight", 9);
    let stale = "read 1: no longer true";
    assert_eq!(is(&mut browser, &tab, "belief1"), stale);
    assert_eq!(is(&mut browser, &tab, "belief2"), "read 1");
    press(&mut browser, &tab, "ArrowRight", 10);
    let now = text(&mut browser, &tab, ".now");
    assert!(now.contains("decides: 1 ≥ 1 → sell"), "{now}");
    assert!(
        now.contains("ann still believes 1; the row says 0"),
        "{now}"
    );
    assert_eq!(text(&mut browser, &tab, ".source .guilty"), guilty_line());
    press(&mut browser, &tab, "End", 12);
    assert_eq!(is(&mut browser, &tab, "belief1"), stale);
    assert_eq!(text(&mut browser, &tab, ".lost .units"), "0 → 0");
    assert_eq!(text(&mut browser, &tab, ".source .guilty"), guilty_line());

    // What it was based on is in sight, also where there is little room.
    for size in [SMALL, (1280, 500)] {
        browser.resize(&tab, size).expect("a size");
        let sight = "(() => {
            const [it, list] = ['.list .stale', '.list'].map((selector) =>
                document.querySelector(selector).getBoundingClientRect());
            return it.top >= list.top && it.bottom <= list.bottom; })()";
        assert!(holds(&mut browser, &tab, sight), "{size:?}");
    }

    let key = "document.querySelector('.list').textContent.includes('placed before')";
    assert!(!holds(&mut browser, &tab, key));
    let all = "document.getElementById('matters').click()";
    browser.value(&tab, all).expect("a box");
    assert!(holds(&mut browser, &tab, key));
    assert_eq!(stops(&mut browser, &tab).len(), 13);
    assert_quiet(&mut browser);
}

#[test]
fn the_address_keeps_strategies_order_and_step() {
    let page = Page::start();
    let mut browser = Browser::start().expect("a browser");
    let wanted = "#strategy=naive&beside=pessimistic&order=111222222111&step=0";
    let tab = open(&mut browser, &page, wanted);
    press(&mut browser, &tab, "End", 12);
    browser.reload(&tab).expect("a reload");
    let there = format!("{PLAYED} && document.body.dataset.at === '12'");
    browser.wait_for(&tab, &there).expect("the same step");
    let verdicts = "[...document.querySelectorAll('[data-is=verdict]')]
        .map((it) => it.textContent)";
    assert_eq!(
        browser.value(&tab, verdicts).expect("verdicts"),
        json!(["✗ oversold by 1", "✓ exact"])
    );
    let second = text(&mut browser, &tab, ".pane:last-child");
    assert!(second.contains("decides: 0 < 1 → sold out"), "{second}");
    // With a lock the same line does no harm, and nothing is marked.
    let innocent = "document.querySelector('.pane:first-child .guilty') !== null
        && document.querySelector('.pane:last-child .source .row') !== null
        && stops().every((stop) => {
            go(stop);
            return document.querySelector('.pane:last-child .guilty') === null;
        })";
    assert!(holds(&mut browser, &tab, innocent));
    take_pictures(&mut browser, &tab, "steps-beside");

    choose_calmly(&mut browser, &tab, "beside", "");
    choose_calmly(&mut browser, &tab, "order", "choose");
    wait_for_step(&mut browser, &tab, 0);
    press(&mut browser, &tab, "1", 1);
    press(&mut browser, &tab, "2", 2);
    browser.reload(&tab).expect("a reload");
    browser.wait_for(&tab, PLAYED).expect("the same turns");
    wait_for_step(&mut browser, &tab, 2);
    assert_quiet(&mut browser);
}

#[test]
fn the_judge_says_why_and_redis_is_told_in_words() {
    let page = Page::start();
    let mut browser = Browser::start().expect("a browser");
    let tab = open(&mut browser, &page, "#strategy=naive&order=worst");
    let last = *stops(&mut browser, &tab).last().expect("a step");
    press(&mut browser, &tab, "End", last);
    assert_eq!(verdict(&mut browser, &tab), "✗ oversold by 1");
    let why = is(&mut browser, &tab, "sentence");
    assert!(why.contains("read the same 1; nothing made one of them wait"));

    choose_calmly(&mut browser, &tab, "order", "111222222111");
    choose_calmly(&mut browser, &tab, "strategy", "hybrid");
    press(&mut browser, &tab, "ArrowRight", 1);
    let now = text(&mut browser, &tab, ".now .line");
    assert_eq!(now, "1. asks whether a unit may be free⇒ admitted");
    let folded = "!document.querySelector('.now details').open
        && document.querySelector('.now details code').textContent.startsWith('EVALSHA')";
    assert!(holds(&mut browser, &tab, folded));
    assert_quiet(&mut browser);
}

#[test]
fn a_program_of_ones_own_stands_between_naive_and_the_engine_and_is_judged() {
    let dir = tempfile::tempdir().expect("a directory");
    let own = dir.path().join("mine");
    let server = program().with_file_name("server");
    let script = format!(
        "#!/bin/sh\nexec '{}' --strategy naive --pool-size 8\n",
        server.display()
    );
    fs::write(&own, script).expect("a script");
    fs::set_permissions(&own, Permissions::from_mode(0o755)).expect("a program");
    let own = own.to_str().expect("a path");
    let page = Page::start_with(&["--server", own]);
    let mut browser = Browser::start().expect("a browser");
    let tab = browser.open(&page.url, SMALL).expect("a page");
    let columns = "[...document.querySelectorAll('.column')]
        .filter((it) => it.offsetWidth > 0)
        .map((it) => it.dataset.strategy).join() === 'naive,mine,engine'";
    browser.wait_for(&tab, columns).expect("three columns");
    take_picture(&mut browser, &tab, "sale-own");

    let tab = open(&mut browser, &page, "#strategy=mine&order=worst");
    let last = *stops(&mut browser, &tab).last().expect("a step");
    press(&mut browser, &tab, "End", last);
    assert_eq!(verdict(&mut browser, &tab), "✗ oversold by 1");
    let why = is(&mut browser, &tab, "sentence");
    assert!(why.contains("nothing made one of them wait"), "{why}");
    // Nobody knows where its code is.
    let hidden = "document.querySelector('.source').hidden";
    assert!(holds(&mut browser, &tab, hidden));
    take_picture(&mut browser, &tab, "steps-own");
    assert_quiet(&mut browser);
}

#[test]
fn the_player_fits_a_telephone_and_an_enlarged_page() {
    let page = Page::start();
    let mut browser = Browser::start().expect("a browser");
    let tab = open(
        &mut browser,
        &page,
        "#strategy=naive&order=111222222111&step=12",
    );
    // The second is a laptop at 200 %.
    for (name, size) in [("390", (390, 844)), ("200", (640, 360))] {
        browser.resize(&tab, size).expect("a size");
        let fits = "document.documentElement.scrollWidth <= innerWidth
            && document.getElementById('back').getBoundingClientRect().bottom
               <= innerHeight";
        assert!(holds(&mut browser, &tab, fits), "{name}");
        let list = "document.querySelector('.now').getBoundingClientRect().bottom
            <= document.querySelector('.controls').getBoundingClientRect().top";
        press(&mut browser, &tab, "ArrowLeft", 11);
        press(&mut browser, &tab, "ArrowRight", 12);
        take_picture(&mut browser, &tab, &format!("steps-{name}"));
        assert!(holds(&mut browser, &tab, list), "{name}");
    }
    assert_quiet(&mut browser);
}

/// Chooses as a click does, and waits for what is played then.
fn choose_calmly(browser: &mut Browser, tab: &Tab, id: &str, value: &str) {
    choose(browser, tab, id, value);
    browser.wait_for(tab, CALM).expect("a play");
}

/// Chooses the turns by hand until both buyers have their answers.
fn break_it(browser: &mut Browser, tab: &Tab, strategy: &str) -> String {
    let empty = format!(
        "{CALM} && document.body.dataset.at === '0'
         && document.querySelector('.pane') !== null
         && shownStrategies()[0] === '{strategy}'
         && !document.getElementById('one').disabled"
    );
    browser.wait_for(tab, &empty).expect("a beginning");
    let mut wanted = TURNS.chars();
    for before in 0..TURNS_MAX {
        let free = ["one", "two"].map(|id| {
            let ask = format!("!document.getElementById('{id}').disabled");
            browser.value(tab, &ask).expect("a button") == true
        });
        let turn = match (wanted.next().unwrap_or('1'), free) {
            (_, [false, false]) => return verdict(browser, tab),
            ('1', [true, _]) | ('2', [true, false]) => "1",
            _ => "2",
        };
        let step = u64::try_from(before).expect("a small number") + 1;
        press(browser, tab, turn, step);
        if before == 4 {
            take_pictures(browser, tab, &format!("choose-{strategy}"));
        }
    }
    panic!("{strategy}: no end within {TURNS_MAX} turns");
}
