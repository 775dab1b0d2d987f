//! Values of the wire, as a human reads them.

use fallible_iterator::FallibleIterator;
use postgres_protocol::types;

/// Longer statements are shown without their middle.
const READABLE_MAX: usize = 160;

/// The end of a statement that is shown in any case: it may say FOR UPDATE.
const END_SHOWN: usize = 56;

/// The numbers of types in `pg_type`, which never change.
mod type_id {
    pub(crate) const BOOL: u32 = 16;
    pub(crate) const INT8: u32 = 20;
    pub(crate) const INT2: u32 = 21;
    pub(crate) const INT4: u32 = 23;
    pub(crate) const TEXT: u32 = 25;
    pub(crate) const INT8_ARRAY: u32 = 1016;
    pub(crate) const TEXT_ARRAY: u32 = 1009;
    pub(crate) const VARCHAR: u32 = 1043;
    pub(crate) const TIMESTAMPTZ: u32 = 1184;
    pub(crate) const TIMESTAMPTZ_ARRAY: u32 = 1185;
    pub(crate) const UUID: u32 = 2950;
    pub(crate) const UUID_ARRAY: u32 = 2951;
}

/// A parameter of a statement, or a column of a row, as SQL writes it.
pub(crate) fn decode(type_id: u32, is_binary: bool, bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "NULL".to_owned(),
        Some(bytes) if is_binary => {
            binary(type_id, bytes).unwrap_or_else(|| format!("<{} bytes>", bytes.len()))
        }
        Some(bytes) => text(type_id, &String::from_utf8_lossy(bytes)),
    }
}

fn text(type_id: u32, text: &str) -> String {
    match type_id {
        type_id::UUID => "<uuid>".to_owned(),
        type_id::TIMESTAMPTZ => "<time>".to_owned(),
        type_id::TEXT | type_id::VARCHAR | 0 => format!("'{text}'"),
        _ => text.to_owned(),
    }
}

fn binary(type_id: u32, value: &[u8]) -> Option<String> {
    match type_id {
        type_id::BOOL => types::bool_from_sql(value).ok().map(|it| it.to_string()),
        type_id::INT2 => types::int2_from_sql(value).ok().map(|it| it.to_string()),
        type_id::INT4 => types::int4_from_sql(value).ok().map(|it| it.to_string()),
        type_id::INT8 => types::int8_from_sql(value).ok().map(|it| it.to_string()),
        type_id::TEXT | type_id::VARCHAR | type_id::UUID | type_id::TIMESTAMPTZ => {
            Some(text(type_id, &String::from_utf8_lossy(value)))
        }
        type_id::INT8_ARRAY
        | type_id::TEXT_ARRAY
        | type_id::UUID_ARRAY
        | type_id::TIMESTAMPTZ_ARRAY => {
            let array = types::array_from_sql(value).ok()?;
            let shown = array
                .values()
                .map(|it| Ok(decode(array.element_type(), true, it)));
            let shown: Vec<_> = shown.collect().ok()?;
            Some(format!("ARRAY[{}]", shown.join(", ")))
        }
        _ => None,
    }
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

    fn shown(type_id: u32, bytes: &[u8]) -> String {
        decode(type_id, true, Some(bytes))
    }

    #[test]
    fn values_are_shown_as_sql_writes_them() {
        assert_eq!(shown(type_id::INT8, &[0, 0, 0, 0, 0, 0, 0, 1]), "1");
        assert_eq!(shown(type_id::INT4, &(-2_i32).to_be_bytes()), "-2");
        assert_eq!(shown(type_id::TEXT, b"ann"), "'ann'");
        assert_eq!(shown(type_id::UUID, &[7; 16]), "<uuid>");
        assert_eq!(shown(99_999, &[1, 2]), "<2 bytes>");
        assert_eq!(shown(type_id::INT8, &[1]), "<1 bytes>");
        assert_eq!(decode(20, true, None), "NULL");
    }

    #[test]
    fn an_array_is_shown_with_its_elements() {
        let mut bytes = Vec::new();
        for number in [1, 0, 25, 1, 1, 3] {
            bytes.extend_from_slice(&i32::to_be_bytes(number));
        }
        bytes.extend_from_slice(b"tee");
        assert_eq!(shown(type_id::TEXT_ARRAY, &bytes), "ARRAY['tee']");
    }

    #[test]
    fn a_statement_is_readable_without_quotes_and_places() {
        let parameters = ["'tee'", "1"].map(str::to_owned);
        let sql = "SELECT \"skus\".\"available_units\" FROM \"skus\"
                    WHERE (\"skus\".\"sku\" = $1)  LIMIT $2";
        assert_eq!(
            readable(sql, &parameters),
            "SELECT available_units FROM skus WHERE (sku = 'tee') LIMIT 1"
        );
    }

    #[test]
    fn of_a_list_of_columns_the_first_is_shown() {
        assert_eq!(
            readable("SELECT a, b, c FROM skus WHERE x = 1 FOR UPDATE", &[]),
            "SELECT a, … FROM skus WHERE x = 1 FOR UPDATE"
        );
        assert_eq!(
            readable("INSERT INTO \"orders\" (\"a\", \"b\") VALUES (1, 2)", &[]),
            "INSERT INTO orders (a, …) VALUES (1, 2)"
        );
    }

    #[test]
    fn a_long_statement_keeps_its_end() {
        let sql = format!("SELECT {} FOR UPDATE", "a + ".repeat(100));
        let short = readable(&sql, &[]);
        assert!(short.chars().count() <= READABLE_MAX);
        assert!(short.starts_with("SELECT a") && short.ends_with("FOR UPDATE"));
    }
}
