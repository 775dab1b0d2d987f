//! The page as one file: the same markup, style and chart, and what came of a sale.

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
pub(crate) fn write(state: &State, words: &Words) -> serde_json::Result<String> {
    // In a script element nothing but this character can end it.
    let state = serde_json::to_string(state)?.replace('<', "\\u003c");
    let scripts = SCRIPTS.map(|script| format!("<script>\n{script}</script>\n"));
    let values = [
        ("style", include_str!("../page/page.css")),
        ("column", include_str!("../page/column.html")),
        ("scripts", &scripts.concat()),
        ("transcript", &escaped(&words.transcript)),
        ("beside", &escaped(&words.beside)),
        ("why", &escaped(words.why)),
        ("environment", &escaped(&words.environment)),
        ("table", &escaped(&words.table)),
        ("state", &state),
    ];
    let fill =
        |page: String, (name, value)| page.replace(&format!("{{{{{name}}}}}"), value);
    Ok(values.into_iter().fold(TEMPLATE.to_owned(), fill))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Terms;

    #[test]
    fn the_file_needs_nothing_but_itself() {
        let (units, buyers) = (5, 40);
        let state = State::new(&[], Terms { units, buyers }, 10_000);
        let words = Words {
            table: "1 < 2 & 3".to_owned(),
            transcript: String::new(),
            beside: String::new(),
            why: "",
            environment: String::new(),
        };
        let page = write(&state, &words).expect("a page");
        // What the chart names within the page.
        let page = page.replace("url(#", "");
        for outside in ["src=", "href=", "<form", "url(", "{{"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("1 &lt; 2 &amp; 3"));
        assert!(page.contains("\"units\":5"));
        assert_eq!(page.matches("</body>").count(), 1);
    }
}
