//! The page as one file: the same markup, style and chart, and what came of a sale.

use anyhow::Context;
use flash_lab_crowd::output::escaped;

use crate::assets::{
    CHART_JS, COLUMN_HTML, COLUMN_JS, PAGE_CSS, REPLAY_JS, REPORT_HTML, SALE_JS,
};
use crate::board::State;

/// What else the file tells.
pub(crate) struct Words {
    /// The result in plain text, for who runs no scripts.
    pub(crate) table: String,
    /// Two buyers whose order of steps sold one unit twice.
    pub(crate) transcript: String,
    /// The same order with a lock.
    pub(crate) beside: String,
    /// Why the first was sold twice and the second was not.
    pub(crate) why: &'static str,
    /// Where, when and with what this was measured.
    pub(crate) environment: String,
}

/// Writes one page that needs no other file and no network.
pub(crate) fn write(state: &State, words: &Words) -> anyhow::Result<String> {
    // In a script element nothing but this character can end it.
    let state = serde_json::to_string(state)?.replace('<', "\\u003c");
    let scripts = [CHART_JS, COLUMN_JS, REPLAY_JS, SALE_JS]
        .map(|script| format!("<script>\n{script}</script>\n"))
        .concat();
    filled(
        REPORT_HTML,
        &[
            ("style", PAGE_CSS),
            ("transcript", &escaped(&words.transcript)),
            ("beside", &escaped(&words.beside)),
            ("why", &escaped(words.why)),
            ("environment", &escaped(&words.environment)),
            ("column", COLUMN_HTML),
            ("table", &escaped(&words.table)),
            ("state", &state),
            ("scripts", &scripts),
        ],
    )
}

/// A template with a value for each `{{name}}`.
fn filled(template: &str, values: &[(&str, &str)]) -> anyhow::Result<String> {
    let mut parts = template.split("{{");
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, text) = part.split_once("}}").context("a name has no end")?;
        let value = values.iter().find(|(known, _)| *known == name);
        page += value.with_context(|| format!("no value for {name}"))?.1;
        page += text;
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::{Board, Terms};

    #[test]
    fn the_file_needs_nothing_but_itself() {
        let terms = Terms {
            units: 5,
            buyers: 40,
        };
        let state = Board::new(&["naive".to_owned()], terms, 10_000).state();
        let words = Words {
            table: "1 < 2 & 3".to_owned(),
            transcript: "T1".to_owned(),
            beside: "T2".to_owned(),
            why: "",
            environment: "here".to_owned(),
        };
        let page = write(&state, &words).expect("a page");
        // What the chart names within the page.
        let page = page.replace("url(#", "");
        for outside in ["src=", "href=", "<form", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("1 &lt; 2 &amp; 3"));
        assert!(page.contains("\"units\":5"));
        assert_eq!(page.matches("</body>").count(), 1);
    }
}
