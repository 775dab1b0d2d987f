//! The files of the page, as they are in the repository.

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JS: &str = "text/javascript; charset=utf-8";

/// What each column is made from stands at the end of the page.
const SALE_HTML: &str = concat!(
    include_str!("../page/sale.html"),
    include_str!("../page/column.html")
);

/// All of them: the path of its URL, its type, its text.
pub(crate) const ASSETS: [(&str, &str, &str); 17] = [
    ("/", HTML, SALE_HTML),
    ("/steps", HTML, include_str!("../page/steps.html")),
    ("/icon.svg", SVG, include_str!("../page/icon.svg")),
    ("/page.css", CSS, include_str!("../page/page.css")),
    ("/steps.css", CSS, include_str!("../page/steps.css")),
    ("/page.js", JS, include_str!("../page/page.js")),
    ("/chart.js", JS, include_str!("../page/chart.js")),
    ("/column.js", JS, include_str!("../page/column.js")),
    ("/replay.js", JS, include_str!("../page/replay.js")),
    ("/sale.js", JS, include_str!("../page/sale.js")),
    ("/start.js", JS, include_str!("../page/start.js")),
    ("/story.js", JS, include_str!("../page/story.js")),
    ("/source.js", JS, include_str!("../page/source.js")),
    ("/lanes.js", JS, include_str!("../page/lanes.js")),
    ("/address.js", JS, include_str!("../page/address.js")),
    ("/steps.js", JS, include_str!("../page/steps.js")),
    ("/keys.js", JS, include_str!("../page/keys.js")),
];
