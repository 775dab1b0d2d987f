//! Both views without a mouse, at the size of a projector.

use crate::browser::{Browser, Tab};
use crate::running::{Page, SMALL, assert_quiet, take_picture, text};

/// More stops of the tabulator than there are.
const STOPS_MAX: usize = 60;

/// Goes on with the tabulator until something has the focus.
#[track_caller]
fn tab_to(browser: &mut Browser, tab: &Tab, selector: &str) {
    let there = format!("document.activeElement.matches(`{selector}`)");
    for _ in 0..STOPS_MAX {
        browser.press(tab, "Tab").expect("a key");
        if browser.value(tab, &there).expect("a focus") == true {
            return;
        }
    }
    panic!("the tabulator does not lead to {selector}");
}

/// Presses a key, and waits for what comes of it.
#[track_caller]
fn press(browser: &mut Browser, tab: &Tab, key: &str, then: &str) {
    browser.press(tab, key).expect("a key");
    browser.wait_for(tab, then).expect(key);
}

fn ended(sale: u32) -> String {
    format!(
        "document.body.dataset.stage === 'ended'
         && document.body.dataset.sale === '{sale}'"
    )
}

/// So many panes, at the end of what they show.
fn played(panes: usize) -> String {
    format!(
        "document.body.dataset.busy === 'false'
         && document.querySelectorAll('.pane').length === {panes}
         && document.body.dataset.steps > 0"
    )
}

const AT_END: &str = "document.body.dataset.at === document.body.dataset.steps";

#[test]
fn keys_alone_lead_from_a_guess_to_the_line_that_oversells() {
    let page = Page::start_with(&["--buyers", "300"]);
    let mut browser = Browser::start().expect("a browser");
    let tab = browser.open(&page.url, SMALL).expect("a page");
    let idle = "document.body.dataset.stage === 'idle'";
    browser.wait_for(&tab, idle).expect("the form");

    // A sale, revealed one at a time with a presenter's remote.
    tab_to(&mut browser, &tab, "#who [value=hybrid]");
    press(
        &mut browser,
        &tab,
        " ",
        "document.querySelector('[data-strategy=hybrid]').hidden",
    );
    tab_to(&mut browser, &tab, "#slowly");
    press(
        &mut browser,
        &tab,
        " ",
        "nextSale().strategies.join() === 'naive'",
    );
    press(&mut browser, &tab, "PageDown", &ended(1));
    press(&mut browser, &tab, "PageDown", &ended(2));
    tab_to(&mut browser, &tab, "#replay");
    let replays =
        "document.getElementById('replay').textContent.includes('times slower')";
    press(&mut browser, &tab, "Enter", replays);
    tab_to(&mut browser, &tab, "summary");
    let open = "document.querySelector('footer details').open";
    press(&mut browser, &tab, "Enter", open);
    tab_to(&mut browser, &tab, "#commands button");
    let copied = "getSelection().toString().startsWith('./just audit --sku ')";
    press(&mut browser, &tab, "Enter", copied);

    // Why? The judge's order, to its end and back.
    tab_to(&mut browser, &tab, "[data-strategy=naive] [data-is=why]");
    press(&mut browser, &tab, "Enter", &played(1));
    press(
        &mut browser,
        &tab,
        "PageDown",
        "document.body.dataset.at > 0",
    );
    press(&mut browser, &tab, "End", AT_END);
    assert_eq!(
        text(&mut browser, &tab, "[data-is=verdict]"),
        "✗ oversold by 1"
    );
    let guilty = text(&mut browser, &tab, ".source .guilty");
    assert!(guilty.contains("available_units.eq("), "{guilty}");
    take_picture(&mut browser, &tab, "keys-why");
    press(&mut browser, &tab, "PageUp", &format!("!({AT_END})"));

    // The same order beside another strategy: a list is left with Enter.
    tab_to(&mut browser, &tab, "#beside");
    for name in ["naive", "pessimistic"] {
        let chosen = format!("document.activeElement.value === '{name}'");
        press(&mut browser, &tab, "ArrowDown", &chosen);
    }
    browser.press(&tab, "Enter").expect("a key");
    browser.wait_for(&tab, &played(2)).expect("two panes");
    press(&mut browser, &tab, "End", AT_END);
    let exact = text(&mut browser, &tab, ".pane:last-child [data-is=verdict]");
    assert_eq!(exact, "✓ exact");
    take_picture(&mut browser, &tab, "keys-beside");

    // An order of one's own: the list is gone through with the letters it begins with.
    tab_to(&mut browser, &tab, "#order");
    press(
        &mut browser,
        &tab,
        "l",
        "document.activeElement.value === 'choose'",
    );
    let empty = "document.body.dataset.busy === 'false' && choosing()
        && document.body.dataset.at === '0' && document.querySelector('.pane') !== null";
    press(&mut browser, &tab, "Enter", empty);
    press(&mut browser, &tab, "1", "document.body.dataset.at === '1'");
    press(&mut browser, &tab, "2", "document.body.dataset.at === '2'");
    press(
        &mut browser,
        &tab,
        "ArrowLeft",
        "document.body.dataset.at === '1'",
    );
    assert_quiet(&mut browser);
}
