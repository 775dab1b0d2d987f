//! The second view: two buyers, step by step.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::browser::{SMALL, Tab};
use crate::running::{Page, program};

/// Turns that both buyers have at most, with some to spare.
const TURNS_MAX: u64 = 40;

/// What a learner tries: the second one sells while the first one decides.
const TURNS: &str = "112222222211111111";

const CALM: &str = "document.body.dataset.busy === 'false'";

pub(crate) const PLAYED: &str =
    "document.body.dataset.busy === 'false' && document.body.dataset.steps > 0";

/// The order that naive does not survive, as an address.
const NAIVE: &str = "#strategy=naive&order=111222222111";

pub(crate) fn at(step: u64) -> String {
    format!("{CALM} && document.body.dataset.at === '{step}'")
}

#[track_caller]
fn press(tab: &Tab, key: &str, step: u64) {
    tab.press_until(key, &at(step));
}

/// Where a step stops; a hidden one does not.
fn stops(tab: &Tab) -> Vec<u64> {
    serde_json::from_value(tab.value("stops()")).expect("numbers")
}

fn is(tab: &Tab, name: &str) -> String {
    tab.text(&format!("[data-is={name}]"))
}

fn open(page: &Page, hash: &str) -> Tab {
    let tab = Tab::open(&format!("{}steps{hash}", page.url), SMALL);
    tab.wait_for(PLAYED);
    tab
}

/// Chooses an option as a click does.
fn choose(tab: &Tab, id: &str, value: &str) {
    let select = format!("document.getElementById('{id}')");
    tab.value(&format!("{select}.value = '{value}'"));
    tab.value(&format!(
        "{select}.dispatchEvent(new Event('change', {{bubbles: true}}))"
    ));
    tab.wait_for(CALM);
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

#[test]
fn a_schedule_is_stepped_through_with_the_keyboard() {
    let page = Page::start(&[]);
    let tab = open(&page, "");
    let stops = stops(&tab);
    let (last, before) = (stops[stops.len() - 1], stops[stops.len() - 2]);
    assert!(last > 5, "{last} steps");
    for step in &stops[1..] {
        assert!(!is(&tab, "verdict").contains("oversold"));
        press(&tab, "ArrowRight", *step);
    }
    assert_eq!(is(&tab, "verdict"), "✗ oversold by 1");
    tab.pictures("steps-naive");
    press(&tab, "ArrowLeft", before);
    assert!(!is(&tab, "verdict").contains("oversold"));
    for (key, step) in [
        ("Home", 0),
        ("PageDown", stops[1]),
        (" ", stops[2]),
        ("PageUp", stops[1]),
        ("End", last),
        ("r", 0),
    ] {
        press(&tab, key, step);
    }

    choose(&tab, "order", "choose");
    assert_eq!(break_it(&tab, "naive"), "✗ oversold by 1");
    for strategy in ["pessimistic", "hybrid", "engine"] {
        choose(&tab, "strategy", strategy);
        assert_eq!(break_it(&tab, strategy), "✓ exact");
    }
    tab.assert_quiet();
}

#[test]
fn a_buyer_carries_what_was_read_and_it_turns_red_when_it_is_no_longer_true() {
    let page = Page::start(&[]);
    let tab = open(&page, &format!("{NAIVE}&step=8"));
    assert_eq!(is(&tab, "belief1"), "read 1");
    assert_eq!(is(&tab, "belief2"), "read 1");
    press(&tab, "ArrowRight", 9);
    let stale = "read 1: no longer true";
    assert_eq!(is(&tab, "belief1"), stale);
    assert_eq!(is(&tab, "belief2"), "read 1");
    press(&tab, "ArrowRight", 10);
    let now = tab.text(".now");
    assert!(now.contains("decides: 1 ≥ 1 → sell"), "{now}");
    let believes = "ann still believes 1; the row says 0";
    assert!(now.contains(believes), "{now}");
    assert_eq!(tab.text(".source .guilty"), guilty_line());
    press(&tab, "End", 12);
    assert_eq!(is(&tab, "belief1"), stale);
    assert_eq!(tab.text(".lost .units"), "0 → 0");
    assert_eq!(tab.text(".source .guilty"), guilty_line());

    // What it was based on is in sight, also where there is little room.
    for size in [SMALL, (1280, 500)] {
        tab.resize(size);
        let sight = "(() => {
            const [it, list] = ['.list .stale', '.list'].map((selector) =>
                document.querySelector(selector).getBoundingClientRect());
            return it.top >= list.top && it.bottom <= list.bottom; })()";
        assert!(tab.holds(sight), "{size:?}");
    }

    let key = "document.querySelector('.list').textContent.includes('placed before')";
    assert!(!tab.holds(key));
    tab.click("#matters");
    assert!(tab.holds(key));
    assert_eq!(stops(&tab).len(), 13);
    tab.assert_quiet();
}

#[test]
fn the_address_keeps_strategies_order_and_step() {
    let page = Page::start(&[]);
    let tab = open(&page, &format!("{NAIVE}&beside=pessimistic&step=0"));
    press(&tab, "End", 12);
    tab.reload();
    tab.wait_for(&format!("{PLAYED} && {}", at(12)));
    let verdicts = "[...document.querySelectorAll('[data-is=verdict]')]
        .map((it) => it.textContent)";
    assert_eq!(tab.value(verdicts), json!(["✗ oversold by 1", "✓ exact"]));
    let second = tab.text(".pane:last-child");
    assert!(second.contains("decides: 0 < 1 → sold out"), "{second}");
    // With a lock the same line does no harm, and nothing is marked.
    assert!(tab.holds(
        "document.querySelector('.pane:first-child .guilty') !== null
         && document.querySelector('.pane:last-child .source .row') !== null
         && stops().every((stop) => {
             go(stop);
             return document.querySelector('.pane:last-child .guilty') === null;
         })"
    ));
    tab.pictures("steps-beside");

    choose(&tab, "beside", "");
    choose(&tab, "order", "choose");
    tab.wait_for(&at(0));
    press(&tab, "1", 1);
    press(&tab, "2", 2);
    tab.reload();
    tab.wait_for(&format!("{PLAYED} && {}", at(2)));
    tab.assert_quiet();
}

#[test]
fn redis_is_told_in_words() {
    let page = Page::start(&[]);
    let tab = open(&page, "#strategy=hybrid&order=111222222111");
    press(&tab, "ArrowRight", 1);
    let now = tab.text(".now .line");
    assert_eq!(now, "1. asks whether a unit may be free⇒ admitted");
    assert!(tab.holds(
        "!document.querySelector('.now details').open
         && document.querySelector('.now details code').textContent.startsWith('EVALSHA')"
    ));
    tab.assert_quiet();
}

#[test]
fn a_program_of_ones_own_stands_between_naive_and_the_engine_and_is_judged() {
    let dir = tempfile::tempdir().expect("a directory");
    let own = dir.path().join("mine");
    let server = program("server");
    let script = format!(
        "#!/bin/sh\nexec '{}' --strategy naive --pool-size 8\n",
        server.display()
    );
    fs::write(&own, script).expect("a script");
    fs::set_permissions(&own, Permissions::from_mode(0o755)).expect("a program");
    let page = Page::start(&["--server", own.to_str().expect("a path")]);
    let tab = Tab::open(&page.url, SMALL);
    tab.wait_for(
        "[...document.querySelectorAll('.column')].filter((it) => it.offsetWidth > 0)
         .map((it) => it.dataset.strategy).join() === 'naive,mine,engine'",
    );
    tab.picture("sale-own");
    tab.assert_quiet();

    let tab = open(&page, "#strategy=mine&order=worst");
    press(&tab, "End", *stops(&tab).last().expect("a step"));
    assert_eq!(is(&tab, "verdict"), "✗ oversold by 1");
    let why = is(&tab, "sentence");
    assert!(why.contains("nothing made one of them wait"), "{why}");
    // Nobody knows where its code is.
    assert!(tab.holds("document.querySelector('.source').hidden"));
    tab.picture("steps-own");
    tab.assert_quiet();
}

#[test]
fn the_player_fits_a_telephone_and_an_enlarged_page() {
    let page = Page::start(&[]);
    let tab = open(&page, &format!("{NAIVE}&step=12"));
    // The second is a laptop at 200 %.
    for (name, size) in [("390", (390, 844)), ("200", (640, 360))] {
        tab.resize(size);
        let fits = "document.documentElement.scrollWidth <= innerWidth
            && document.getElementById('back').getBoundingClientRect().bottom
               <= innerHeight";
        assert!(tab.holds(fits), "{name}");
        let list = "document.querySelector('.now').getBoundingClientRect().bottom
            <= document.querySelector('.controls').getBoundingClientRect().top";
        press(&tab, "ArrowLeft", 11);
        press(&tab, "ArrowRight", 12);
        tab.picture(&format!("steps-{name}"));
        assert!(tab.holds(list), "{name}");
    }
    tab.assert_quiet();
}

/// Chooses the turns by hand until both buyers have their answers.
fn break_it(tab: &Tab, strategy: &str) -> String {
    let free =
        |id: &str| tab.holds(&format!("!document.getElementById('{id}').disabled"));
    tab.wait_for(&format!(
        "{} && document.querySelector('.pane') !== null
         && shownStrategies()[0] === '{strategy}'
         && !document.getElementById('one').disabled",
        at(0)
    ));
    let mut wanted = TURNS.chars();
    for step in 1..=TURNS_MAX {
        let turn = match (wanted.next().unwrap_or('1'), free("one"), free("two")) {
            (_, false, false) => return is(tab, "verdict"),
            ('1', true, _) | ('2', true, false) => "1",
            _ => "2",
        };
        press(tab, turn, step);
        if step == 5 {
            tab.pictures(&format!("choose-{strategy}"));
        }
    }
    panic!("{strategy}: no end within {TURNS_MAX} turns");
}
