//! Texts with gaps, which the result fills.

use anyhow::Context;
use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use serde::Serialize;

use crate::statistics::{significant, whole};

/// Fills a template; where its name ends in `html`, text is escaped.
///
/// # Errors
///
/// A template that is wrong.
pub(crate) fn rendered(
    name: &str,
    template: &str,
    what: &impl Serialize,
) -> anyhow::Result<String> {
    let mut environment = Environment::new();
    environment.add_filter("significant", significant);
    environment.add_filter("whole", whole);
    let lines = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    lines
        .map(|lines| environment.set_syntax(lines))
        .and_then(|()| environment.render_named_str(name, template, Serde(what)))
        .with_context(|| format!("cannot fill {name}"))
}
