//! The page as one file: the same markup, style and chart, and what came of a sale.

use anyhow::ensure;

use super::assets::{CHART_JS, COLUMN_JS, PAGE_CSS, SALE_HTML, SALE_JS};
use super::board::State;

/// What else the file tells.
pub(crate) struct Words {
    /// The result in plain text, for who runs no scripts.
    pub(crate) table: String,
    /// Two buyers whose order of steps sold one unit twice.
    pub(crate) transcript: String,
    /// Where, when and with what this was measured.
    pub(crate) environment: String,
}

/// Writes one page that needs no other file and no network.
pub(crate) fn write(state: &State, words: &Words) -> anyhow::Result<String> {
    // In a script element nothing but this character can end it.
    let json = serde_json::to_string(state)?.replace('<', "\\u003c");
    let scripts = [CHART_JS, COLUMN_JS, SALE_JS]
        .map(|script| format!("<script>\n{script}</script>\n"))
        .concat();
    let end = format!(
        "<noscript><pre>{}</pre></noscript>\n\
         <script type=\"application/json\" id=\"state\">{json}</script>\n\
         {scripts}</body>",
        escaped(&words.table),
    );
    let footer = format!(
        "<section>\n<h2>The shortest order of steps that sells one unit twice</h2>\n\
         <pre>{}</pre>\n</section>\n<footer>{}</footer>",
        escaped(&words.transcript),
        escaped(&words.environment),
    );
    let mut page = SALE_HTML.to_owned();
    for (from, to, with) in [
        ("<link rel=\"icon\"", ">\n", String::new()),
        (
            "<link rel=\"stylesheet\"",
            ">",
            format!("<style>\n{PAGE_CSS}</style>"),
        ),
        ("<script src=\"/chart.js\"", "</head>", "</head>".to_owned()),
        ("<body>", "\n", "<body class=\"report\">\n".to_owned()),
        ("<nav>", "</form>\n", String::new()),
        ("<footer>", "</footer>", footer),
        ("</body>", "", end),
    ] {
        page = replaced(&page, from, to, &with)?;
    }
    Ok(page)
}

/// Replaces what begins with `from`, up to the end of the next `to`.
fn replaced(page: &str, from: &str, to: &str, with: &str) -> anyhow::Result<String> {
    let parts = page.split_once(from).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(to)?;
        Some((before, after))
    });
    ensure!(parts.is_some(), "the page has no {from}");
    let (before, after) = parts.unwrap_or_default();
    Ok(format!("{before}{with}{after}"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::board::{Board, Terms};

    #[test]
    fn the_file_needs_nothing_but_itself() {
        let terms = Terms {
            units: 5,
            buyers: 40,
        };
        let state = Board::new(&["naive"], terms, 10_000).state();
        let words = Words {
            table: "1 < 2 & 3".to_owned(),
            transcript: "T1".to_owned(),
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
