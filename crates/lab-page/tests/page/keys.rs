//! Both views without a mouse, from a guess to the line that oversells.

use crate::browser::Tab;
use crate::sale::{COLUMNS, check_looks, check_small, ended, number, open, shown};
use crate::steps::{PLAYED, at};

/// More stops of the tabulator than there are.
const STOPS_MAX: usize = 60;

/// Goes on with the tabulator until something has the focus.
#[track_caller]
fn tab_to(tab: &Tab, selector: &str) {
    let there = format!("document.activeElement.matches(`{selector}`)");
    let leads = (0..STOPS_MAX).any(|_| {
        tab.press("Tab");
        tab.holds(&there)
    });
    assert!(leads, "the tabulator does not lead to {selector}");
}

#[test]
fn keys_alone_lead_from_a_guess_to_the_line_that_oversells() {
    let (_page, tab) = open(&["--buyers", "300"]);
    choose_and_sell_one_at_a_time(&tab);
    check_looks(&tab);
    check_small(&tab);
    replay_and_count(&tab);
    // Beside the list everything can be read as before.
    check_looks(&tab);

    tab_to(&tab, "[data-strategy=naive] [data-is=why]");
    tab.press_until("Enter", PLAYED);
    play_what_the_judge_found(&tab);
    tab.assert_quiet();
}

/// What a class is shown with a presenter's remote: it guesses before each sale.
fn choose_and_sell_one_at_a_time(tab: &Tab) {
    // There is no room for the engine; hybrid is not wanted.
    tab_to(tab, "#who [value=hybrid]");
    tab.press(" ");
    assert_eq!(tab.value(COLUMNS), "naive,pessimistic");
    tab_to(tab, "#slowly");
    tab.press(" ");
    assert_eq!(tab.text("#start button"), "Start: naive");
    tab.press_until("PageDown", &ended(1));
    let guess = "? what will happen";
    assert_eq!(shown(tab, "pessimistic", "verdict"), guess);
    let oversold = shown(tab, "naive", "verdict");
    assert!(oversold.starts_with("✗ oversold by"), "{oversold}");
    tab.pictures("sale-guess");

    assert_eq!(tab.text("#start button"), "Next: pessimistic");
    tab.press_until("PageDown", &ended(2));
    assert_eq!(shown(tab, "naive", "verdict"), oversold);
    assert_eq!(shown(tab, "pessimistic", "verdict"), "✓ exact");
    assert_eq!(shown(tab, "hybrid", "verdict"), guess);

    let sums = shown(tab, "naive", "sentence");
    let orders = number(tab, "naive", "orders");
    let expected = format!("expected 100 − {orders} = −{}row ", orders - 100);
    assert!(sums.starts_with(&expected), "{sums}");
    let wrong = tab.text("[data-strategy=naive] .wrong:last-child");
    assert!(wrong.contains(" lost update"), "{wrong}");
    let exact = shown(tab, "pessimistic", "sentence");
    assert_eq!(exact, "expected 100 − 100 = 0row 0");
}

/// The sales once more, slowly; then the list of ways to count the books, which opens in
/// view and can be copied.
fn replay_and_count(tab: &Tab) {
    tab_to(tab, "#replay");
    let text = "document.getElementById('replay').textContent";
    tab.press_until("Enter", &format!("{text}.includes(' times slower: ')"));
    tab.wait_for(&format!("{text} === 'slow replay'"));
    tab_to(tab, "summary");
    let in_view = "document.querySelector('footer details').open
        && document.getElementById('commands').getBoundingClientRect().bottom
            <= innerHeight + 1";
    tab.press_until("Enter", in_view);
    tab_to(tab, "#commands button");
    let copied = "['copied', 'selected'].includes(document.activeElement.textContent)
        && getSelection().toString().startsWith('./just audit --sku ')";
    tab.press_until("Enter", copied);
    tab.picture("sale-ways");
}

const AT_END: &str = "document.body.dataset.at === document.body.dataset.steps";

fn play_what_the_judge_found(tab: &Tab) {
    // Its order, to its end and back.
    assert_eq!(tab.value("location.pathname"), "/steps");
    assert_eq!(tab.value("document.getElementById('order').value"), "worst");
    tab.press_until("PageDown", "document.body.dataset.at > 0");
    tab.press_until("End", AT_END);
    assert_eq!(tab.text("[data-is=verdict]"), "✗ oversold by 1");
    let why = tab.text("[data-is=sentence]");
    assert!(why.contains("read the same 1; nothing made one of them wait"));
    let guilty = tab.text(".source .guilty");
    assert!(guilty.contains("available_units.eq("), "{guilty}");
    tab.picture("keys-why");
    tab.press_until("PageUp", &format!("!({AT_END})"));

    // The same order beside another strategy: a list is left with Enter.
    tab_to(tab, "#beside");
    for name in ["naive", "pessimistic"] {
        let chosen = format!("document.activeElement.value === '{name}'");
        tab.press_until("ArrowDown", &chosen);
    }
    let two = format!("{PLAYED} && document.querySelectorAll('.pane').length === 2");
    tab.press_until("Enter", &two);
    tab.press_until("End", AT_END);
    assert_eq!(tab.text(".pane:last-child [data-is=verdict]"), "✓ exact");
    tab.picture("keys-beside");

    // An order of one's own: the list is gone through with the letters it begins with.
    tab_to(tab, "#order");
    tab.press_until("l", "document.activeElement.value === 'choose'");
    let empty = format!(
        "{} && choosing() && document.querySelector('.pane') !== null",
        at(0)
    );
    tab.press_until("Enter", &empty);
    tab.press_until("1", &at(1));
    tab.press_until("2", &at(2));
    tab.press_until("ArrowLeft", &at(1));
}
