//! The page as one file: the same markup, style and chart, and what came of a sale.

use anyhow::ensure;
use flash_lab_crowd::output::escaped;

use crate::board::State;

const TEMPLATE: &str = include_str!("../page/report.html");

const SCRIPTS: [&str; 5] = [
    include_str!("../page/page.js"),
    include_str!("../page/chart.js"),
    include_str!("../page/column.js"),
    include_str!("../page/replay.js"),
    include_str!("../page/sale.js"),
];

/// Writes one page that needs no other file and no network; the template names the words
/// that it has beside the state.
pub(crate) fn write(state: &State, words: &[(&str, &str)]) -> anyhow::Result<String> {
    // In a script element nothing but this character can end it.
    let state = serde_json::to_string(state)?.replace('<', "\\u003c");
    let scripts = SCRIPTS.map(|script| format!("<script>\n{script}</script>\n"));
    let mut page = TEMPLATE
        .replace("{{style}}", include_str!("../page/page.css"))
        .replace("{{column}}", include_str!("../page/column.html"))
        .replace("{{scripts}}", &scripts.concat());
    for (name, text) in words {
        let place = format!("{{{{{name}}}}}");
        ensure!(page.contains(&place), "the template has no {place}");
        page = page.replace(&place, &escaped(text));
    }
    Ok(page.replace("{{state}}", &state))
}
