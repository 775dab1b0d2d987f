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
pub(crate) const COLUMN_HTML: &str = include_str!("../page/column.html");
pub(crate) const REPORT_HTML: &str = include_str!("../page/report.html");
pub(crate) const PAGE_CSS: &str = include_str!("../page/page.css");
pub(crate) const CHART_JS: &str = include_str!("../page/chart.js");
pub(crate) const COLUMN_JS: &str = include_str!("../page/column.js");
const STEPS_HTML: &str = include_str!("../page/steps.html");
const STEPS_CSS: &str = include_str!("../page/steps.css");
const STORY_JS: &str = include_str!("../page/story.js");
const ADDRESS_JS: &str = include_str!("../page/address.js");
const KEYS_JS: &str = include_str!("../page/keys.js");
const SOURCE_JS: &str = include_str!("../page/source.js");
const LANES_JS: &str = include_str!("../page/lanes.js");
const STEPS_JS: &str = include_str!("../page/steps.js");
const ICON_SVG: &str = include_str!("../page/icon.svg");
pub(crate) const REPLAY_JS: &str = include_str!("../page/replay.js");
const START_JS: &str = include_str!("../page/start.js");
pub(crate) const SALE_JS: &str = include_str!("../page/sale.js");

/// All of them: the path of its URL, its type, its text.
pub(crate) const ASSETS: [(&str, &str, &str); 16] = [
    ("/", HTML, SALE_HTML),
    ("/page.css", CSS, PAGE_CSS),
    ("/steps", HTML, STEPS_HTML),
    ("/steps.css", CSS, STEPS_CSS),
    ("/story.js", JS, STORY_JS),
    ("/source.js", JS, SOURCE_JS),
    ("/lanes.js", JS, LANES_JS),
    ("/address.js", JS, ADDRESS_JS),
    ("/keys.js", JS, KEYS_JS),
    ("/steps.js", JS, STEPS_JS),
    ("/icon.svg", SVG, ICON_SVG),
    ("/chart.js", JS, CHART_JS),
    ("/column.js", JS, COLUMN_JS),
    ("/replay.js", JS, REPLAY_JS),
    ("/sale.js", JS, SALE_JS),
    ("/start.js", JS, START_JS),
];
