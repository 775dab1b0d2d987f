//! Values of the wire, as a human reads them.

use fallible_iterator::FallibleIterator;
use postgres_protocol::types;
use postgres_types::{Kind, Type};

/// Longer statements are shown without their middle.
const READABLE_MAX: usize = 160;

/// The end of a statement that is shown in any case: it may say FOR UPDATE.
const END_SHOWN: usize = 56;

/// A parameter of a statement, or a column of a row, as SQL writes it.
pub(crate) fn decode(type_id: u32, is_binary: bool, bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else {
        return "NULL".to_owned();
    };
    let of = match type_id {
        // Nobody has said what it is.
        0 => Type::TEXT,
        id => Type::from_oid(id).unwrap_or(Type::UNKNOWN),
    };
    if is_binary {
        binary(&of, bytes).unwrap_or_else(|| format!("<{} bytes>", bytes.len()))
    } else {
        text(&of, bytes)
    }
}

fn text(of: &Type, value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    match *of {
        Type::UUID => "<uuid>".to_owned(),
        Type::TIMESTAMPTZ => "<time>".to_owned(),
        Type::TEXT | Type::VARCHAR => format!("'{text}'"),
        _ => text.into_owned(),
    }
}

fn binary(of: &Type, value: &[u8]) -> Option<String> {
    Some(match *of {
        Type::BOOL => types::bool_from_sql(value).ok()?.to_string(),
        Type::INT2 => types::int2_from_sql(value).ok()?.to_string(),
        Type::INT4 => types::int4_from_sql(value).ok()?.to_string(),
        Type::INT8 => types::int8_from_sql(value).ok()?.to_string(),
        Type::TEXT | Type::VARCHAR | Type::UUID | Type::TIMESTAMPTZ => text(of, value),
        _ if matches!(of.kind(), Kind::Array(_)) => {
            let array = types::array_from_sql(value).ok()?;
            let element = |it| Ok(decode(array.element_type(), true, it));
            let shown: Vec<_> = array.values().map(element).collect().ok()?;
            format!("ARRAY[{}]", shown.join(", "))
        }
        _ => return None,
    })
}

/// Puts the parameters in their places, and leaves out what only a machine needs.
pub(crate) fn readable(sql: &str, parameters: &[String]) -> String {
    let words: Vec<_> = sql.split_whitespace().collect();
    let mut text = words.join(" ");
    for table in ["skus", "orders"] {
        text = text.replace(&format!("\"{table}\".\""), "\"");
    }
    text = text.replace('"', "");
    for (before, after) in [("SELECT ", " FROM "), ("INSERT INTO orders (", ")")] {
        text = with_first_only(&text, before, after);
    }
    // From the last to the first, so that $1 is not found in $10.
    for (position, parameter) in parameters.iter().enumerate().rev() {
        text = text.replace(&format!("${}", position + 1), parameter);
    }
    shortened(&text)
}

/// Of a list of columns between two words, the first is enough to read.
fn with_first_only(text: &str, before: &str, after: &str) -> String {
    let cut = || {
        let list = text.strip_prefix(before)?;
        let (list, rest) = list.split_once(after)?;
        let (first, _others) = list.split_once(", ")?;
        Some(format!("{before}{first}, …{after}{rest}"))
    };
    cut().unwrap_or_else(|| text.to_owned())
}

fn shortened(text: &str) -> String {
    let length = text.chars().count();
    if length <= READABLE_MAX {
        return text.to_owned();
    }
    let begin: String = text.chars().take(READABLE_MAX - END_SHOWN - 3).collect();
    let end: String = text.chars().skip(length - END_SHOWN).collect();
    // Between words, where there are any.
    let begin = begin
        .rsplit_once(' ')
        .map_or(&*begin, |(whole, _cut)| whole);
    let end = end.split_once(' ').map_or(&*end, |(_cut, whole)| whole);
    format!("{begin} … {end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_sql_writes_them() {
        let one_text = [1_i32, 0, 25, 1, 1, 3].map(i32::to_be_bytes).concat();
        for (of, bytes, expected) in [
            (Type::INT8, &1_i64.to_be_bytes()[..], "1"),
            (Type::INT8, &[1], "<1 bytes>"),
            (Type::INT4, &(-2_i32).to_be_bytes(), "-2"),
            (Type::TEXT, b"ann", "'ann'"),
            (Type::UUID, &[7; 16], "<uuid>"),
            (Type::POINT, &[1, 2], "<2 bytes>"),
            (
                Type::TEXT_ARRAY,
                &[&one_text, &b"tee"[..]].concat(),
                "ARRAY['tee']",
            ),
        ] {
            assert_eq!(decode(of.oid(), true, Some(bytes)), expected, "{of}");
        }
        assert_eq!(decode(Type::INT8.oid(), true, None), "NULL");
    }

    #[test]
    fn a_statement_is_readable_without_quotes_places_and_most_columns() {
        let parameters = ["'tee'", "1"].map(str::to_owned);
        for (sql, expected) in [
            (
                "SELECT \"skus\".\"available_units\" FROM \"skus\"
                  WHERE (\"skus\".\"sku\" = $1)  LIMIT $2",
                "SELECT available_units FROM skus WHERE (sku = 'tee') LIMIT 1",
            ),
            (
                "SELECT a, b, c FROM skus WHERE x = 1 FOR UPDATE",
                "SELECT a, … FROM skus WHERE x = 1 FOR UPDATE",
            ),
            (
                "INSERT INTO \"orders\" (\"a\", \"b\") VALUES (1, 2)",
                "INSERT INTO orders (a, …) VALUES (1, 2)",
            ),
        ] {
            assert_eq!(readable(sql, &parameters), expected);
        }
        let long = format!("SELECT {} FOR UPDATE", "a + ".repeat(100));
        let short = readable(&long, &[]);
        assert!(short.chars().count() <= READABLE_MAX);
        assert!(short.starts_with("SELECT a") && short.ends_with("FOR UPDATE"));
    }
}
