//! The second view: two buyers, step by step.

use std::time::Duration;

use crate::browser::{Browser, Tab};
use crate::running::{Page, SMALL, assert_quiet, choose, take_pictures, text};

/// Two servers start, and one order of steps is played.
const PLAY_LIMIT: Duration = Duration::from_secs(20);

/// Turns that both buyers have at most, with some to spare.
const TURNS_MAX: usize = 40;

/// What a learner tries: the second one sells while the first one decides.
const TURNS: &str = "112222222211111111";

const CALM: &str = "document.body.dataset.busy === 'false'";

fn wait_for_step(browser: &mut Browser, tab: &Tab, step: usize) {
    let there = format!("{CALM} && document.body.dataset.at === '{step}'");
    browser
        .wait_for(tab, &there, PLAY_LIMIT)
        .expect("that step");
}

fn steps(browser: &mut Browser, tab: &Tab) -> usize {
    let count = browser.value(tab, "document.querySelectorAll('#steps li').length");
    let count = count.expect("a list").as_u64().expect("a number");
    usize::try_from(count).expect("a short list")
}

fn verdict(browser: &mut Browser, tab: &Tab) -> String {
    text(browser, tab, "#verdict")
}

#[test]
fn a_schedule_is_stepped_through_with_the_keyboard() {
    let page = Page::start();
    let mut browser = Browser::start().expect("a browser");
    let url = format!("{}steps", page.url);
    let tab = browser.open(&url, SMALL).expect("a page");
    let played = format!("{CALM} && document.querySelector('#steps li') !== null");
    browser
        .wait_for(&tab, &played, PLAY_LIMIT)
        .expect("a transcript");

    let last = steps(&mut browser, &tab);
    assert!(last > 5, "{last} steps");
    for step in 1..=last {
        assert!(!verdict(&mut browser, &tab).contains("oversold"));
        browser.press(&tab, "ArrowRight").expect("a key");
        wait_for_step(&mut browser, &tab, step);
    }
    assert_eq!(verdict(&mut browser, &tab), "✗ oversold by 1");
    take_pictures(&mut browser, &tab, "steps-naive");
    browser.press(&tab, "ArrowLeft").expect("a key");
    wait_for_step(&mut browser, &tab, last - 1);
    assert!(!verdict(&mut browser, &tab).contains("oversold"));

    choose(&mut browser, &tab, "order", "");
    assert_eq!(break_it(&mut browser, &tab, "naive"), "✗ oversold by 1");
    for strategy in ["pessimistic", "hybrid", "engine"] {
        choose(&mut browser, &tab, "strategy", strategy);
        assert_eq!(break_it(&mut browser, &tab, strategy), "✓ exact");
    }
    assert_quiet(&mut browser);
}

/// Chooses the turns by hand until both buyers have their answers.
fn break_it(browser: &mut Browser, tab: &Tab, strategy: &str) -> String {
    let empty = format!(
        "{CALM} && document.querySelector('#steps li') === null
         && document.getElementById('next1').textContent !== ''
         && !document.getElementById('one').disabled"
    );
    browser
        .wait_for(tab, &empty, PLAY_LIMIT)
        .expect("a beginning");
    let mut wanted = TURNS.chars();
    for _ in 0..TURNS_MAX {
        let free = ["one", "two"].map(|id| {
            let ask = format!("!document.getElementById('{id}').disabled");
            browser.value(tab, &ask).expect("a button") == true
        });
        let turn = match (wanted.next().unwrap_or('1'), free) {
            (_, [false, false]) => return verdict(browser, tab),
            ('1', [true, _]) | ('2', [true, false]) => "1",
            _ => "2",
        };
        let before = steps(browser, tab);
        browser.press(tab, turn).expect("a key");
        wait_for_step(browser, tab, before + 1);
        if before == 4 {
            take_pictures(browser, tab, &format!("choose-{strategy}"));
        }
    }
    panic!("{strategy}: no end within {TURNS_MAX} turns");
}
